"""Measurements of fascicle side by side with its peers: ``python -m benchmarks``."""
