"""One row per trial, with what everyone derives first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from fascicle.analysis.probes import Where, open_session
from fascicle.archives.base import SessionName
from fascicle.errors import ALFObjectNotFound

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.session import OpenSession

_TASK = re.compile(r"alf/task_\d+")
_MOVED = "firstMovement_times"
_RESPONDED = ("response_times", "feedback_times")
_SHOWN = ("stimOn_times", "goCue_times", "stimOnTrigger_times", "goCueTrigger_times")


def trials(
    where: Where,
    id: SessionName | None = None,
    *,
    collection: str | None = None,
    revision: str | None = None,
) -> pd.DataFrame:
    """Return the trials of a session as one table.

    Parameters
    ----------
    where : Archive, path or OpenSession
        The archive; or a session, and then ``id`` is left out.
    id : str, uuid.UUID or path
        The session: eid, path, or ``2020-01-31_1_subject``.
    collection : str, optional
        Where the trials are. Unless told: ``alf``, else all of ``alf/task_NN`` one after the
        other (a column ``collection`` tells them apart), else the only collection with trials.
    revision : str, optional
        The last revision of each file up to this one, in place of the default.

    Returns
    -------
    pandas.DataFrame
        Index ``trial`` from 0. All attributes of the trials (``intervals_0`` and ``intervals_1``
        are start and end, in seconds of the session's clock), and, where they can be derived:

        ``side``
            ``left`` or ``right``, where the stimulus was; missing where neither is known.
        ``signed_contrast``
            In percent; negative on the left.
        ``reaction_time``
            Seconds from the stimulus to the first movement; where no movement was recorded, to
            the response. ``frame.attrs["reaction_time"]`` says which columns it is made of.
        ``response_time``
            Seconds from the stimulus to the response.
        ``correct``
            Whether the feedback was a reward (boolean, missing where there was none).

    Raises
    ------
    SessionNotFound, ALFObjectNotFound, ALFMultipleCollectionsFound
        If there is no such session, it has no trials, or several that no rule chooses from.

    Examples
    --------
    >>> table = trials("~/data", eid)  # doctest: +SKIP
    >>> table.groupby("signed_contrast").correct.mean()  # doctest: +SKIP
    """
    import pandas as pd

    session = open_session(where, id)
    tables = []
    places = _collections(session, collection)
    for place in places:
        table = session.load("trials", collection=place, revision=revision).to_df()
        if len(places) > 1:
            table["collection"] = place
        tables.append(table)
    frame = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    frame = frame.reset_index(drop=True).rename_axis("trial")
    return derive(frame)


def derive(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of trials with the derived columns of `trials` added.

    Parameters
    ----------
    frame : pandas.DataFrame
        Attributes of trials as columns, named as in the files.
    """
    import pandas as pd

    frame = frame.copy()
    if {"contrastLeft", "contrastRight"} <= set(frame):
        left = frame["contrastLeft"].to_numpy(dtype=float, na_value=np.nan)
        right = frame["contrastRight"].to_numpy(dtype=float, na_value=np.nan)
        # A zero on either side is a stimulus that was not seen; elsewhere NaN is the other side.
        is_left = ~np.isnan(left) & (np.isnan(right) | (np.nan_to_num(right) == 0))
        is_right = ~np.isnan(right) & (np.isnan(left) | (np.nan_to_num(left) == 0))
        both = is_left & is_right
        side = np.select(
            [both & (left > 0), both & (right > 0), both, is_left, is_right],
            ["left", "right", "", "left", "right"],
            "",
        )
        frame["side"] = pd.Series(side, index=frame.index).replace("", None)
        known = is_left | is_right
        signed = 100 * (np.nan_to_num(right) - np.nan_to_num(left))
        signed = np.round(signed, 6) + 0.0
        frame["signed_contrast"] = np.where(known, signed, np.nan)
    elif {"contrast", "position"} <= set(frame):
        position = frame["position"].to_numpy(dtype=float, na_value=np.nan)
        frame["side"] = pd.Series(
            np.select([position < 0, position > 0], ["left", "right"], ""), index=frame.index
        ).replace("", None)
        frame["signed_contrast"] = 100 * np.sign(position) * frame["contrast"].to_numpy(float)
    if "feedbackType" in frame:
        feedback = frame["feedbackType"].to_numpy(dtype=float, na_value=np.nan)
        correct = pd.Series(feedback > 0, index=frame.index, dtype="boolean")
        frame["correct"] = correct.mask(np.isnan(feedback) | (feedback == 0))
    _add_times(frame)
    return frame


def _add_times(frame: pd.DataFrame) -> None:
    shown = next((c for c in _SHOWN if c in frame), None)
    responded = next((c for c in _RESPONDED if c in frame), None)
    if shown is None:
        return
    if responded is not None:
        frame["response_time"] = frame[responded] - frame[shown]
    moved = _MOVED if _MOVED in frame else responded
    if moved is not None:
        frame["reaction_time"] = frame[moved] - frame[shown]
        frame.attrs["reaction_time"] = f"{moved} - {shown}"


def _collections(session: OpenSession, collection: str | None) -> list[str]:
    if collection is not None:
        return [collection]
    places = session.collections("trials")
    if not places:
        raise ALFObjectNotFound(
            f"{session.record.path} has no trials",
            hint='fascicle.find(datasets="trials") lists the sessions that do',
        )
    # Raw recordings of behaviour may hold an object of the same name; processed ones are meant.
    if "alf" in places:
        return ["alf"]
    tasks = [place for place in places if _TASK.fullmatch(place)]
    if tasks:
        return tasks
    if len(places) > 1:
        session.load("trials")  # raises, naming the collections
    return places
