"""Write arrays and metadata as ALF files: the saving half of ``one.alf.io``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...alf import ALFPath, spec
from ...errors import ALFInvalid
from ...load.bunch import check_dimensions, describe_dimensions


def save_object_npy(
    alfpath: str | os.PathLike[str],
    dico: Mapping[str, Any],
    object: str,
    parts: str | list[str] | None = None,
    namespace: str | None = None,
    timescale: str | None = None,
) -> list[ALFPath]:
    """Save arrays as the attributes of an object, one npy file each.

    Parameters
    ----------
    alfpath : path-like
        The folder.
    dico : mapping
        Attribute names and arrays of consistent dimensions.
    object : str
        The object.
    parts : str or list of str, optional
        Extra parts of the file names.
    namespace, timescale : str, optional
        Namespace and timescale of the file names.

    Returns
    -------
    list of ALFPath
        The files written.

    Raises
    ------
    ALFInvalid
        The dimensions are inconsistent, a name is not possible, or a value is no plain array
        (it is a ``ValueError``).
    """
    if check_dimensions(dico):
        raise ALFInvalid(
            f"inconsistent dimensions: {describe_dimensions(dico)}",
            hint="all attributes of an object have the same length",
        )
    written = []
    for key, value in dico.items():
        name = spec.to_alf(
            object, key, "npy", extra=parts, namespace=namespace, timescale=timescale
        )
        array = np.asanyarray(value)
        if array.dtype.hasobject:
            raise ALFInvalid(
                f"{key} is no plain array: it could only be saved as a pickle",
                hint="convert it to numbers or text of fixed length: array.astype(str)",
            )
        file = ALFPath(alfpath) / name
        with _written_whole(file) as whole:
            np.save(whole, array, allow_pickle=False)
        written.append(file)
    return written


def save_metadata(file_alf: str | os.PathLike[str], dico: Mapping[str, Any]) -> ALFPath:
    """Write the metadata file of a dataset: ``object.attribute.metadata.json``.

    Parameters
    ----------
    file_alf : path-like
        The dataset.
    dico : mapping
        What to write; ``columns`` names the columns of its array.

    Returns
    -------
    ALFPath
        The metadata file.

    Raises
    ------
    ALFInvalid
        The dataset follows no ALF name.
    """
    file = ALFPath(file_alf)
    if not spec.is_valid(file.name):
        raise ALFInvalid(f"{file.name} is no ALF name", hint="name it object.attribute.extension")
    target = file.parent / f"{file.stem}.metadata.json"
    with _written_whole(target) as whole:
        whole.write(json.dumps(dico, indent=1).encode())
    return target


class _written_whole:
    """A binary file that appears under its name when it is complete."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.part = Path(target.parent, f".{target.name}.{os.getpid()}.part")

    def __enter__(self) -> Any:
        self.file = self.part.open("wb")
        return self.file

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.file.close()
        if kind is None:
            self.part.replace(self.target)
        else:
            self.part.unlink(missing_ok=True)
