"""Where each ALF dataset went in an NWB file that fascicle wrote, kept in the file itself.

The mapping in ``alf.toml`` says what a file of any writer means in ALF's terms. A file of ours says
more: which dataset of the session each of its arrays came from, under which name, revision and
type. So it gives back what it was made of, exactly, and tells where it is from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError

if TYPE_CHECKING:
    from fascicle.formats.nwb.file import NwbFile

#: The table of a file that holds its records.
TABLE = "processing/misc/alf_datasets"
#: Its columns of text.
COLUMNS = {
    "dataset": "Path of the ALF dataset, relative to its session",
    "place": "Object of this file that holds its values",
    "value": "How the values of the dataset are made of that object's, as JSON",
    "checksum": "Checksum of the dataset's file with its algorithm, where the archive knows one",
}


_BRACE = re.compile(r"\{(?![\n}])")

#: What ``Value.of`` may be.
KINDS = frozenset(
    (
        *("spike", "unit", "channel", "row", "sample", "event", "array"),
        *("frame", "text", "bytes", "literal", "external"),
    )
)


@dataclass(frozen=True, slots=True)
class Value:
    """How the values of an ALF dataset, or of one column of it, are made of those in a file.

    Attributes
    ----------
    of : str
        What ``names`` are: ``spike`` (ragged columns of the units), ``unit`` and ``channel``
        (columns of the units and electrodes of a probe), ``row`` (columns of the table ``at``),
        ``sample`` (arrays of the series ``at``: ``data``, ``timestamps`` …), ``event`` (columns of
        the events ``at``), ``array`` (the arrays ``at/NAME``, or ``at`` itself without names).
        Or what the dataset is: a ``frame`` (a table of several `columns`), the ``text`` or the
        ``bytes`` of a file, kept at ``at``, a ``literal`` (in ``options["value"]``), an
        ``external`` file (``options["path"]``, relative to the folder of the NWB file).
    at : str
        Path of the object in the file, without a leading slash.
    names : tuple of str
        Its columns or arrays that hold the values; without a rule they are put side by side.
    rule : str
        A function of `fascicle.formats.nwb.rules` that makes the values; empty where they are
        taken as they are.
    probe : str
        Label of the probe whose rows they are, for spike, unit and channel.
    factor, offset : float
        ALF value = ``factor`` times value in the file + ``offset``.
    dtype : str
        Of the ALF values, as numpy names it (``<f4``), of the columns of a frame as pandas does;
        empty for that of the values in the file.
    shape : tuple of int
        Of the ALF values, where it cannot be told from the file.
    words : dict
        Text, flag or whole number in the file to ALF value; what is no key stays as it is.
    columns : dict
        Of a frame: its columns in order.
    options : dict
        What is done beside, each before the factor:

        - ``rows``: ``[start, stop]`` of the first axis (of a probe's rows, of its spikes);
        - ``take``: numbers of rows, of few that stand in another order;
        - ``column``: one column of several, a number or a list of them;
        - ``axes``: order of the axes;
        - ``as``, ``ids``, ``axis``, ``columns``: what rules need;
        - ``row``: of a text in a table, its row;
        - ``value``: the value of a literal;
        - ``categories``, ``ordered``: of a column of that type;
        - ``index``, ``labels``: of a frame: pairs of column and name that make its index, and
          labels of its columns where these are no text; ``without``: columns that nobody asked for.

    Notes
    -----
    What is done, in this order: the values are fetched (by the rule, if there is one), rows, column
    and axes taken, the factor and offset applied, words replaced, the shape and the type given.
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
        return in_lines(self._plain())

    def _plain(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "columns" and value is not None:
                out["columns"] = {name: column._plain() for name, column in value.items()}
                continue
            if one.name in ("words", "options") and value is not None:
                value = dict(value)
            plain = value is None or value == one.default or value in ((), {})
            if one.name in ("of", "at") or not plain or (one.name == "shape" and value == ()):
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
            said["shape"] = tuple(map(int, said["shape"]))
        found = cls(**said)
        found._check()
        return found

    def _check(self) -> None:
        """Refuse what nobody could have meant, so that what reads it need not."""
        if self.of not in KINDS:
            raise ValueError(f"values are of {', '.join(sorted(KINDS))}, and not of {self.of!r}")
        texts = (self.at, self.rule, self.probe, self.dtype, *self.names)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("what has to be text is none")
        for number in (self.factor, self.offset):
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise TypeError(f"{number!r} is no number")
        for known in (self.words or {}, self.columns or {}, self.options):
            if not isinstance(known, Mapping):
                raise TypeError(f"{known!r} is no mapping")
        if (self.of == "frame") != (self.columns is not None):
            raise ValueError("a frame has columns, and nothing else has")


def without(value: Value, columns: Sequence[str]) -> Value:
    """Return how a frame is given back of which some columns are left out, as it was asked for."""
    return replace(value, options={**value.options, "without": list(columns)}) if columns else value


def in_lines(value: Any, *, ensure_ascii: bool = True, sort_keys: bool = False) -> str:
    """Return JSON for a column of text, in which no brace has its like on the same line.

    A cell with a mapping in one line is taken for a mistake: nwbinspector calls it a violation.
    """
    text = json.dumps(
        value,
        indent=0,
        separators=(",", ":"),
        ensure_ascii=ensure_ascii,
        sort_keys=sort_keys,
        default=_of_numpy,
    )
    return _BRACE.sub(r"\\u007b", text)  # one within a text: others end their line, or are empty


def _of_numpy(value: Any) -> Any:
    """Return a number or an array of numpy as Python has it."""
    return value.tolist()


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


def read(file: NwbFile) -> tuple[Record, ...] | None:
    """Return the records of a file, sorted by dataset; None where it has none.

    Raises
    ------
    BadFileError
        If they are harmed: no such columns, no JSON, a path that leads out of the session.
    """
    if not file.has(TABLE):
        return None
    found: dict[str, Record] = {}
    columns = {name: file.array(f"{TABLE}/{name}") for name in ("dataset", "value", "checksum")}
    if len({getattr(values, "shape", ()) for values in columns.values()}) > 1:
        raise _harmed(file, "", "its columns differ in length")
    for row, (dataset, value, checksum) in enumerate(zip(*columns.values(), strict=True)):
        try:
            path = _inside(dataset)
            if path in found:
                raise ValueError(f"{path} stands there twice")
            found[path] = Record(path, Value.from_json(value), str(checksum))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise _harmed(file, f", row {row}", str(error) or repr(error)) from error
    return tuple(found[path] for path in sorted(found))


def _harmed(file: NwbFile, where: str, what: str) -> BadFileError:
    return BadFileError(
        f"{file.name}: /{TABLE}{where}: {what[:300]}",
        hint="the file may be damaged: get it again, or convert the session anew",
    )


def _inside(dataset: Any) -> str:
    """Return a path if it is one within a session: files are written where it says."""
    steps = str(dataset).split("/")
    odd = any(step in ("", ".", "..") or "\\" in step or "\0" in step for step in steps)
    if not isinstance(dataset, str) or odd or ":" in steps[0]:
        raise ValueError(f"{dataset!r} is no path of a dataset")
    return dataset
