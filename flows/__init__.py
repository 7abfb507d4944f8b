"""Dataflows, readable as the sentence they implement, and the `lifeline` command."""
