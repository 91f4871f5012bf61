"""The images that were shown, as they were on the monitor and as they were meant to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle.errors import BadFileError

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_TEMPLATES = "/stimulus/templates"


def read_templates(file: NwbFile) -> pd.DataFrame | None:
    """Return the images of a session by ``image_name``, or None if it had none.

    Returns
    -------
    pandas.DataFrame or None
        ``unwarped``: float64, NaN where the mouse could not see it; ``warped``: uint8, as it was
        on the monitor. Each cell has an array (rows, columns).

    Raises
    ------
    BadFileError
        If there is more than one set of images.
    """
    import pandas as pd

    sets = file.names(_TEMPLATES) if file.has(_TEMPLATES) else []
    sets = [name for name in sets if "movie" not in name.lower()]
    if not sets:
        return None
    if len(sets) > 1:
        raise BadFileError(
            f"{file.name} has {len(sets)} sets of images: {', '.join(sets)}",
            hint=f"session.nwb.file.array('{_TEMPLATES}/{sets[0]}/data') has one of them",
        )
    place = f"{_TEMPLATES}/{sets[0]}"
    names = [str(name) for name in file.array(f"{place}/control_description")]
    columns = {}
    for column, stored in (("unwarped", "unwarped"), ("warped", "data")):
        images = file.array(f"{place}/{stored}")
        if len(images) != len(names):
            raise BadFileError(
                f"{file.name}: {place}/{stored} has {len(images)} images, and {len(names)} names"
            )
        columns[column] = pd.Series([*images], index=range(len(names)), dtype=object)
    frame = pd.DataFrame(columns)
    frame.index = pd.Index(names, name="image_name", dtype=object)
    return frame
