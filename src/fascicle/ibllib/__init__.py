"""What the oldest tutorial imports from ibllib."""
