"""Which entries are built, in which order, and which failures end a conversion."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from fascicle.errors import (
    BadFileError,
    ConversionError,
    MetadataError,
    MissingExtraError,
    OfflineError,
    RemoteNotFound,
)
from fascicle.nwb.metadata import SessionMetadata
from fascicle.nwb.parts import PARTS
from fascicle.nwb.writing.building import Plan, blame, files_of, plan_of
from fascicle.nwb.writing.draft import Options
from fascicle.nwb.writing.entries import Entry, Item
from fascicle.nwb.writing.later import Job
from fascicle.nwb.writing.source import SourceFile


def document(*entries: Entry) -> Any:
    made = SessionMetadata({})
    made.objects.extend(entries)
    return made


def entry(part: str, name: str = "x", **more: Any) -> Entry:
    return Entry(nwb=name, type="TimeSeries", part=part, **more)


def test_entries_are_built_in_the_order_of_the_parts() -> None:
    given = [entry(part) for part in reversed(PARTS)]
    assert [one.part for one in plan_of(document(*given), Options()).left] == list(PARTS)


def test_what_is_off_or_not_asked_for_is_not_built() -> None:
    given = [entry("raw"), entry("video"), entry("wheel", on=False), entry("trials")]
    plan = plan_of(document(*given), Options(raw=False, videos="none"))
    assert [one.part for one in plan.left] == ["trials"]


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(MetadataError, match="none of 2 is to be written"):
        plan_of(document(entry("raw"), entry("wheel", on=False)), Options(raw=False))
    assert plan_of(document(), Options()).entries == []  # a session of which nothing is carried


def test_an_unknown_part_is_refused_by_name() -> None:
    with pytest.raises(MetadataError, match="'trails'") as caught:
        plan_of(document(entry("trails")), Options())
    assert "'trials'" in caught.value.hint


@pytest.mark.parametrize("error", [ValueError("x"), BadFileError("x"), RemoteNotFound("x")])
def test_an_entry_that_fails_is_left_out(error: Exception) -> None:
    wheel, trials = entry("wheel"), entry("trials")
    plan = Plan([trials, wheel])
    plan.fail(wheel, error)
    assert plan.left == [trials]
    assert "x" in plan.failures[0].why


def test_without_an_essential_one_there_is_no_file() -> None:
    trials = entry("trials", "intervals/trials")
    with pytest.raises(ConversionError, match="intervals/trials cannot be written: no such") as e:
        Plan([trials]).fail(trials, BadFileError("no such rows\nand more"))
    assert "on: false" in e.value.hint


@pytest.mark.parametrize(
    "error",
    [
        OfflineError("x"),
        MissingExtraError("x"),
        MemoryError(),
        KeyboardInterrupt(),
        OSError(errno.ENOSPC, "full"),
    ],
)
def test_failures_of_the_machine_end_it(error: BaseException) -> None:
    wheel = entry("wheel")
    plan = Plan([wheel])
    with pytest.raises(type(error)):
        plan.fail(wheel, error)
    assert plan.left == [wheel]


def test_a_job_is_known_by_its_entry() -> None:
    wheel = entry("wheel")
    plan, job = Plan([wheel]), Job(lambda: iter(()), "wheel.position", 0)
    blame(plan, {id(job): wheel}, job, ValueError("x"))
    assert not plan.left
    with pytest.raises(ConversionError, match=r"wheel\.position"):
        blame(plan, {}, job, ValueError("x"))


def test_the_datasets_of_an_entry_are_those_that_its_items_name() -> None:
    def file(path: str, object: str, attribute: str, collection: str = "alf") -> SourceFile:
        return SourceFile(path, collection, "", "", object, attribute, "", "", "npy")

    source: Any = SimpleNamespace(
        files=[
            file("a", "spikes", "times", "alf/probe00"),
            file("b", "spikes", "times", "alf/probe01"),
            file("c", "clusters", "metrics", "alf/probe00"),
            file("d", "spikes", "clusters", "alf/probe00"),
            file("e", "spikes", "depths", "alf/probe00"),
        ]
    )
    items = [
        Item("spike_times", "spikes.times", by="spikes.clusters"),
        Item("firing_rate", "clusters.metrics:firing_rate, clusters.metrics:label"),
        Item("depth", "spikes.depths", on=False),
    ]
    one = entry("units", collections=["alf/probe00"], items=items)
    assert [found.path for found in files_of(one, source)] == ["a", "c", "d"]
    one.collections = []
    assert [found.path for found in files_of(one, source)] == ["a", "b", "c", "d"]
