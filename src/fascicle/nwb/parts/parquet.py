"""A Parquet table read column by column, so that one of any length takes little memory."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, EmptyFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Parquet:
    """A Parquet table.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    EmptyFileError, BadFileError
        If it is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._guarded():
            if not path.stat().st_size:
                raise EmptyFileError(
                    f"{path} is empty: it has no bytes", hint="fetch or write the file again"
                )
            import pyarrow.parquet as pq

            with pq.ParquetFile(path) as table:
                self.rows: int = table.metadata.num_rows
                self.schema = table.schema_arrow
                self.groups: int = table.metadata.num_row_groups

    def _guarded(self) -> _Guard:
        return _Guard(self.path)

    @cached_property
    def _pandas(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.schema.metadata or {})[b"pandas"])
        except (KeyError, ValueError):
            return {}
        return found

    @property
    def is_plain(self) -> bool:
        """Whether its rows are numbered from 0 and its columns have names of their own."""
        index = self._pandas.get("index_columns", [])
        labels = self._pandas.get("column_indexes", [])
        return (
            all(
                isinstance(one, dict)
                and (one.get("kind"), one.get("start"), one.get("step")) == ("range", 0, 1)
                and one.get("name") is None
                for one in index
            )
            and all(one.get("pandas_type") in ("unicode", "string", "empty") for one in labels)
            and len(set(self.schema.names)) == len(self.schema.names)
        )

    @property
    def columns(self) -> list[str]:
        """Its columns, without those that are its index."""
        index = {one for one in self._pandas.get("index_columns", []) if isinstance(one, str)}
        return [name for name in self.schema.names if name not in index]

    def float_type(self, column: str) -> np.dtype[Any] | None:
        """Return the type of a column of floats; None for any other."""
        import numpy as np
        import pyarrow as pa

        known = {pa.float16(): "<f2", pa.float32(): "<f4", pa.float64(): "<f8"}
        found = known.get(self.schema.field(column).type)
        return None if found is None else np.dtype(found)

    def read(self, columns: list[str]) -> list[NDArray[Any]]:
        """Return columns of floats, NaN where a value is missing.

        Raises
        ------
        BadFileError
            If the file is harmed.
        """
        with self._guarded():
            import pyarrow.parquet as pq

            with pq.ParquetFile(self.path, page_checksum_verification=True) as table:
                found = table.read(columns=columns, use_threads=False)
                return [found.column(c).to_numpy() for c in columns]


class _Guard:
    """Turns what pyarrow raises of harmed files into errors that name the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            return
        import pyarrow as pa

        from fascicle.errors import FascicleError

        if issubclass(kind, FascicleError) or not issubclass(
            kind, (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError)
        ):
            return
        why = " ".join(str(error).split())[:300]
        raise BadFileError(
            f"{self.path} is no sound Parquet file: {why}", hint="fetch or write the file again"
        ) from None
