"""Files become numpy, pandas and AlfBunch; a file that cannot be read says why.

Nothing here unpickles, and nothing is written.
"""

from .bunch import AlfBunch
from .files import load_file
from .objects import assemble, load_object

__all__ = ["AlfBunch", "assemble", "load_file", "load_object"]
