"""Is everything there that an engine needs? One check, one line, and what to do."""
