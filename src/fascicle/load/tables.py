"""Tables: text with separators, and Parquet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadFileError, EmptyFileError, TruncatedFileError

if TYPE_CHECKING:
    import pandas as pd

_HINT = "fetch or write the file again"


def read_separated(path: str | os.PathLike[str], separator: str) -> Any:
    """Read a table whose fields are separated by one character.

    Parameters
    ----------
    path : path-like
        The file; its first line names the columns.
    separator : str
        The character.

    Returns
    -------
    pandas.DataFrame or pandas.Series
        A Series where there is one column (a single value where there is one row too).

    Raises
    ------
    EmptyFileError, BadFileError
        No bytes, or no such table.
    """
    import pandas as pd

    name = os.fspath(path)
    with Path(path).open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise EmptyFileError(f"{name} is empty: it has no bytes", hint=_HINT)
        try:
            # low_memory guesses a column's type piece by piece and warns where they differ.
            table = pd.read_csv(file, sep=separator, low_memory=False)
        except pd.errors.EmptyDataError:
            raise BadFileError(f"{name} has no columns, only blanks", hint=_HINT) from None
        except (ValueError, OverflowError, LookupError, TypeError) as error:
            why = " ".join(str(error).split())[:300]
            raise BadFileError(f"{name} is no table: {why}", hint=_HINT) from None
    return table.squeeze("columns")


def read_parquet(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a Parquet table.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    pandas.DataFrame
        The table, with the index that it was saved with.

    Raises
    ------
    EmptyFileError, TruncatedFileError, BadFileError
        No bytes, an end before the footer, or no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = os.fspath(path)
    with Path(path).open("rb") as file:
        begins = file.read(4)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - 4, 0))
        ends = file.read(4)
    if not size:
        raise EmptyFileError(f"{name} is empty: it has no bytes", hint=_HINT)
    if begins != b"PAR1":
        raise BadFileError(f"{name} does not begin as a Parquet file does: {begins!r}", hint=_HINT)
    if ends != b"PAR1" or size < 12:
        raise TruncatedFileError(f"{name} is cut short: its footer is missing", hint=_HINT)
    try:
        with pq.ParquetFile(name, page_checksum_verification=True) as table:
            meta = table.metadata
            cells = meta.num_rows * max(meta.num_columns, 1)
            if meta.num_rows < 0 or cells > _memory():
                raise BadFileError(
                    f"{name} announces {meta.num_rows} rows, more than there is memory for",
                    hint=_HINT,
                )
            frame: pd.DataFrame = table.read().to_pandas()
            return frame
    except BadFileError:
        raise
    except MemoryError:
        raise BadFileError(f"{name} unpacks to more than there is memory for") from None
    except (pa.ArrowException, OSError, *_NONSENSE) as error:
        why = " ".join(str(error).split())[:300]
        raise BadFileError(f"{name} is no sound Parquet file: {why}", hint=_HINT) from None


def _memory() -> int:
    """Return the bytes of memory of this machine, or as good as infinity where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 62


# What pyarrow and pandas raise when a damaged schema leads them astray.
_NONSENSE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
