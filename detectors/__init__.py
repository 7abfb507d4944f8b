"""Online anomaly detectors: numba kernels over columns, one detector a file. Pure: no engine, no I/O."""
