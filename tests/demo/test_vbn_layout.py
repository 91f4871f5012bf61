"""The three kinds of files against the layouts of real ones: every object, attribute and link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fascicle.demo.vbn import plan_recording, write_behavior, write_lfp, write_session

LINE = re.compile(
    r"(?P<path>.*?)/?  (?P<kind>[GD]) "
    r"(?:(?P<shape>\([\d, ]*\)) (?P<dtype>\[.*?\]|\S+) chunks=None comp=None )?"
    r"(?P<type>[\w\-]+:\w+)? ?(?P<attributes>\{.*\}) ?(?P<value>b'.*')?"
)
WRITERS = {"session": write_session, "lfp": write_lfp, "behavior": write_behavior}
#: What a mock's values may be: numbers that depend on sizes and draws.
FREE = {"n_stimulus_frames"}


@dataclass
class Known:
    kind: str
    shape: tuple[int, ...] | None
    dtype: str | None
    type: str | None
    attributes: dict[str, Any] | str
    value: str | None


def known(path: Path) -> tuple[dict[str, Known], dict[str, str]]:
    """Return what a layout says of each object, and its links."""
    objects, links = {}, {}
    words = {"array": np.array, "nan": np.nan, "__builtins__": {}}
    for line in path.read_text().splitlines()[1:]:
        if line.startswith("LINK "):
            place, target = line[5:].split(" -> ")
            links[place] = target
            continue
        match = LINE.fullmatch(line.rstrip())
        assert match, line
        text = match["attributes"].replace("<HDF5 object reference>", "'a reference'")
        objects[match["path"]] = Known(
            match["kind"],
            eval(match["shape"], words) if match["shape"] else None,
            match["dtype"],
            match["type"],
            eval(text, {**words, "object": object}),
            match["value"],
        )
    return objects, links


def walk(group: h5py.Group) -> Iterator[tuple[str, Any]]:
    for name in group:
        link = group.get(name, getlink=True)
        path = f"{group.name.rstrip('/')}/{name}"
        if isinstance(link, h5py.SoftLink):
            yield path, link
            continue
        assert isinstance(link, h5py.HardLink)
        yield path, group[name]
        if isinstance(group[name], h5py.Group):
            yield from walk(group[name])


@pytest.fixture(scope="module", params=list(WRITERS))
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared: Path
) -> Iterator[tuple[h5py.File, Path]]:
    path = tmp_path_factory.mktemp("layout") / f"{request.param}.nwb"
    WRITERS[request.param](path)
    layout = shared / "contracts" / "allen-layouts" / f"layout_{request.param}.txt"
    with h5py.File(path) as h5:
        yield h5, layout


def test_the_same_objects(pair: tuple[h5py.File, Path]) -> None:
    h5, layout = pair
    objects, links = known(layout)
    found = dict(walk(h5))
    assert {p: x.path for p, x in found.items() if isinstance(x, h5py.SoftLink)} == links
    # Layouts leave out the texts of the namespaces.
    rest = {
        path[1:]
        for path, x in found.items()
        if not isinstance(x, h5py.SoftLink)
        and not (path.startswith("/specifications/") and isinstance(x, h5py.Dataset))
    }
    assert rest == set(objects)


def test_the_same_kinds_and_attributes(pair: tuple[h5py.File, Path]) -> None:
    h5, layout = pair
    ids = [h5.attrs["object_id"]]
    for path, its in known(layout)[0].items():
        ours = h5[path]
        attributes = dict(ours.attrs)
        typed = attributes.pop("namespace", None), attributes.pop("neurodata_type", None)
        assert (":".join(typed) if typed[0] else None) == its.type, path
        assert bool(its.type) == ("object_id" in attributes), path
        if its.type:
            ids.append(attributes.pop("object_id"))
        assert set(attributes) == set(its.attributes), path
        for name, value in its.attributes.items():
            if name == "colnames":
                assert len(attributes[name]) == int(re.sub(r"\D", "", value)), path
                group = set(ours) - {"id"}
                assert {n for n in group if not n.endswith("_index")} | {
                    n for n in group if n in attributes[name]
                } == set(attributes[name]), path
            elif isinstance(value, str) and value == "a reference":
                assert isinstance(attributes[name], h5py.Reference), path
            elif name not in FREE:
                same = np.array_equal(attributes[name], value) or value is np.nan
                assert same, (path, name, attributes[name])
                assert isinstance(value, str) == isinstance(attributes[name], str), (path, name)
    assert len(set(ids)) == len(ids)
    assert set(h5.attrs) == {".specloc", "namespace", "neurodata_type", "nwb_version", "object_id"}
    assert h5[h5.attrs[".specloc"]].name == "/specifications"


def test_the_same_types_and_shapes(pair: tuple[h5py.File, Path]) -> None:
    h5, layout = pair
    for path, its in known(layout)[0].items():
        ours = h5[path]
        assert isinstance(ours, h5py.Group) == (its.kind == "G"), path
        if its.kind == "G":
            continue
        assert str(ours.dtype) == its.dtype, path
        assert ours.ndim == len(its.shape or ()), path
        assert ours.chunks is None and ours.compression is None, path
        if its.dtype == "object":
            assert bool(h5py.check_string_dtype(ours.dtype)) != path.endswith("/group"), path
        if its.value and not path.endswith("session_start_time"):
            assert str(ours[()]) == its.value, path


def test_the_same_sizes_where_they_were_asked_for(tmp_path: Path, shared: Path) -> None:
    objects, _ = known(shared / "contracts" / "allen-layouts" / "layout_session.txt")
    path = write_session(tmp_path / "s.nwb", spikes=15_916)
    free = ("EyeTracking", "v_in", "v_sig", "running", "lick", "rewards", "stimulus/timestamps")
    with h5py.File(path) as h5:
        for name, its in objects.items():
            if its.shape and not any(word in name for word in free):
                assert h5[name].shape == its.shape, name


def test_namespaces_are_all_there(pair: tuple[h5py.File, Path]) -> None:
    import json

    h5, _ = pair
    defined = {}
    for name, versions in h5["specifications"].items():
        for version, sources in versions.items():
            document = json.loads(sources["namespace"][()])["namespaces"][0]
            assert (document["name"], document["version"]) == (name, version)
            for schema in document["schema"]:
                if "source" in schema:
                    types = json.loads(sources[schema["source"]][()])
                    both = [*types.get("groups", []), *types.get("datasets", [])]
                    defined |= {t["neurodata_type_def"]: name for t in both if name[:4] == "ndx-"}
    used = {
        x.attrs["neurodata_type"]: x.attrs["namespace"]
        for _, x in walk(h5)
        if not isinstance(x, h5py.SoftLink) and str(x.attrs.get("namespace", "")).startswith("ndx-")
    }
    assert used.items() <= defined.items()
    assert len(defined) == 10


@pytest.mark.parametrize(
    ("spikes", "dtype"), [(255, "uint8"), (256, "uint16"), (65_535, "uint16"), (65_536, "uint32")]
)
def test_indices_grow(spikes: int, dtype: str, tmp_path: Path) -> None:
    plan = plan_recording(units=4, probes=2)
    path = write_session(tmp_path / "s.nwb", plan, spikes=spikes, waveform_rows=2)
    with h5py.File(path) as h5:
        assert h5["units/spike_times_index"].dtype == dtype
        assert h5["units/spike_times_index"][-1] == spikes == len(h5["units/spike_times"])
        assert h5["units/waveform_mean_index"].dtype == "uint8"
