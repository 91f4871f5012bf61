"""Fill the arrays of a file whose skeleton stands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError
from fascicle.nwb.writing.chunks import ChunkWriter

if TYPE_CHECKING:
    from fascicle.nwb.writing.later import Blocks, Job, Later


class JobError(Exception):
    """A job could not be done; its cause says why.

    Attributes
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job.what)
        self.job = job


def fill(
    jobs: Sequence[Job], h5: Any, *, advance: Callable[[int], object] = lambda n_bytes: None
) -> int:
    """Do all jobs.

    Parameters
    ----------
    jobs : sequence of Job
    h5 : h5py.File
        Written by pynwb, open.
    advance : callable
        Called with bytes as they are written (not compressed).

    Returns
    -------
    int
        All of these bytes.

    Raises
    ------
    JobError
        If the values of a job cannot be read or made, or do not fit. Its cause is the reason.
    ConversionError
        If an array is not filled in the end.
    OSError
        If the file cannot be written.
    """
    writers: dict[int, tuple[ChunkWriter, Later, Job]] = {}
    total = 0
    left = {dataset.name for dataset in unfilled(h5)}
    for name in left:
        reserve(h5[name])
    for job in jobs:
        for later, rows in _blocks(job):
            if id(later) not in writers:
                if later.dataset is None:
                    raise JobError(job) from ConversionError(
                        f"{job.what}: an array of shape {later.shape} is in no object of the file"
                    )
                writers[id(later)] = (ChunkWriter(later.dataset, job.what), later, job)
                left.discard(later.dataset.name)
            writer, _, _ = writers[id(later)]
            try:
                n_bytes = writer.add(rows)
            except ConversionError as error:
                raise JobError(job) from error
            total += n_bytes
            advance(n_bytes)
    for writer, _, job in writers.values():
        try:
            writer.close()
        except ConversionError as error:
            raise JobError(job) from error
    if left:
        raise ConversionError(f"{len(left)} arrays were announced, but not filled: {min(left)}, …")
    return total


def unfilled(h5: Any) -> list[Any]:
    """Return the datasets that have no values yet: these would read as zeros."""
    import h5py

    found: list[Any] = []

    def look(name: str, item: Any) -> None:
        is_chunked = isinstance(item, h5py.Dataset) and item.chunks and all(item.shape)
        if is_chunked and not item.id.get_num_chunks():
            found.append(item)

    h5.visititems(look)
    return found


def reserve(dataset: Any) -> None:
    """Put each chunk of a dataset into its index, of one byte for now.

    An index grows as chunks are added, and its nodes would lie all over the file. So they lie
    together, in front of the values, where a reader over a network has them in one request.
    """
    starts = [range(0, n, size) for n, size in zip(dataset.shape, dataset.chunks, strict=True)]
    for offsets in itertools.product(*starts):
        dataset.id.write_direct_chunk(offsets, b"\0")


def _blocks(job: Job) -> Blocks:
    """Go through the blocks of a job; a failure to make one is a `JobError`."""
    try:
        yield from job.blocks()
    except Exception as error:  # readers of files of any format
        raise JobError(job) from error
