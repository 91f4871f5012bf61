"""Measurements of fascicle side by side with the released ONE-api: ``python -m benchmarks``."""
