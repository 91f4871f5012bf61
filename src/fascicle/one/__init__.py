"""The ONE interface: what ``one.api`` offers, on fascicle's own index.

Replace ``from one.api import One`` by ``from fascicle.one import One``; likewise ``one.`` by
``fascicle.one.`` in other imports.
"""

from fascicle.one.api import ONE, One

__all__ = ["ONE", "One"]
