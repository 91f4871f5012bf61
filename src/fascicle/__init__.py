"""Find, fetch, load, release and convert neurophysiology recordings."""

__version__ = "0.1.0.dev0"
