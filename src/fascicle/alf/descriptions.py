"""What each part of an ALF path is for, in words."""

from __future__ import annotations

import textwrap

from ..errors import nearest
from .templates import path_pattern

SPEC_DESCRIPTION = {
    "lab": "Where the data were recorded. Optional; letters, digits and underscores.",
    "Subjects": "A folder of this very name, which holds one folder per subject. It may be left "
    "out where there are no labs.",
    "subject": "The animal or person, under any label of letters, digits, '_', '-' and '.'.",
    "date": "The day of the session, written yyyy-mm-dd.",
    "number": "Which session of that day, counted from 1 and usually written with three digits: "
    "001.",
    "collection": "Optional folders that keep data of one device, modality or analysis together, "
    "so that two probes can both have their spikes.times: 'alf/probe00', 'raw_video_data'.",
    "revision": "An optional last folder with a version of the data, its label between pound "
    "signs: '#2024-05-06#'. Revisions are ordered as text, and asking for one that does not exist "
    "gives the one before it.",
    "namespace": "An optional prefix between underscores that says whose convention the file "
    "follows, when it is no standard of the community, or which device or program wrote it: "
    "'_ibl_', '_phy_'.",
    "object": "The thing that the data are about, as a plural in camel case: 'trials', "
    "'wheelMoves'. All files of an object are columns of one table: they have the same number of "
    "rows.\nAn attribute that bears the name of another object holds row numbers in that object, "
    "counted from 0: 'spikes.clusters.npy' points to rows of 'clusters.depths.npy'.",
    "attribute": "Which property of the object the file holds, in camel case: 'amps', "
    "'contrastLeft'. An underscore may only precede 'times' and 'intervals': 'goCue_times'.\n"
    "'times' are the moments of events, 'intervals' two columns with starts and ends, both in "
    "seconds of the session's main clock.\n'timestamps' belong to evenly sampled series: one time "
    "per sample, or some rows of sample number (from 0) and time between which times are "
    "interpolated, so this file may have fewer rows than the others of its object.",
    "timescale": "Which clock the times refer to, where that is not the session's main clock: "
    "'spikes.times_ephysClock.npy', 'wheel.timestamps_bpod.npy'.",
    "extra": "Any number of further parts, each after a period, that have no fixed meaning: a "
    "UUID, a hash, the number of a piece. Files that differ in their extra parts alone are "
    "pieces of one thing, in the order of these parts.",
    "extension": "The type of file. Any is allowed whose content has a number of rows.\n"
    ".npy for arrays, which knows its shape and type; its first dimension counts the rows.\n"
    ".tsv for tables of text, with the columns' names in the first line; safer than commas, which "
    "texts contain.\n.pqt for large tables.\n.bin for flat binary, with a '.metadata.json' "
    "beside it that gives the columns and the type.",
}
"""dict of str to str: what each part is for."""


def describe(part: str | None = None, width: int = 99) -> None:
    """Print the pattern of a path, and what a part of it is for.

    Parameters
    ----------
    part : str, optional
        One part; by default all are described.
    width : int
        The greatest number of characters in a line.

    Raises
    ------
    ValueError
        The convention has no such part.

    Examples
    --------
    >>> describe("number")  # doctest: +ELLIPSIS
    (lab/Subjects/)subject/date/number/...
                                ^^^^^^
    <BLANKLINE>
    NUMBER
    Which session of that day, counted from 1 and usually written with three digits: 001.
    """
    if part is not None and part not in SPEC_DESCRIPTION:
        known = '"' + '", "'.join(SPEC_DESCRIPTION) + '"'
        close = nearest(part, SPEC_DESCRIPTION)
        raise ValueError(
            f'Unknown ALF part "{part}", should be one of {known}' + (f"; {close}" if close else "")
        )
    pattern = path_pattern()
    print(pattern)
    if part:
        # "subject" is not the beginning of "Subjects", nor "object" a piece of another part.
        print(" " * pattern.index(part) + "^" * len(part))
    for name in [part] if part else SPEC_DESCRIPTION:
        print(f"\n{name.upper()}")
        for line in SPEC_DESCRIPTION[name].splitlines():
            print(*textwrap.wrap(line, width), sep="\n")
