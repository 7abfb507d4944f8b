"""Jobs W and D by other engines, one a file; see `perf.peers.job` for what they must do."""
