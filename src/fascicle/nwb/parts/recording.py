"""The raw recordings of a session: their files, their samples in blocks that make whole chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, ConversionError, FascicleError
from fascicle.nwb.parts.placing import labels
from fascicle.nwb.writing.entries import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.load import CbinArray
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.later import Blocks, Later
    from fascicle.nwb.writing.source import Source, SourceFile

#: Of the files that hold samples, the one that is taken where a recording has both.
SAMPLES = ("cbin", "bin")
#: Channels of a chunk: neighbours on the probe, that are mostly looked at together.
CHANNELS = 64
#: Bytes of a chunk, about, before it is compressed: some 1 MB as it lies in the file.
CHUNK = 2_000_000
#: Bytes are shuffled where they get smaller by this factor at least.
SHUFFLED = 0.95
#: Bytes of a block that is handed on: what is in memory at a time.
BLOCK = 24_000_000


@dataclass(slots=True)
class Stream:
    """One raw recording of a session, a band of a probe or the auxiliary inputs.

    Attributes
    ----------
    band : str
        ``ap``, ``lf`` or ``nidq``.
    label : str
        The probe's, or where its collection names none, what SpikeGLX calls it (``imec0``); empty
        for the auxiliary inputs.
    run : str
        Name of SpikeGLX's run, gate and trigger: ``ephysData_g0_t0``.
    collection : str
    files : dict
        Its files by extension: ``cbin``, ``bin``, ``ch``, ``meta``.
    points : list of SourceFile
        ``timestamps`` and ``sync``: where its clock and the session's are both known.
    wiring : SourceFile or None
        Which line is wired to what.
    name : str
        With which its objects of the file end.
    """

    band: str
    label: str
    run: str
    collection: str
    files: dict[str, SourceFile] = field(default_factory=dict)
    points: list[SourceFile] = field(default_factory=list)
    wiring: SourceFile | None = None
    name: str = ""

    @property
    def samples(self) -> SourceFile | None:
        """The file of its samples."""
        return next((self.files[one] for one in SAMPLES if one in self.files), None)

    def items(self, name: str, unit: str, description: str) -> list[Item]:
        """Return the items of an entry that is made of it: samples, and what tells its clock."""
        file = self.samples
        out = [Item(name, labels(file)[2], unit, description)] if file else []
        if self.points:
            source = ", ".join(labels(one)[2] for one in self.points)
            said = "Where the clocks of the recording and of the session are both known"
            out.append(Item("clock", source, "seconds", said))
        return out

    @property
    def all(self) -> list[SourceFile]:
        """All its files."""
        wiring = [self.wiring] if self.wiring else []
        return [*self.files.values(), *self.points, *wiring]


def streams(source: Source) -> list[Stream]:
    """Return the raw recordings of a session, in the order of their names."""
    found: dict[tuple[str, str, str, str], Stream] = {}
    beside: list[SourceFile] = []
    for file in source.files:
        if file.namespace != "spikeglx" or not file.object.startswith("ephysData"):
            continue
        band = "nidq" if file.attribute == "nidq" else file.extra.rpartition(".")[2]
        if file.extension not in (*SAMPLES, "ch", "meta") or band not in ("ap", "lf", "nidq"):
            beside.append(file)
            continue
        key = (file.collection, file.object, file.attribute, band)
        if key not in found:
            label = "" if band == "nidq" else file.probe or file.attribute
            found[key] = Stream(band, label, file.object, file.collection)
        found[key].files.setdefault(file.extension, file)
    for (collection, run, attribute, _), stream in found.items():
        for file in beside:
            if (file.collection, file.object, file.attribute) != (collection, run, attribute):
                continue
            if file.extension == "npy" and file.extra in ("sync", "timestamps"):
                stream.points.append(file)
            elif file.extension == "json" and file.extra == "wiring":
                stream.wiring = file
    out = sorted(found.values(), key=lambda one: (one.label, one.band, one.run, one.collection))
    _named([one for one in out if one.samples])
    return out


def _named(found: list[Stream]) -> None:
    """Name each stream: by its probe, and the run and collection too where one is not enough."""
    for one in found:
        alike = [two for two in found if (two.band, two.label) == (one.band, one.label)]
        one.name = one.label
        if len(alike) > 1:
            one.name = "_".join(filter(None, (one.label, one.run.removeprefix("ephysData_"))))
            if len({two.run for two in alike}) < len(alike):
                one.name += "_" + one.collection.replace("/", "_")


def open_stream(draft: Draft, stream: Stream) -> CbinArray:
    """Open a recording, and see that its files fit each other.

    Parameters
    ----------
    draft : Draft
        Is told where the files differ without harm.
    stream : Stream

    Raises
    ------
    FascicleError
        It cannot be read, or its files contradict each other.
    """
    from fascicle.load import open_cbin, sglx

    file = stream.samples
    assert file is not None
    wanted = [stream.files[one] for one in (file.extension, "ch", "meta") if one in stream.files]
    draft.source.bring(wanted)
    places = {one.extension: draft.source.place(one) for one in wanted}
    recording = open_cbin(places[file.extension], ch=places.get("ch"), meta=places.get("meta"))
    if not recording.meta:
        return recording
    channels = sglx.n_channels(recording.meta)
    if channels != recording.shape[1]:
        raise BadFileError(
            f"{stream.files['meta'].path} counts {channels} channels, the recording has "
            f"{recording.shape[1]}",
            hint="copy the .meta of this recording",
        )
    said = recording.meta.get("fileSizeBytes")
    if isinstance(said, int) and said != recording.nbytes:
        draft.warn(
            f"it has {recording.nbytes:,} bytes of samples, {stream.files['meta'].path} tells of "
            f"{said:,}: it is not the whole recording, or of another. What is there is written.",
            file,
        )
    return recording


def rows_of_chunk(recording: CbinArray, channels: int) -> int:
    """Return how many samples a chunk of the NWB file holds.

    They are as many as make whole chunks of a stretch that is decoded at once, where such a number
    is about right: then nothing needs to be put together.
    """
    wide = min(max(channels, 1), CHANNELS) * recording.dtype.itemsize
    about = max(CHUNK // wide, 1)
    length = recording.chunk_length
    if length < about:
        rows = about // length * length
    else:
        parts = range(max(length // about, 1), 3 * (length // about) + 2)
        fitting = (length // n for n in parts if length % n == 0 and length // n < 1.3 * about)
        rows = next(fitting, about)
    return max(min(rows, recording.shape[0]), 1)


def shuffles(recording: CbinArray, columns: slice | list[int]) -> bool:
    """Return whether samples get smaller where their bytes are shuffled, tried on some of them.

    Traces of ten bits do not by much, and are packed faster as they are; louder ones and local
    field potentials do.

    Raises
    ------
    FascicleError
        The middle of the recording cannot be decoded.
    """
    from fascicle.nwb.writing.chunks import LEVEL, THOROUGH, compressor, shuffled, tiles

    middle = len(recording) // 2
    some = recording[middle : middle + CHUNK // CHANNELS // recording.dtype.itemsize, columns]
    sizes = (min(some.shape[1], CHANNELS),)
    tried = next((tile for _, tile in tiles(some, sizes)), None)
    if tried is None or not tried.size:
        return True
    pack = compressor()
    return len(pack(shuffled(tried), LEVEL)) < SHUFFLED * len(pack(tried, THOROUGH))


def aligned(recording: CbinArray, rows: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Go through the samples of a recording in blocks of whole chunks.

    Parameters
    ----------
    recording : CbinArray
    rows : int
        Samples of a chunk.

    Yields
    ------
    tuple of int and numpy.ndarray
        Number of the first sample; (samples, channels). The last block may end within a chunk.
    """
    import numpy as np

    held: list[NDArray[Any]] = []
    n_held = first = 0
    for _, block in recording.blocks():
        if not held and len(block) % rows == 0:
            yield first, block
            first += len(block)
            continue
        held.append(block)
        n_held += len(block)
        if n_held < rows or (n_held % rows and n_held * block[0].nbytes < BLOCK):
            continue
        joined = np.concatenate(held)
        whole = n_held // rows * rows
        yield first, joined[:whole]
        first += whole
        n_held -= whole
        held = [joined[whole:]] if n_held else []
    if n_held:
        yield first, np.concatenate(held)


@dataclass(frozen=True, slots=True)
class Split:
    """Columns of a recording that go to one array of the file.

    Attributes
    ----------
    later : Later
    columns : slice or list of int
    flat : bool
        One column as a vector.
    """

    later: Later
    columns: slice | list[int]
    flat: bool = False


def split(
    recording: CbinArray, columns: slice | list[int], rows: int, *, flat: bool = False
) -> Split:
    """Return columns of a recording and the array that they are going to.

    Parameters
    ----------
    recording : CbinArray
    columns : slice or list of int
    rows : int
        Samples of a chunk.
    flat : bool
        One column as a vector.
    """
    from fascicle.nwb.writing.later import Later

    n = len(recording)
    if flat:
        return Split(Later((n,), recording.dtype), columns, flat)
    width = len(range(recording.shape[1])[columns] if isinstance(columns, slice) else columns)
    later = Later(
        (n, width),
        recording.dtype,
        chunks=(rows, min(width, CHANNELS)),
        shuffle=shuffles(recording, columns),
    )
    return Split(later, columns, flat)


def blocks_of(
    recording: CbinArray, splits: list[Split], rows: int, times: Any = None, at: Any = None
) -> Blocks:
    """Yield the blocks of all arrays that one recording is written to; each is decoded once.

    Parameters
    ----------
    recording : CbinArray
    splits : list of Split
    rows : int
        Samples of a chunk.
    times : Later, optional
        Array of the time of each sample.
    at : callable, optional
        Numbers of samples to these times.
    """
    import numpy as np

    try:
        for first, block in aligned(recording, rows):
            for one in splits:
                part = block[:, one.columns]
                yield one.later, part[:, 0] if one.flat else part
            if times is not None:
                yield times, at(np.arange(first, first + len(block), dtype=np.float64))
    except FascicleError as error:
        error.hint = (
            "fetch the recording again; or convert without it: raw=False, or switch its entry off "
            "in the metadata document"
        )
        raise


def gains_of(
    draft: Draft, file: SourceFile, recording: CbinArray, unknown: str
) -> NDArray[np.float64]:
    """Return the volts of one count of each analog channel, shape (n_analog,); none without .meta.

    Parameters
    ----------
    draft : Draft
    file : SourceFile
        Of the samples.
    recording : CbinArray
    unknown : str
        What is not known without a .meta, for the warning.

    Raises
    ------
    ConversionError
        If the .meta tells of other channels than were saved.
    """
    import numpy as np

    from fascicle.load import sglx

    if not recording.meta:
        draft.warn(f"no .meta lies beside it: {unknown}", file)
        return np.zeros(0)
    volts = sglx.volts_per_bit(recording.meta)
    width = recording.shape[1]
    if len(volts) + recording.n_sync != width:
        raise ConversionError(
            f"{file.path}: its .meta tells of {len(volts)} analog channels and {recording.n_sync} "
            f"digital words, and {width} are saved",
            hint="the .meta of another recording may lie beside it",
        )
    return volts
