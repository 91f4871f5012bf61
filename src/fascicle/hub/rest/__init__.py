"""The hub's REST interface, as a ONE client uses it."""
