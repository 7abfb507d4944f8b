"""Jobs W and D by other engines, one a file; see `perf.jobs` for what they must do."""
