"""Benchmarks: ours and the limits, side by side in one run, as ratios. ``make bench``, or ``python -m bench page``."""
