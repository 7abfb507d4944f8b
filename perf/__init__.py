"""Benchmarks: what each part costs, as ratios of runs made side by side."""
