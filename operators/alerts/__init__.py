"""From findings and video events to alerts: order, correlate, and the life of an alert."""
