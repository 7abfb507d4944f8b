"""Commands to the field: what is ordered, when, and what must never be."""
