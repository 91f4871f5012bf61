"""Where each ALF dataset went in an NWB file that fascicle wrote, kept in the file itself.

The mapping in ``alf.toml`` says what a file of any writer means in ALF's terms. A file of ours says
more: which dataset of the session each of its arrays came from, under which name, revision and
type. So it gives back what it was made of, exactly, and tells where it is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

#: The table of a file that holds its records.
TABLE = "processing/misc/alf_datasets"
#: Its columns of text.
COLUMNS = {
    "dataset": "Path of the ALF dataset, relative to its session",
    "place": "Object of this file that holds its values",
    "value": "How the values of the dataset are made of that object's, as JSON",
    "checksum": "Checksum of the dataset's file with its algorithm, where the archive knows one",
}


@dataclass(frozen=True, slots=True)
class Value:
    """How the values of an ALF dataset, or of one column of it, are made of those in a file.

    Attributes
    ----------
    of : str
        What ``names`` are: ``spike`` (ragged columns of the units), ``unit`` and ``channel``
        (columns of the units and electrodes of a probe), ``row`` (columns of the table ``at``),
        ``sample`` (``data`` and ``timestamps`` of the series ``at``), ``event`` (columns of the
        events ``at``), ``array`` (the dataset ``at/NAME``, or ``at`` itself without names),
        ``frame`` (a table of several `columns`), ``text`` (a text at ``at``).
    at : str
        Path of the object in the file, without a leading slash.
    names : tuple of str
        Its columns or arrays that hold the values.
    rule : str
        A function of `fascicle.formats.nwb.rules` that makes the values; empty where they are
        taken as they are.
    probe : str
        Label of the probe whose rows they are, for spike, unit and channel.
    factor, offset : float
        ALF value = ``factor`` times value in the file + ``offset``.
    dtype : str
        Of the ALF values, as numpy names it (``<f4``); empty where it is not kept.
    shape : tuple of int
        Of the ALF values, where it cannot be told from the file.
    words : dict
        Text in the file to ALF value.
    columns : dict
        Of a frame: its columns in order.
    options : dict
        What the rule needs beside.
    """

    of: str
    at: str
    names: tuple[str, ...] = ()
    rule: str = ""
    probe: str = ""
    factor: float = 1.0
    offset: float = 0.0
    dtype: str = ""
    shape: tuple[int, ...] | None = None
    words: Mapping[str, Any] | None = None
    columns: Mapping[str, Value] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return it as JSON, without what is as it is by default."""
        return json.dumps(self._plain(), separators=(",", ":"))

    def _plain(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "columns" and value is not None:
                value = {name: column._plain() for name, column in value.items()}
            elif one.name in ("words", "options") and value is not None:
                value = dict(value)
            if one.name in ("of", "at") or value not in (None, "", (), {}, _DEFAULTS.get(one.name)):
                out[one.name] = value
        return out

    @classmethod
    def from_json(cls, text: str) -> Value:
        """Return what `to_json` wrote.

        Raises
        ------
        ValueError, TypeError, KeyError
            If the text is nothing that it could have written.
        """
        return cls._of_plain(json.loads(text))

    @classmethod
    def _of_plain(cls, given: Any) -> Value:
        known = {one.name for one in fields(cls)}
        said = {name: value for name, value in dict(given).items() if name in known}
        if said.get("columns") is not None:
            said["columns"] = {n: cls._of_plain(column) for n, column in said["columns"].items()}
        said["names"] = tuple(said.get("names", ()))
        if said.get("shape") is not None:
            said["shape"] = tuple(said["shape"])
        return cls(**said)


_DEFAULTS = {"factor": 1.0, "offset": 0.0}


@dataclass(frozen=True, slots=True)
class Record:
    """One ALF dataset in a file.

    Attributes
    ----------
    dataset : str
        Path relative to the session, collection and revision included.
    value : Value
    checksum : str
        ``md5:…``, ``sha256:…``, or empty.
    """

    dataset: str
    value: Value
    checksum: str = ""
