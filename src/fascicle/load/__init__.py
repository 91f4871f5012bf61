"""Files become numpy, pandas and AlfBunch; a file that cannot be read says why.

Nothing here unpickles, and nothing is written.
"""

from .bunch import AlfBunch
from .cbin import CbinArray, open_cbin
from .files import load_file
from .objects import assemble, load_object

__all__ = ["AlfBunch", "CbinArray", "assemble", "load_file", "load_object", "open_cbin"]
