"""Speed and memory, each measured beside its peer: ``python -m benchmarks.run``."""
