"""AlfBunch as ONE's users know it: cautions are logged, and tables have ten columns each."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...errors import ALFInvalid
from ...load import AlfBunch as _AlfBunch
from ...load.bunch import to_frame

if TYPE_CHECKING:
    import pandas as pd

_logger = logging.getLogger("fascicle.one.alf.io")
_COLUMNS = 10  # at most this many per 2-D attribute


class DifferentAttributes(ALFInvalid, NotImplementedError):
    """Two objects with different attributes cannot be appended; ONE's is a NotImplementedError."""

    kind = "alf-different-attributes"


class AlfBunch(_AlfBunch):
    """An object's attributes with ONE's habits: cautions are logged, tables have 10 columns each.

    See :class:`fascicle.load.AlfBunch`.
    """

    __slots__ = ()

    @staticmethod
    def _say(message: str) -> None:
        _logger.warning(message)

    def to_df(self, *, max_columns: int | None = _COLUMNS) -> pd.DataFrame:
        """Return the attributes as columns; of a 2-D attribute the first ten.

        Parameters
        ----------
        max_columns : int, optional
            The most columns that one attribute may become; None for all.

        Returns
        -------
        pandas.DataFrame
            One row per element.

        Raises
        ------
        ALFInvalid
            Inconsistent lengths (it is a ``ValueError``).
        """
        return super().to_df(max_columns=max_columns)

    def append(self, other: Mapping[str, Any], inplace: bool = False) -> Self:
        """Return this object followed by another one with the same attributes.

        Parameters
        ----------
        other : mapping
            What to append.
        inplace : bool
            Change this object instead of a copy.

        Returns
        -------
        AlfBunch
            The longer object.

        Raises
        ------
        DifferentAttributes
            The attributes differ (it is a ``NotImplementedError``).
        """
        if self and other and self.keys() != other.keys():
            try:
                super().append(other)
            except ALFInvalid as error:
                raise DifferentAttributes(error.message, hint=error.hint) from None
        return super().append(other, inplace)

    def save(self, npz_file: str | os.PathLike[str], compress: bool = False) -> None:
        """Write all arrays into one npz file.

        Parameters
        ----------
        npz_file : path-like
            The file to write.
        compress : bool
            Compress it.
        """
        write = np.savez_compressed if compress else np.savez
        write(npz_file, allow_pickle=False, **self)

    @classmethod
    def load(cls, npz_file: str | os.PathLike[str]) -> Self:
        """Return the arrays of an npz file.

        Parameters
        ----------
        npz_file : path-like
            The file.

        Returns
        -------
        AlfBunch
            Its arrays by name.
        """
        from ...load.zipped import read_npz

        return cls(read_npz(npz_file))


def dataframe(adict: Mapping[str, Any]) -> pd.DataFrame:
    """Return arrays as columns of one table, at most ten of each.

    Parameters
    ----------
    adict : mapping
        Names and arrays.

    Returns
    -------
    pandas.DataFrame
        One row per element.

    Raises
    ------
    ALFInvalid
        Inconsistent lengths (it is a ``ValueError``).
    """
    return to_frame(adict, max_columns=_COLUMNS, say=_logger.warning)
