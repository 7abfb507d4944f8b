"""Bytewax operators: from bytes to panes, aggregates, findings and alerts. Thin wrappers over plain classes."""
