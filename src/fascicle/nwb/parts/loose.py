"""Datasets that are carried by themselves, in the file's scratch space: arrays, texts, bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.placing import free_name, fresh_name, safe_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import SourceFile

#: Texts of more bytes are carried byte by byte, which packs them; larger files are left out.
MOST_TEXT = 1_000_000
MOST_BYTES = 256_000_000

TABLES = frozenset({"pqt", "csv", "tsv", "ssv", "htsv"})
TEXTS = frozenset(
    {"json", "jsonable", "yaml", "yml", "txt", "log", "md", "meta", "ch", "xml", "cfg", "ini"}
)
VIDEOS = frozenset({"mp4", "avi", "mkv", "mov", "webm", "flv", "wmv", "mpg", "mpeg", "m4v"})
_SOUND = frozenset({"wav", "flac", "mp3", "ogg"})


def carry(draft: Draft, file: SourceFile, *, name: str = "", description: str = "") -> None:
    """Carry a dataset by itself, or leave it out and say why.

    Parameters
    ----------
    draft : Draft
    file : SourceFile
    name : str, optional
        Of the object in the file; that of the dataset unless given.
    description : str, optional
    """
    from fascicle.nwb.parts.frames import carry_table

    extension = file.extension
    try:
        if why := _refused(file):
            draft.skip(file, why)
        elif extension == "npy":
            values = draft.source.load(file, keep=False)
            carry_array(draft, file, values, description, name=name)
        elif extension in TABLES:
            carry_table(draft, file, name=name, description=description)
        elif extension in TEXTS:
            carry_text(draft, file, description, name=name)
        elif extension in ("npz", "sparse_npz"):
            draft.source.load(file, keep=False)  # refuses pickles, and what is harmed
            carry_bytes(draft, file, description, name=name)
        else:
            draft.skip(file, f"a file of the type .{extension or '(none)'} is none that is carried")
    except FascicleError as error:
        draft.skip(file, f"it cannot be read: {error}")
        draft.warn(f"left out: {error}", file)
    except OSError as error:
        draft.skip(file, f"it cannot be read: {error}")
        draft.warn(f"left out: {error}", file)


def _refused(file: SourceFile) -> str:
    """Return why a dataset is not looked at, empty if it is."""
    if not file.attribute:
        return "its name follows no convention, so that nobody knows what it is"
    if file.extension in VIDEOS:
        return "a video is linked or copied where its camera has times, and never put into the file"
    if file.extension in _SOUND:
        return "sound recordings are not converted"
    if file.extension in ("cbin", "bin", "dat"):
        return "raw recordings are converted where they are SpikeGLX's and lie beside their .meta"
    return ""


def scratch_name(draft: Draft, file: SourceFile, name: str = "") -> str:
    """Return a name in the scratch space that is free."""
    taken = draft.nwb.scratch
    return fresh_name(safe_name(name), taken) if name else free_name(file, taken)


def _added(draft: Draft, name: str, data: Any, description: str) -> str:
    """Add data to the scratch space and return its path."""
    from pynwb.core import ScratchData

    draft.nwb.add_scratch(ScratchData(name=name, data=data, description=description))
    return f"scratch/{name}"


def carry_array(
    draft: Draft, file: SourceFile, values: NDArray[Any], description: str = "", *, name: str = ""
) -> None:
    """Carry an array as it is.

    Parameters
    ----------
    draft : Draft
    file : SourceFile
    values : numpy.ndarray
        As the file was loaded.
    description, name : str, optional
    """
    said = description or f"{file.key} of the ALF dataset {file.path}"
    stored = storable(values)
    if stored is None:
        carry_bytes(draft, file, f"{said}: an array of {values.dtype}, byte by byte", name=name)
        return
    called = scratch_name(draft, file, name)
    shape = None
    if stored.ndim == 0:
        stored, shape = stored.reshape(1), ()
    data = draft.array(stored, what=file.key)
    at = _added(draft, called, data, said)
    draft.took(file, Value("array", at, dtype=values.dtype.str, shape=shape))
    if values.dtype.kind == "M":
        draft.inform("dates are written as integers", file)


def storable(values: Any) -> NDArray[Any] | None:
    """Return an array as HDF5 holds it; None where it cannot, or not so that it comes back.

    Text becomes objects, dates integers; numbers and flags stay as they are.
    """
    import numpy as np

    if not isinstance(values, np.ndarray):
        return None
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind in "iub" or (kind == "f" and size <= 8):
        return values
    if kind == "M":
        return np.asarray(values.astype(values.dtype.newbyteorder("<")).view("<i8"))
    if kind == "U":
        texts = values.astype(object)
        return texts if is_plain_text(texts.reshape(-1).tolist()) else None
    if kind == "S":
        try:
            texts = np.char.decode(values, "ascii").astype(object)
        except UnicodeDecodeError:
            return None
        return texts if is_plain_text(texts.reshape(-1).tolist()) else None
    return None


def is_plain_text(texts: list[Any]) -> bool:
    """Return whether these are strings that HDF5 holds: no null characters, no half characters."""
    try:
        return all(isinstance(t, str) and "\0" not in t and t.encode() is not None for t in texts)
    except UnicodeEncodeError:
        return False


def carry_text(draft: Draft, file: SourceFile, description: str = "", *, name: str = "") -> None:
    """Carry the text of a file, which its bytes come back from."""
    place = draft.source.place(file)
    text = _decoded(place) if place.stat().st_size <= MOST_TEXT else None
    if text is None:
        carry_bytes(draft, file, description, name=name)
        return
    said = description or f"Text of the ALF dataset {file.path}"
    at = _added(draft, scratch_name(draft, file, name), text, said)
    draft.took(file, Value("text", at))


def _decoded(place: Path) -> str | None:
    """Return the text of a file as it is, None where it is none that HDF5 holds."""
    data = place.read_bytes()
    if not data or b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def carry_bytes(draft: Draft, file: SourceFile, description: str = "", *, name: str = "") -> None:
    """Carry a file byte by byte: for what has no other form in HDF5."""
    import numpy as np

    place = draft.source.place(file)
    size = place.stat().st_size
    if not size:
        draft.skip(file, "it is empty: it has no bytes")
        return
    if size > MOST_BYTES:
        draft.skip(file, f"it has {size:,} bytes, and at most {MOST_BYTES:,} are carried as bytes")
        return
    said = description or f"Bytes of the ALF dataset {file.path}"
    data = draft.array(np.memmap(place, dtype=np.uint8, mode="r"), what=file.key)
    at = _added(draft, scratch_name(draft, file, name), data, said)
    draft.took(file, Value("bytes", at))
    draft.inform("carried byte by byte", file)
