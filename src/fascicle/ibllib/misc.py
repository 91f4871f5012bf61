"""Show values so that people can read them."""

from __future__ import annotations

import json
from typing import Any


def pprint(my_dict: Any) -> None:
    """Print a list, a dictionary or another value, indented.

    Parameters
    ----------
    my_dict : object
        What to print; what JSON does not know is shown as its text, and what has named items as a
        dictionary.

    Examples
    --------
    >>> pprint(["cf264653-2deb-44cb-aa84-89b82507028a"])
    [
        "cf264653-2deb-44cb-aa84-89b82507028a"
    ]
    """
    print(json.dumps(my_dict, indent=4, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    return dict(value.items()) if hasattr(value, "items") else str(value)
