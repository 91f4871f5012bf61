"""Values of ALF datasets by the records of a file that fascicle wrote: as they were."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fascicle.errors import ALFObjectNotFound, BadFileError, FascicleError
from fascicle.formats.nwb.alf import Offer
from fascicle.formats.nwb.mapping import Dataset, Object, Place
from fascicle.formats.nwb.records import TABLE
from fascicle.formats.nwb.sidebyside import PUT_TOGETHER, SideBySide

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from fascicle.formats.nwb.alf import AlfView
    from fascicle.formats.nwb.probes import Probe
    from fascicle.formats.nwb.records import Value

#: Tables in text: where one has one column, it is loaded as that column.
SEPARATED = frozenset({"csv", "ssv", "tsv", "htsv"})
#: Datasets that are kept as the file that they were.
WHOLE = frozenset({"text", "bytes"})
_OF_PROBES = frozenset({"spike", "unit", "channel"})
#: Rules that look at the units or electrodes of a probe.
_BY_PROBE = frozenset({"unit_of_spike", "channel_of_unit", "metrics", "region"})
_TABULAR = frozenset({"unit", "channel", "row"})
#: Bytes of memory that the type of a record may ask for beyond what the values take.
_MOST = 256 << 20


def offer_of(view: AlfView | None, path: str, value: Value) -> Offer:
    """Return a recorded dataset as an offer: rules take it like those of the mapping.

    Parameters
    ----------
    view : AlfView or None
        Where its probe is looked for; None where it is not asked for.
    path : str
        Of the dataset.
    value : Value
        Of the dataset, or of a column of it.
    """
    probes = view.probes if view is not None and value.probe else ()
    name = PurePosixPath(path).name
    holder, _, rest = name.partition(".")
    attribute, _, extension = rest.partition(".")
    place = Place(
        value.names or ("",),
        value.factor,
        value.offset,
        meaning=str(value.options.get("as", "")),
    )
    return Offer(
        path,
        Object(holder, value.of, "", (value.at,)),
        Dataset(holder, attribute, (place,), extension=extension, rule=value.rule),
        place,
        value.at,
        next((probe for probe in probes if probe.label == value.probe), None),
        value,
    )


def value_of(view: AlfView, offer: Offer, value: Value) -> Any:
    """Return a dataset as loading its file gave it.

    Raises
    ------
    BadFileError
        If the file has not what the record says.
    """
    offer = offer_of(view, offer.path, value)
    extension = offer.path.rpartition(".")[2]
    if (beside := external(view, offer)) is not None:
        from fascicle.alf.path import ALFPath

        return ALFPath(beside)
    if value.of in WHOLE:
        return _parsed(view, offer, value, extension)
    if value.of == "frame":
        frame = frame_of(view, offer, value)
        return frame.squeeze("columns") if extension in SEPARATED else frame
    if value.rule == "one_column":
        return frame_of(view, offer, value).squeeze("columns")
    values = _made(view, offer, value)
    if isinstance(values, SideBySide):
        return values if value.rule == "raw" or extension in ("cbin", "bin") else values[:]
    return values if value.of == "literal" and not value.dtype else typed(values, value)


# -- arrays ----------------------------------------------------------------------------------------


def _made(view: AlfView, offer: Offer, value: Value) -> Any:
    """Return values before they get their shape and type."""
    import numpy as np

    from fascicle.formats.nwb.rules import RULES

    if value.of == "literal":
        return value.options["value"]
    if value.rule:
        rule = RULES.get(value.rule) or PUT_TOGETHER.get(value.rule)
        if rule is None:
            raise BadFileError(
                f"{view.file.name}: /{TABLE}: {offer.path} is made by the rule {value.rule!r}, "
                "which this version of fascicle does not have",
                hint="a newer fascicle may: pip install -U fascicle",
            )
        _owner(view, offer, value)
        found = rule(view, offer)
        if value.rule in RULES:  # they look at several columns, whole ones
            found = _part(found, value)
    elif len(value.names) > 1:
        found = np.stack([view.values(offer, name) for name in value.names], axis=1)
    else:
        found = view.values(offer, value.names[0] if value.names else "")
    return replaced(found, value)


def fetched(view: AlfView, offer: Offer, value: Value, name: str) -> Any:
    """Return what a name of a record stands for: rows, columns and axes taken, and scaled."""
    import numpy as np

    if value.of == "spike":
        probe = _owner(view, offer, value)
        assert probe is not None
        found = view.in_order(name, probe)
    elif value.of in _TABULAR:
        found = _cells(view, offer, value, name)
    elif value.of == "sample" and name == "timestamps":
        found = view.file.series(value.at).timestamps
    else:
        found = view.file.array("/".join(filter(None, (value.at, name))))
    found = np.asarray(found)
    if not value.rule or value.rule in PUT_TOGETHER:
        found = _part(found, value)
    if value.factor != 1.0 or value.offset:
        if found.dtype.kind not in "fiub":
            raise BadFileError(
                f"{view.file.name}: /{value.at}/{name} has a factor, and values of {found.dtype}"
            )
        found = found.astype(np.float64, copy=False)
        found *= value.factor
        if value.offset:
            found += value.offset
    return found


def _owner(view: AlfView, offer: Offer, value: Value) -> Probe | None:
    """Return the probe of values that are of one.

    Raises
    ------
    BadFileError
        If the file has no such probe.
    """
    if offer.probe is None and (value.of in _OF_PROBES or value.rule in _BY_PROBE):
        raise BadFileError(
            f"{view.file.name}: /{TABLE}: {offer.path} is of {value.probe or 'no probe'}, and the "
            f"file has {', '.join(probe.label for probe in view.probes) or 'no probes'}",
            hint="the file may be damaged: get it again",
        )
    return offer.probe


def _cells(view: AlfView, offer: Offer, value: Value, name: str) -> Any:
    """Return a column of a table, the rows of the probe if it is of one."""
    path, n = f"{value.at}/{name}", view.rows(value.at)
    shape = view.file.facts(path).shape
    if shape[:1] != (n,):
        raise BadFileError(
            f"{view.file.name}: /{path} has the shape {shape}, and the table {n} rows",
            hint="the file may be damaged: get it again",
        )
    probe = _owner(view, offer, value)
    if probe is None:
        return view.file.array(path)
    rows = probe.units if value.of == "unit" else probe.electrodes
    if len(rows) and len(rows) == rows[-1] - rows[0] + 1:  # they rise
        return view.file.array(path, slice(int(rows[0]), int(rows[-1]) + 1))
    return view.file.array(path)[rows]


def _part(found: Any, value: Value) -> Any:
    """Return the rows, column and order of axes that a record asks for."""
    import numpy as np

    said = value.options
    if "rows" in said:
        start, stop = said["rows"]
        found = found[start:stop]
    if "take" in said:
        found = found[np.asarray(said["take"], dtype=np.intp)]
    if "column" in said:
        if np.ndim(found) < 2:
            raise ValueError(f"column {said['column']} of the shape {np.shape(found)}")
        found = found[..., said["column"]]
    if "axes" in said:
        found = np.transpose(found, said["axes"])
    return found


def replaced(found: Any, value: Value) -> Any:
    """Return values with what words stand for in their place."""
    import numpy as np

    words = value.words
    if not words or getattr(getattr(found, "dtype", None), "kind", "") not in "OUSbiu":
        return found
    known, codes = np.unique(found.reshape(-1), return_inverse=True)
    meant = np.empty(len(known), dtype=object)
    for k, one in enumerate(known.tolist()):
        meant[k] = words.get(str(one), one)
    return meant[codes].reshape(found.shape)


def typed(found: Any, value: Value) -> Any:
    """Return an array in the shape and of the type that a record says."""
    import numpy as np

    found = np.asarray(found)
    if value.shape is not None:
        found = found.reshape(value.shape)
    if value.dtype:
        dtype = np.dtype(value.dtype)
        if found.size * dtype.itemsize > max(_MOST, 16 * found.nbytes):
            raise ValueError(f"a record asks for {found.size} values of {dtype}")
        if dtype.kind == "b" and found.dtype.kind in "OUS":
            raise ValueError(f"a record makes flags of {found.dtype}")
        return found.astype(dtype, copy=False)
    from fascicle.formats.nwb.rules import plain

    return plain(found)


# -- tables ----------------------------------------------------------------------------------------


def frame_of(view: AlfView, offer: Offer, value: Value) -> pd.DataFrame:
    """Return a table with its columns, their types, and its index."""
    import pandas as pd

    if value.rule == "one_column":
        found = view.values(offer)
        return pd.DataFrame({offer.dataset.attribute: column_of(found, value)})
    data = dict(columns_of(view, offer, value))
    if len({len(values) for values in data.values()}) > 1:
        raise BadFileError(
            f"{view.file.name}: the columns of {offer.path} differ in length",
            hint="the file may be damaged: get it again",
        )
    frame = pd.DataFrame(data) if data else pd.DataFrame(index=range(value.options.get("n", 0)))
    pairs = value.options.get("index", [])
    if pairs:
        frame = frame.set_index([column for column, _ in pairs])
        frame.index.names = [name for _, name in pairs]
    if "labels" in value.options:
        frame.columns = pd.Index(value.options["labels"])
    return frame


def columns_of(view: AlfView, offer: Offer, value: Value) -> Iterator[tuple[str, pd.Series[Any]]]:
    """Go through the columns of a table, each made when its turn comes."""
    known: dict[tuple[Any, ...], Any] = {}
    for name, one in (value.columns or {}).items():
        yield name, column_of(_made_once(view, offer, one, known), one)


def _made_once(view: AlfView, offer: Offer, one: Value, known: dict[tuple[Any, ...], Any]) -> Any:
    """Return the values of a column; an array of which several are made is read once."""
    own = offer_of(view, offer.path, one)
    column = one.options.get("column")
    if one.rule or len(one.names) > 1 or not isinstance(column, int) or one.of == "literal":
        return _made(view, own, one)
    from dataclasses import replace

    rest = {key: v for key, v in one.options.items() if key != "column"}
    whole = replace(one, options=rest, words=None, shape=None, dtype="")
    key = (whole.of, whole.at, whole.names, whole.probe, whole.factor, whole.offset, repr(rest))
    if key not in known:
        known.clear()  # columns of one array stand together
        known[key] = _made(view, offer_of(view, offer.path, whole), whole)
    return replaced(known[key][..., column], one)


def column_of(found: Any, value: Value) -> Any:
    """Return values as the column of a table, of the type that pandas calls so."""
    import numpy as np
    import pandas as pd

    said = value.options
    if value.of == "literal" and not isinstance(found, np.ndarray):
        cells = np.empty(len(found), dtype=object)
        cells[:] = found
        found = cells
    dtype: Any = value.dtype or getattr(found, "dtype", None)
    if dtype == "category" and "categories" in said:
        dtype = pd.CategoricalDtype(said["categories"], bool(said.get("ordered", False)))
    if found.ndim != 1:
        raise ValueError(f"a column of a table has the shape {found.shape}")
    if dtype is None or dtype == "object":
        return pd.Series(found.astype(object), dtype=object)
    if isinstance(dtype, str) and dtype[:2] in ("<M", "<m", "da", "ti"):
        # Times are whole numbers in the file.
        return pd.Series(np.asarray(found).astype(np.int64).astype(dtype))
    return pd.Series(found, dtype=dtype) if found.dtype.kind == "O" else _cast(found, dtype)


def _cast(found: Any, dtype: Any) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(found).astype(dtype)


# -- files -----------------------------------------------------------------------------------------


def content(view: AlfView, offer: Offer, value: Value) -> bytes:
    """Return the bytes of a file that is kept as a whole.

    Raises
    ------
    BadFileError
        If they are none.
    """
    import numpy as np

    path = "/".join(filter(None, (value.at, *value.names)))
    row = value.options.get("row")
    found = view.file.array(path, slice(None) if row is None else slice(int(row), int(row) + 1))
    if value.of == "bytes":
        return np.asarray(found).astype(np.uint8).tobytes()
    texts = found.reshape(-1).tolist() if isinstance(found, np.ndarray) else [found]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise BadFileError(
            f"{view.file.name}: /{path} is not one text", hint="the file may be damaged"
        )
    return texts[0].encode("utf-8", "surrogateescape")


def _parsed(view: AlfView, offer: Offer, value: Value, extension: str) -> Any:
    """Return what loading a file that is kept as a whole gives; bytes where nothing reads it."""
    from fascicle.load import load_file
    from fascicle.load.files import KNOWN

    data = content(view, offer, value)
    if extension not in KNOWN:
        return data
    with tempfile.TemporaryDirectory(prefix="fascicle-") as folder:
        path = Path(folder) / PurePosixPath(offer.path).name
        path.write_bytes(data)
        try:
            return load_file(path)
        except FascicleError as error:
            said = error.message.replace(str(path), offer.path)
            raise BadFileError(f"{view.file.name}: /{value.at}: {said}") from error


def external(view: AlfView, offer: Offer) -> Path | None:
    """Return the file of a dataset that is beside the NWB file; None where it is in it.

    Raises
    ------
    ALFObjectNotFound
        If there is no such file.
    """
    value = offer.value
    if value is None or value.of != "external":
        return None
    folder, said = view.file.folder, str(value.options.get("path", ""))
    if folder is not None and said:
        found = Path(os.path.normpath(folder / said))
        if found.is_file():
            return found
    raise ALFObjectNotFound(
        f"{offer.path} is not in {view.file.name}, but beside it, and not there: {said}",
        hint="put it where it was when the NWB file was made, or get it from its archive",
    )


def file_of(view: AlfView, offer: Offer) -> bytes | None:
    """Return the bytes of a dataset's file where they follow from what is kept; else None.

    Raises
    ------
    ALFObjectNotFound
        If it is a raw recording, of which there is no file to be had.
    """
    from fascicle.load.files import KNOWN

    value = offer.value
    if value is None:
        return None
    if value.of in WHOLE:
        return content(view, offer, value)
    extension = offer.path.rpartition(".")[2]
    if value.rule in ("raw", "side_by_side") and extension in ("cbin", "bin"):
        raise ALFObjectNotFound(
            f"{offer.path} is in {view.file.name} as an array, and not as a file",
            hint=f"session.read({offer.path!r}) reads what is indexed of it; others are files",
        )
    if extension not in KNOWN:
        values = value_of(view, offer, value)
        contiguous: NDArray[np.generic] = _plain_array(values, offer)
        return contiguous.tobytes()
    return None


def _plain_array(values: Any, offer: Offer) -> Any:
    import numpy as np

    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise ALFObjectNotFound(f"there is no telling what the file of {offer.path} would be")
    return np.ascontiguousarray(values)
