"""What parts share: find the datasets of an object, read them, put an object in its place."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any

from fascicle.errors import ALFObjectNotFound, BadFileError, ConversionError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.placing import fresh_name, put, safe_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

#: Extensions of datasets that are arrays or tables.
TABULAR = frozenset({"npy", "pqt", "csv", "tsv", "ssv", "htsv"})


def read(draft: Draft, file: SourceFile) -> Any:
    """Return what a dataset holds, or None where it cannot be read, which is said."""
    try:
        return draft.source.load(file)
    except (BadFileError, ALFObjectNotFound) as error:
        why = f"it cannot be read: {error.message}"
        draft.warn(why, file)
        draft.skip(file, why)
        return None


def firsts(source: Source, name: str, collection: str) -> list[SourceFile]:
    """Return the arrays and tables of an object in a collection, the first of each attribute.

    Two files of one attribute (of two namespaces, in two formats) cannot be one column: what is
    not returned is left to whatever carries datasets by themselves.
    """
    found: dict[str, SourceFile] = {}
    for file in source.find(name, collection=collection):
        if file.extension in TABULAR and file.attribute and not file.extra:
            found.setdefault(file.key, file)
    return list(found.values())


def collections_of(source: Source, name: str) -> list[str]:
    """Return the collections that have arrays or tables of an object, sorted."""
    return sorted({f.collection for f in source.find(name) if f.extension in TABULAR})


def name_of_another(name: str, collection: str) -> str:
    """Return the name of an object that another collection has too: ``trials_task_01``."""
    return f"{name}_{safe_name(collection.rpartition('/')[2] or 'root')}"


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return a name that is not taken: the one wanted, or with a number behind."""
    return fresh_name(wanted, taken)


def place(draft: Draft, path: str, thing: Any) -> None:
    """Put an object where it belongs in the file.

    Parameters
    ----------
    draft : Draft
    path : str
        As in `Entry.nwb`; its last step is the name of the object.
    thing : pynwb or hdmf object

    Raises
    ------
    ConversionError
        If there is no such place, or it is taken.
    """
    nwb = draft.nwb
    match path.split("/"):
        case ["intervals", "trials" | "epochs" | "invalid_times" as name]:
            if getattr(nwb, name) is not None:
                raise ConversionError(
                    f"two objects are called {path}: NWB has one of each name",
                    hint="rename one of them in the section `objects` of the metadata",
                )
            setattr(nwb, name, thing)
        case ["stimulus", "presentation", name] if name not in nwb.stimulus:
            nwb.add_stimulus(thing)
        case _:
            put(draft, path, thing)


def carry(draft: Draft, file: SourceFile, why: str, values: Any = None) -> str:
    """Put a dataset into the file by itself, in ``/scratch``, so that it comes back exactly.

    Parameters
    ----------
    draft : Draft
    file : SourceFile
    why : str
        Why it is not where one expects it.
    values : numpy.ndarray, optional
        What it holds; without it, its bytes are carried.

    Returns
    -------
    str
        Where it is in the file; empty where the dataset is there already, or has no values.
    """
    import numpy as np

    from fascicle.nwb.parts.loose import carry_array, carry_bytes

    if file.path in draft.taken:
        return ""
    about = f"{file.path} of the ALF session. {why[:1].upper()}{why[1:]}"
    if not isinstance(values, np.ndarray):
        carry_bytes(draft, file, about)
    elif values.size:
        carry_array(draft, file, values, about)
    else:
        draft.took(file, nothing(values))
    return next((r.value.at for r in reversed(draft.records) if r.dataset == file.path), "")


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose numbers have their bytes in the order of this machine's HDF5 files."""
    return values if values.dtype.byteorder != ">" else values.astype(values.dtype.newbyteorder())


def nothing(values: NDArray[Any]) -> Value:
    """Return how an array without values comes back: nothing of it needs a place in the file."""
    return Value("literal", "", dtype=values.dtype.str, shape=values.shape, options={"value": []})


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Return whether two arrays are alike in type, shape and bits; any NaN is like any other."""
    import numpy as np

    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    nan = np.isnan(a)
    if not np.array_equal(nan, np.isnan(b)):
        return False
    return bool(np.all(nan | ((a == b) & (np.signbit(a) == np.signbit(b)))))
