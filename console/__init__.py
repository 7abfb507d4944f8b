"""The operators' web page: what is open, what speaks for it, and what has been done about it."""
