"""Sizes and spans of time as they are typed: 2G, 500M, 90d."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:  # what older releases of click have takes no argument
    _Type = click.ParamType

_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_DAYS = {"": 1.0, "h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0}


class _Bytes(_Type):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?(?:/s)?", value.strip().lower())
        if found is None or float(found[1]) <= 0:
            self.fail(f"{value!r} is no size: type e.g. 500M or 2G", param, ctx)
        return int(float(found[1]) * _FACTORS[found[2]])


class _Days(_Type):
    name = "span"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number of days."""
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdwmy]?)", value.strip().lower())
        if found is None:
            self.fail(f"{value!r} is no span of time: type e.g. 90d, 12h or 1y", param, ctx)
        return float(found[1]) * _DAYS[found[2]]


#: ``500M``, ``2G``, ``20M/s``.
BYTES = _Bytes()
#: ``90d``, ``12h``, ``1y``; a number alone means days.
DAYS = _Days()
