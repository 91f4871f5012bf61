"""One object, many files: which files belong to it, and how they become one AlfBunch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import numpy as np

from ..alf.names import NameParts, name_problem, parse_name
from ..errors import (
    ALFInvalid,
    ALFMultipleObjectsFound,
    ALFObjectNotFound,
    BadFileError,
    SearchTermError,
    nearest,
)
from .bunch import AlfBunch, check_dimensions, describe_dimensions
from .files import load_file

_PARTS = NameParts._fields
parse = lru_cache(maxsize=4096)(parse_name)


def load_object(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    obj: str | None = None,
    *,
    mmap: bool = False,
    short_keys: bool = False,
    wildcards: bool = True,
    **filters: str | Sequence[str] | None,
) -> AlfBunch:
    """Load all attributes of one object.

    Parameters
    ----------
    source : path-like or iterable of path-like
        A folder; or one file of the object, for all its others in that folder too; or the files
        themselves, which may lie in different folders (revisions).
    obj : str, optional
        The object, where ``source`` is a folder.
    mmap : bool
        Leave the data of npy files on disk.
    short_keys : bool
        Leave extra parts of the file names out of the keys.
    wildcards : bool
        Whether ``obj`` and the filters are patterns with ``*``, ``?`` and ``[]``; otherwise they
        are regular expressions that match from the start.
    **filters
        ``namespace``, ``attribute``, ``timescale``, ``extra``, ``extension``: a pattern, a list of
        them (any one may match; of ``extra`` all must), or None for files without that part.

    Returns
    -------
    AlfBunch
        Keys are ``attribute[_timescale][.extra]``. Columns of a ``table`` are attributes, columns
        ``x_0``, ``x_1`` one of them; a ``*.metadata.json`` beside a file names the columns of its
        array, and what else it says is the attribute with ``metadata`` appended; timestamps of
        the shape (2, 2) are interpolated to one per sample.

    Raises
    ------
    ALFObjectNotFound
        No file matches.
    ALFMultipleObjectsFound
        Files of several objects match, or two files are the same attribute.
    ALFInvalid
        A folder without an object's name, or a file that follows no ALF name.
    SearchTermError
        A filter that is no part of a file name.
    BadFileError
        A file is empty, damaged or unsafe: see :func:`load_file`.

    Warns
    -----
    ALFWarning
        The attributes have inconsistent lengths.

    Examples
    --------
    >>> trials = load_object("sub/2020-01-01/001/alf", "trials", namespace="ibl")  # doctest: +SKIP
    """
    wanted = {**filters} if obj is None else {"object": obj, **filters}
    if isinstance(source, str | os.PathLike):
        files = select(source, wanted.pop("object", None), wildcards=wildcards, **wanted)
    else:
        files = [os.fspath(f) for f in source]
        if wanted:
            test = matcher(wanted, wildcards=wildcards)
            files = [f for f in files if (p := parse(os.path.basename(f))) and test(p)]
    files = _without_descriptions(files)
    loaded: AlfBunch = assemble(files, short_keys=short_keys, mmap=mmap)
    return loaded


def _without_descriptions(files: list[str]) -> list[str]:
    """Leave out the ``.ch`` and ``.meta`` of recordings, which are opened together with them."""
    recordings = {f[: -len("cbin")] for f in files if f.endswith(".cbin")}
    if not recordings:
        return files
    return [
        f
        for f in files
        if not (f.endswith((".ch", ".meta")) and f[: f.rindex(".") + 1] in recordings)
    ]


def select(
    source: str | os.PathLike[str], obj: Any = None, *, wildcards: bool = True, **filters: Any
) -> list[str]:
    """Return the files of an object in a folder, in the order of their names.

    Parameters
    ----------
    source : path-like
        A folder, or one file of the object.
    obj : str or list of str
        The object's name or a pattern; needed for a folder.
    wildcards, **filters
        As for :func:`load_object`.

    Returns
    -------
    list of str
        Paths.

    Raises
    ------
    ALFObjectNotFound, ALFInvalid, SearchTermError
        As for :func:`load_object`.
    """
    folder = os.fspath(source)
    if not os.path.isdir(folder):
        folder, name = os.path.split(folder)
        if obj is None:
            if not (parts := parse(name)):
                raise ALFInvalid(
                    f"{name} is neither a folder nor an ALF file name",
                    hint="give a folder that exists, and an object: load_object(folder, 'spikes')",
                )
            obj = parts.object if wildcards else rf"{parts.object}\Z"
    elif obj is None:
        there = objects_of(os.listdir(folder))
        raise ALFInvalid(
            f"{folder} is a folder: say which object in it to load",
            hint=f"one of: {', '.join(there[:20])}" if there else "it has no ALF files",
        )
    test = matcher({"object": obj, **filters}, wildcards=wildcards)
    try:
        with os.scandir(folder or ".") as entries:
            names = sorted(e.name for e in entries if parse(e.name) and e.is_file())
    except (FileNotFoundError, NotADirectoryError):
        raise ALFObjectNotFound(f"{folder} does not exist", hint="check the path") from None
    files = [os.path.join(folder, n) for n in names if (p := parse(n)) and test(p)]
    if not files:
        there = objects_of(names)
        hint = nearest(str(obj), there)
        if not hint:
            hint = f"there is: {', '.join(there[:20])}" if there else "it has no ALF files"
        how = f" with {filters}" if filters else ""
        raise ALFObjectNotFound(f"no object {obj!r}{how} in {folder}", hint=hint)
    return files


def objects_of(names: Iterable[str]) -> list[str]:
    """Return the objects that file names belong to, sorted."""
    return sorted({parts.object for name in names if (parts := parse(name))})


def matcher(filters: dict[str, Any], *, wildcards: bool = True) -> Callable[[NameParts], bool]:
    """Return a test of whether the parts of a name match all filters.

    Parameters
    ----------
    filters : dict
        Part of the name -> pattern, list of patterns, or None for its absence.
    wildcards : bool
        Patterns with ``*``; otherwise regular expressions that match from the start.

    Raises
    ------
    SearchTermError
        A key is no part of a file name, or a value no regular expression.
    """
    for key in filters:
        if key not in _PARTS:
            raise SearchTermError(
                f"{key!r} is no part of a file name",
                hint=nearest(key, _PARTS) or f"the parts are {', '.join(_PARTS)}",
            )
    tests = [(_PARTS.index(k), _test(k, v, wildcards)) for k, v in filters.items()]
    return lambda parts: all(test(parts[i]) for i, test in tests)


def _test(key: str, wanted: Any, wildcards: bool) -> Callable[[str], bool]:
    """Return a test of one part, which is '' where the name does not have it."""
    if wanted is None:
        return lambda part: not part
    if key == "extra":  # exact, and all of them
        words = wanted.split(".") if isinstance(wanted, str) else [str(w) for w in wanted]
        want = {w for w in words if w}
        return lambda part: bool(part) and want.issubset(part.split("."))
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    absent = None in patterns
    patterns = [p for p in patterns if p is not None]
    if wildcards:
        return lambda part: any(fnmatchcase(part, p) for p in patterns) if part else absent
    try:
        match = re.compile("|".join(patterns)).match
    except re.error as error:
        raise SearchTermError(
            f"{key}={wanted!r} is no regular expression: {error}",
            hint="wildcards=True takes patterns with *",
        ) from None
    return lambda part: (bool(patterns) and match(part) is not None) if part else absent


def assemble(
    files: Iterable[str | os.PathLike[str]],
    *,
    short_keys: bool = False,
    mmap: bool = False,
    bunch: type[AlfBunch] = AlfBunch,
    read: Callable[..., Any] = load_file,
    one_object: bool = True,
) -> Any:
    """Load files of one object and put them together: the rules of :func:`load_object`.

    Parameters
    ----------
    files : iterable of path-like
        The files of one object, from any folders.
    short_keys, mmap
        As for :func:`load_object`.
    bunch : type
        The kind of AlfBunch to make.
    read : callable
        What loads one file; ``mmap`` is its keyword.
    one_object : bool
        Whether files of different objects are an error.

    Returns
    -------
    AlfBunch
        The object.

    Raises
    ------
    ALFObjectNotFound, ALFMultipleObjectsFound, ALFInvalid, BadFileError
        As for :func:`load_object`.
    """
    paths = [os.fspath(f) for f in files]
    parts = [_parts(p) for p in paths]
    data = [(p, n) for p, n in zip(paths, parts, strict=True) if not is_metadata(n)]
    if not paths:
        raise ALFObjectNotFound("no files to load", hint="give a list of files of one object")
    objects = {n.object for n in parts}
    if one_object and len(objects) > 1:
        raise ALFMultipleObjectsFound(
            f"files of several objects: {', '.join(sorted(objects))}", hint="load one at a time"
        )
    keys = [key_of(n, short=short_keys) for _, n in data]
    if len(set(keys)) < len(keys):
        raise _same_attribute(keys, [p for p, _ in data])
    companions = _Companions(p for p, n in zip(paths, parts, strict=True) if is_metadata(n))
    out = bunch()
    for (path, name), key in zip(data, keys, strict=True):
        value = read(path, mmap=mmap) if mmap else read(path)
        companion = companions.of(path, name)
        if companion is None:
            out[key] = value
        else:
            _describe(out, key, value, path, companion, read(companion))
    _explode_table(out)
    what = f"of {', '.join(sorted(objects))}"
    if check_dimensions(out):
        out._say(f"inconsistent dimensions {what}: {describe_dimensions(out)}")
    else:
        _interpolate(out)
    return out


def key_of(name: NameParts, *, short: bool = False) -> str:
    """Return the key of an attribute: ``attribute[_timescale][.extra]``, without extra if short."""
    key = f"{name.attribute}_{name.timescale}" if name.timescale else name.attribute
    return f"{key}.{name.extra}" if name.extra and not short else key


def is_metadata(name: NameParts) -> bool:
    """Tell whether a file describes another one: ``object.attribute.metadata.json``."""
    return name.extension == "json" and "metadata" in name.extra.split(".")


def _parts(path: str) -> NameParts:
    base = os.path.basename(path)
    if (parts := parse(base)) is None:
        raise ALFInvalid(
            f"{base} is no ALF name: {name_problem(base)}",
            hint="load it by itself: load_file(path)",
        )
    return parts


def _same_attribute(keys: list[str], paths: list[str]) -> ALFMultipleObjectsFound:
    twice = next(k for k in keys if keys.count(k) > 1)
    which = [p for k, p in zip(keys, paths, strict=True) if k == twice]
    return ALFMultipleObjectsFound(
        f"{len(which)} files are the attribute {twice!r}: {', '.join(which)}",
        hint="say which: namespace=…, timescale=…, extra=… or extension=…",
    )


class _Companions:
    """The metadata files among those given, and those that lie beside the files given."""

    def __init__(self, given: Iterable[str]) -> None:
        self.found: dict[str, list[tuple[str, NameParts]]] = {}
        self.given = [(p, _parts(p)) for p in given]

    def of(self, path: str, name: NameParts) -> str | None:
        """Return the metadata file of a data file, if there is one."""
        folder = os.path.dirname(path)
        beside = self.found.get(folder)
        if beside is None:
            beside = self.found[folder] = [*self.given, *_metadata_in(folder)]
        if not beside:
            return None
        extra = name.extra.split(".") if name.extra else []
        best, most = None, -1
        for other, its in beside:
            rest = [e for e in its.extra.split(".") if e != "metadata"]
            if its[:4] == name[:4] and set(rest) <= set(extra) and len(rest) > most:
                best, most = other, len(rest)
        return best


def find_metadata(path: str | os.PathLike[str]) -> str | None:
    """Return the metadata file that lies beside a data file, if there is one.

    Parameters
    ----------
    path : path-like
        The data file, or a metadata file, which is its own.

    Raises
    ------
    ALFInvalid
        The path follows no ALF name.
    """
    name = os.fspath(path)
    parts = _parts(name)
    return name if is_metadata(parts) else _Companions(()).of(name, parts)


def _metadata_in(folder: str) -> list[tuple[str, NameParts]]:
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return []  # reading the data file says what is wrong
    return [
        (os.path.join(folder, n), p)
        for n in names
        if n.endswith(".json") and ".metadata" in n and (p := parse(n)) and is_metadata(p)
    ]


def _describe(out: AlfBunch, key: str, value: Any, path: str, companion: str, said: Any) -> None:
    """Store a value as its metadata file says."""
    if said is None:  # the ONE interface's answer to a metadata file that cannot be read
        out[key] = value
        return
    if not isinstance(said, dict):
        raise BadFileError(
            f"{companion} describes {os.path.basename(path)}, but is no JSON object",
            hint='it is to have the form {"columns": ["x", "y"]}',
        )
    said = dict(said)
    columns = said.pop("columns", None)
    if columns is None:
        out[key] = value
    else:
        out.update(_split(value, columns, path, companion))
    if said:
        out[f"{key}metadata"] = said


def _split(value: Any, columns: Any, path: str, companion: str) -> dict[str, Any]:
    """Return the columns of an array by the names that its metadata gives."""
    array = value if isinstance(value, np.ndarray) else getattr(value, "values", None)
    if isinstance(array, np.ndarray) and array.ndim == 1:
        array = array[:, np.newaxis]
    have = array.shape[-1] if isinstance(array, np.ndarray) and array.ndim > 1 else 0
    if array is None or not isinstance(columns, list) or len(columns) > have:
        named = f"{len(columns)} columns" if isinstance(columns, list) else "columns badly"
        raise BadFileError(
            f"{companion} names {named}, {os.path.basename(path)} has {have}",
            hint="correct the metadata file",
        )
    if isinstance(value, np.ndarray):
        return {str(name): array[..., i] for i, name in enumerate(columns)}
    table = value.to_frame() if value.ndim == 1 else value
    return {str(name): table.iloc[:, i].to_numpy() for i, name in enumerate(columns)}


def _explode_table(out: AlfBunch) -> None:
    """Replace the attribute ``table`` by its columns, which keep its timescale and extra parts."""
    key = next((k for k in out if k == "table" or k.startswith(("table_", "table."))), None)
    if key is None or not hasattr(out[key], "columns") or not hasattr(out[key], "iloc"):
        return
    columns = type(out).from_df(out.pop(key))
    suffix = key[len("table") :]
    named = {f"{name}{suffix}": column for name, column in columns.items()}
    if twice := out.keys() & named.keys():
        out._say(
            f"{', '.join(sorted(twice))}: both a file and a column of the table; the column counts"
        )
    out.update(named)


def _interpolate(out: AlfBunch) -> None:
    """Turn timestamps that give two samples only into one per sample."""
    stamps = [k for k in out if "timestamps" in k and isinstance(out[k], np.ndarray)]
    if not stamps:
        return
    others = (
        v.shape[0]
        for k, v in out.items()
        if "timestamps" not in k and "meta" not in k and getattr(v, "shape", None)
    )
    samples = next(others, None)
    if samples is not None:
        for key in stamps:
            out[key] = ts2vec(out[key], samples)


def ts2vec(ts: np.ndarray[Any, Any], n_samples: int) -> np.ndarray[Any, Any]:
    """Return one time per sample from timestamps of either form.

    Parameters
    ----------
    ts : numpy.ndarray
        Times, shape (n,) or (n, 1), returned as they are; or shape (2, 2): rows of (sample, time),
        between which times are interpolated linearly.
    n_samples : int
        How many samples there are.

    Returns
    -------
    numpy.ndarray
        Times, shape (n_samples,) where interpolated; in the unit of ``ts``.

    Raises
    ------
    ALFInvalid
        Another shape (it is a ``ValueError``).
    """
    if ts.ndim == 1:
        return ts
    if ts.ndim == 2 and ts.shape[1] == 1:
        return ts.reshape(-1)
    if ts.ndim != 2 or ts.shape[1] != 2:
        raise ALFInvalid(
            f"timestamps of shape {ts.shape}: neither one per sample nor (2, 2)",
            hint="save one time per sample, or rows of (sample, time)",
        )
    times: np.ndarray[Any, Any] = np.interp(np.arange(n_samples), ts[:, 0], ts[:, 1])
    return times
