"""Django's admin, set up so that a lab can enter and look after its records there.

What follows from a change, and what forbids it, is the same as where a client makes it.
"""

from fascicle.hub.admin import actions, data, people, probes, subjects

__all__ = ["actions", "data", "people", "probes", "subjects"]
