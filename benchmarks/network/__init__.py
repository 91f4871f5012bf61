"""A line with a round trip, and web servers at its far end."""
