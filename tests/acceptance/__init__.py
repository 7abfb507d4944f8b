"""Timetables: what is pushed when, what people do when, and what the desk must see when, all in event time."""
