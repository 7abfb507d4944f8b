"""Where records come from: Kafka, recorded streams, a pipe."""
