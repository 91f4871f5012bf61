"""AlfBunch: the attributes of one ALF object, as a dictionary with dots."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self
from warnings import warn

import numpy as np

from ..errors import ALFInvalid, ALFWarning

if TYPE_CHECKING:
    import pandas as pd

_COLUMN = re.compile(r"(.+)_(\d+)")


class AlfBunch(dict[str, Any]):
    """The attributes of one object: a dictionary whose keys are attributes too.

    ``bunch.times`` is ``bunch["times"]``. A key that is also the name of a method (``values``,
    ``copy``) is reached with brackets only.

    Examples
    --------
    >>> import numpy as np
    >>> spikes = AlfBunch(times=np.array([0.1, 0.2]), clusters=np.array([7, 7]))
    >>> spikes.clusters
    array([7, 7])
    >>> spikes.to_df().dtypes.tolist()
    [dtype('float64'), dtype('int64')]
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(map(str, self)) or "nothing"
            raise AttributeError(
                f"no attribute {name!r} here; there is: {known}", name=name, obj=self
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"no attribute {name!r} here", name=name, obj=self) from None

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(k for k in self if isinstance(k, str) and k.isidentifier())]

    def __or__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]
        if not isinstance(other, Mapping):
            return NotImplemented
        return type(self)({**self, **other})

    def __ror__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]
        if not isinstance(other, Mapping):
            return NotImplemented
        return type(self)({**other, **self})

    def copy(self, deep: bool = False) -> Self:
        """Return a copy; its arrays are the same ones unless ``deep``.

        Parameters
        ----------
        deep : bool
            Copy the values too.

        Returns
        -------
        AlfBunch
            The copy.
        """
        return copy.deepcopy(self) if deep else type(self)(self)

    @property
    def check_dimensions(self) -> int:
        """int: 0 where all attributes have consistent lengths, 1 where not."""
        return check_dimensions(self)

    def append(self, other: Mapping[str, Any], inplace: bool = False) -> Self:
        """Return this object followed by another one with the same attributes.

        Parameters
        ----------
        other : mapping
            What to append, attribute by attribute: arrays along their first axis, lists and
            tables row by row. An empty one changes nothing.
        inplace : bool
            Change this object instead of a copy.

        Returns
        -------
        AlfBunch
            The longer object.

        Raises
        ------
        ALFInvalid
            The attributes are not the same, or cannot be put together.
        """
        whole = self if inplace else self.copy()
        if not other:
            return whole
        if not self:
            whole.update(other)
            return whole
        if self.keys() != other.keys():
            differ = ", ".join(sorted(map(str, self.keys() ^ other.keys())))
            raise ALFInvalid(
                f"only objects with the same attributes can be appended; these differ in: {differ}",
                hint="drop those attributes, or join tables: pandas.concat([a.to_df(), b.to_df()])",
            )
        longer = {key: self._joined(key, value, other[key]) for key, value in self.items()}
        whole.update(longer)
        if check_dimensions(whole):
            whole._say(f"inconsistent dimensions after append: {describe_dimensions(whole)}")
        return whole

    def _joined(self, key: str, a: Any, b: Any) -> Any:
        """Return two values of one attribute, one after the other."""
        try:
            if isinstance(a, np.ndarray):
                return np.concatenate((a, b), axis=0)
            if isinstance(a, list):
                return [*a, *b]
            if _shape(a):
                import pandas as pd

                return pd.concat([a, b], ignore_index=True)
        except (ValueError, TypeError) as error:
            raise ALFInvalid(
                f"{key} cannot be appended: {error}", hint=f"del bunch[{key!r}]"
            ) from None
        self._say(f"{key} is a {type(a).__name__}: the first one is kept")
        return a

    def to_df(self, *, max_columns: int | None = None) -> pd.DataFrame:
        """Return the attributes as columns of one table.

        Vectors keep their type. A 2-D attribute ``x`` becomes the columns ``x_0``, ``x_1``, …;
        one row is repeated where all others have more; attributes of three and more dimensions,
        and whatever has no rows (metadata), are left out, the former with a warning.

        Parameters
        ----------
        max_columns : int, optional
            The most columns that one attribute may become; default all.

        Returns
        -------
        pandas.DataFrame
            One row per element.

        Raises
        ------
        ALFInvalid
            The attributes have inconsistent lengths (it is a ``ValueError``).
        """
        return to_frame(self, max_columns=max_columns, say=self._say)

    @staticmethod
    def _say(message: str) -> None:
        """Warn the user; the ONE interface logs instead."""
        warn(message, ALFWarning, stacklevel=4)

    @classmethod
    def from_df(cls, df: pd.DataFrame) -> Self:
        """Return a table's columns as attributes, each with its own type.

        Columns ``x_0``, ``x_1``, … are put together as one 2-D attribute ``x``.

        Parameters
        ----------
        df : pandas.DataFrame
            The table; its index is not kept.

        Returns
        -------
        AlfBunch
            One array per column or run of columns.
        """
        columns = {str(name): _array(df.iloc[:, i]) for i, name in enumerate(df.columns)}
        runs: dict[str, list[int]] = {}
        for name in columns:
            if (match := _COLUMN.fullmatch(name)) and str(int(match[2])) == match[2]:
                runs.setdefault(match[1], []).append(int(match[2]))
        for name, found in sorted(runs.items()):
            width = next(i for i in range(len(found) + 1) if i not in found)
            if width > 1 and name not in columns:
                columns[name] = np.stack([columns.pop(f"{name}_{i}") for i in range(width)], axis=1)
        return cls(columns)

    def __repr__(self) -> str:
        if not self:
            return f"{type(self).__name__}()"
        rows = [(str(k), *_described(v)) for k, v in self.items()]
        wide = max(len(k) for k, *_ in rows)
        kind = max(len(t) for _, t, _ in rows)
        lines = (f"  {k:<{wide}}  {t:<{kind}}  {s}".rstrip() for k, t, s in rows)
        return "\n".join((type(self).__name__, *lines))

    def _repr_html_(self) -> str:
        """Return an HTML table of names, types and shapes, for notebooks."""
        from html import escape

        rows = "".join(
            f"<tr><td><b>{escape(str(k))}</b></td><td>{escape(t)}</td><td>{escape(s)}</td></tr>"
            for k, (t, s) in ((k, _described(v)) for k, v in self.items())
        )
        return (
            f"<div><i>{type(self).__name__}</i>, {len(self)} attributes<table><thead><tr>"
            "<th>attribute</th><th>type</th><th>shape</th></tr></thead>"
            f"<tbody>{rows}</tbody></table></div>"
        )

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


def check_dimensions(values: Mapping[str, Any]) -> int:
    """Tell whether the attributes of an object have consistent lengths.

    The first axis of all arrays and tables must be equal or 1. Timestamps may also have the shape
    (2, 2): the first and last sample with their times.

    Parameters
    ----------
    values : mapping
        Attribute names and values; those without a shape do not count.

    Returns
    -------
    int
        0 if consistent, 1 if not.
    """
    lengths = set()
    for key, value in values.items():
        shape = _shape(value)
        if not shape:
            continue
        if str(key).startswith("timestamps") and len(shape) > 1 and shape[1] != 1:
            if shape != (2, 2):
                return 1
        else:
            lengths.add(shape[0])
    return int(bool(lengths - {1, max(lengths, default=1)}))


def describe_dimensions(values: Mapping[str, Any]) -> str:
    """Return ``name shape`` of all that has a shape, for messages."""
    return ", ".join(f"{k} {shape}" for k, v in values.items() if (shape := _shape(v)))


def to_frame(
    values: Mapping[str, Any],
    *,
    max_columns: int | None = None,
    say: Callable[[str], None] = AlfBunch._say,
) -> pd.DataFrame:
    """Return arrays as columns of one table: see :meth:`AlfBunch.to_df`.

    Parameters
    ----------
    values : mapping
        Names and arrays.
    max_columns : int, optional
        The most columns that one array may become; default all.
    say : callable
        Called with a message for each array that is left out.

    Returns
    -------
    pandas.DataFrame
        One row per element.

    Raises
    ------
    ALFInvalid
        Inconsistent lengths.
    """
    import pandas as pd

    if check_dimensions(values):
        raise ALFInvalid(
            "only attributes of consistent dimensions make a table; these are "
            + describe_dimensions(values),
            hint="leave out what does not fit: load with attribute=[…], or del bunch[key]",
        )
    lengths = {shape[0] for v in values.values() if (shape := _shape(v))}
    rows = max(lengths, default=0) if len(lengths) < 2 else max(lengths - {1})
    columns: dict[str, Any] = {}
    for key, value in values.items():
        columns.update(_columns(key, value, rows, max_columns, say))
    return pd.DataFrame(columns, index=pd.RangeIndex(rows) if not columns else None)


def _columns(
    key: str, value: Any, rows: int, most: int | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the columns that one attribute becomes."""
    if isinstance(value, list) and len(value) == rows and rows:
        column = np.empty(rows, object)
        column[:] = value
        return {key: column}
    shape = _shape(value)
    if not shape:
        return {}
    if not isinstance(value, np.ndarray):
        value = value.reset_index(drop=True)
        if len(shape) == 1:
            return {key: value}
        return {f"{key}_{name}": value.iloc[:, i] for i, name in enumerate(value.columns)}
    if len(shape) > 2:
        say(f"{key} has {len(shape)} dimensions and is left out of the table")
        return {}
    if shape[0] != rows:  # one row for all
        if shape[0] != 1:
            raise ALFInvalid(
                f"{key} of shape {shape} does not fit a table of {rows} rows",
                hint=f"del bunch[{key!r}]",
            )
        value = np.repeat(value, rows, axis=0)
    if len(shape) == 1 or shape[1] == 1:
        return {key: value.reshape(-1)}
    return {f"{key}_{i}": value[:, i] for i in range(shape[1])[:most]}


def _array(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """Return a column as an array of its own type, writable."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy(copy=True)
    kind = getattr(dtype, "kind", "O")
    if kind in "iufb" and hasattr(dtype, "numpy_dtype"):  # nullable numbers
        if not column.hasnans:
            return column.to_numpy(dtype=dtype.numpy_dtype, copy=True)
        return column.to_numpy(dtype=object if kind == "b" else np.float64, na_value=np.nan)
    return column.to_numpy(dtype=object)


def _shape(value: Any) -> tuple[int, ...]:
    """Return the shape of an array, table or column; () for all else."""
    if isinstance(value, np.ndarray):
        shape: tuple[int, ...] = value.shape
        return shape
    # Not imported to look: a value can only be pandas' where someone imported it.
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "iloc"):
        return tuple(value.shape)
    return ()


def _described(value: Any) -> tuple[str, str]:
    """Return type and shape of a value as text."""
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    if shape is not None:
        kind = str(dtype) if dtype is not None else type(value).__name__
        return kind, str(tuple(shape))
    size = f"{len(value)} items" if hasattr(value, "__len__") else ""
    return type(value).__name__, size
