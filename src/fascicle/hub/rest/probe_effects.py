"""What follows when probes, trajectories and channels change: datasets and regions of probes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from fascicle.catalogue import identity
from fascicle.hub import records
from fascicle.hub.generation import touched
from fascicle.hub.models import Channel, ProbeInsertion, TrajectoryEstimate
from fascicle.hub.rest.answers import Refused

After = Callable[[], object]


def insertion(change: Any) -> After:
    """Link a probe with the datasets of its session."""
    row: ProbeInsertion = change.row
    if change.is_new and row.session_id is not None and row.name:
        key = UUID(bytes=identity.insertion_id(row.session_id.bytes, row.name))
        if not ProbeInsertion.objects.filter(pk=key).exists():
            row.pk = key
    before = ProbeInsertion.objects.filter(pk=row.pk).values_list("session_id", flat=True)
    eids = {*before, row.session_id} - {None}

    def after() -> None:
        if change.changed & {"name", "session"} and not change.is_new:
            row.datasets.clear()
        records.link_datasets((row.pk,))
        touched(eids)

    return after


def delete_insertion(row: ProbeInsertion, request: HttpRequest) -> After:
    """Note that a session lost a probe."""
    eids = {row.session_id} - {None}
    return lambda: touched(eids)


def trajectory(change: Any) -> After:
    """Count regions of a probe whose trajectory is made or changed."""
    row: TrajectoryEstimate = change.row
    if row.probe_insertion_id is None and row.chronic_insertion_id is None:
        raise Refused(400, {"probe_insertion": ["This field is required."]})
    before = _probes((row.pk,))
    return lambda: _regions_changed(before | _probes((row.pk,)))


def delete_trajectory(row: TrajectoryEstimate, request: HttpRequest) -> After:
    """Count regions of a probe that loses a trajectory."""
    before = _probes((row.pk,))
    return lambda: _regions_changed(before)


def channel(change: Any) -> After:
    """Count regions of a probe that gets or changes a channel."""
    row: Channel = change.row
    if row.trajectory_estimate_id is None:
        raise Refused(400, {"trajectory_estimate": ["This field is required."]})
    before = Channel.objects.filter(pk=row.pk).values_list("trajectory_estimate_id", flat=True)
    trajectories = {*before, row.trajectory_estimate_id}
    return lambda: channels_changed(trajectories)


def delete_channel(row: Channel, request: HttpRequest) -> After:
    """Count regions of a probe that loses a channel."""
    return lambda: channels_changed({row.trajectory_estimate_id})


def _probes(trajectories: Iterable[Any]) -> set[tuple[Any, Any]]:
    rows = TrajectoryEstimate.objects.filter(pk__in=[t for t in trajectories if t is not None])
    return set(rows.order_by().values_list("probe_insertion_id", "chronic_insertion_id"))


def channels_changed(trajectories: Iterable[Any]) -> None:
    """Count regions of probes by their channels anew."""
    _regions_changed(_probes(trajectories))


def _regions_changed(probes: set[tuple[Any, Any]]) -> None:
    pids = {pid for pid, _ in probes if pid is not None}
    chronic = {pid for _, pid in probes if pid is not None}
    records.count_regions(pids)
    records.count_regions(chronic, chronic=True)
    rows = ProbeInsertion.objects.filter(pk__in=pids, session__isnull=False)
    touched(rows.order_by().values_list("session_id", flat=True))
