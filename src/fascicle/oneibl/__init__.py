"""The names of ONE's first interface: ``from fascicle.oneibl.one import ONE``."""
