"""Tables whose text is of the type ``object``, whatever pandas makes of text by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: What stands for no number in a column of whole numbers.
NO_NUMBER = -99


def make_frame(columns: Mapping[str, Any], index: Any = None) -> pd.DataFrame:
    """Return a table of columns, with text and mixed values as objects.

    Parameters
    ----------
    columns : mapping
        An array or a list for each column.
    index : array-like, optional
        Labels of the rows; numbers from 0 unless given.

    Raises
    ------
    ValueError
        If columns have different lengths.
    """
    import numpy as np
    import pandas as pd

    made = {}
    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind in "OUST":
            made[name] = pd.Series(array.astype(object), dtype=object)
        else:
            made[name] = pd.Series(array)
    lengths = {name: len(column) for name, column in made.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of different lengths: {lengths}")
    frame = pd.DataFrame(made)
    if index is not None:
        frame.index = index
    return frame


def with_object_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with text as objects; other columns are not copied."""
    import pandas as pd

    texts = [
        name for name, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype)
    ]  # fmt: skip
    return frame.astype(dict.fromkeys(texts, object)) if texts else frame


def whole_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as 64-bit integers, with `NO_NUMBER` where there is none."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    return numbers.fillna(NO_NUMBER).astype("int64")
