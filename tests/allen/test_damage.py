"""Files with something missing or wrong: an error that names it, or an answer; never a crash."""

from __future__ import annotations

import pickle
import random
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from fascicle.allen import BehaviorEcephysSession
from fascicle.demo.vbn import write_lfp, write_session
from fascicle.errors import FascicleError

#: What comes from another file.
ELSEWHERE = ("get_lfp", "get_current_source_density")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small session."""
    path = tmp_path_factory.mktemp("damage") / "session.nwb"
    return write_session(
        path, units=6, spikes=60, presentations=120, waveform_rows=4, image_shape=(4, 6)
    )


def objects(path: Path) -> list[str]:
    """Return all objects of a file that a session could read."""
    found: list[str] = []
    with h5py.File(path) as h5:
        h5.visit(found.append)
    return sorted(name for name in found if not name.startswith("specifications"))


def ask_everything(path: Path) -> Iterator[tuple[str, Exception]]:
    """Yield what a session cannot answer."""
    with warnings.catch_warnings(), BehaviorEcephysSession.from_nwb_path(path) as session:
        warnings.simplefilter("ignore")
        for name in session.list_data_attributes_and_methods():
            if name in ELSEWHERE:
                continue
            try:
                value = getattr(session, name)
                if callable(value):
                    value()
                elif hasattr(value, "items"):
                    list(value.items())
            except Exception as error:  # noqa: BLE001 - each is looked at
                yield name, error
        repr(session)


def remove(h5: h5py.File, name: str, _: random.Random) -> None:
    del h5[name]


def retype(h5: h5py.File, name: str, _: random.Random) -> None:
    """Let numbers be text, and text numbers."""
    if isinstance(h5[name], h5py.Group):
        attrs = {key: h5[name].attrs[key] for key in h5[name].attrs}
        for key, value in attrs.items():
            h5[name].attrs[key] = "text" if isinstance(value, np.number) else 7
        return
    old = h5[name]
    attrs, shape = dict(old.attrs), old.shape
    values = np.full(shape, b"x", "S1") if old.dtype.kind in "iufb" else np.zeros(shape)
    del h5[name]
    h5[name] = values
    h5[name].attrs.update(attrs)


def shorten(h5: h5py.File, name: str, draw: random.Random) -> None:
    """Take values away from one array."""
    old = h5[name]
    if isinstance(old, h5py.Group) or not old.shape or old.dtype.hasobject:
        return remove(h5, name, draw)
    values, attrs = old[: draw.randrange(len(old)) if len(old) else 0], dict(old.attrs)
    del h5[name]
    h5[name] = values
    h5[name].attrs.update(attrs)
    return None


def deepen(h5: h5py.File, name: str, draw: random.Random) -> None:
    """Put a group where an array was, and an array where a group was."""
    was_group = isinstance(h5[name], h5py.Group)
    del h5[name]
    if was_group:
        h5[name] = np.arange(3.0)
    else:
        h5.create_group(name)


def hurt(whole: Path, into: Path, number: int, name: str) -> Path:
    """Return a copy of a file in which one object is harmed."""
    how = (remove, retype, shorten, deepen)[number % 4]
    shutil.copy(whole, into)
    with h5py.File(into, "r+") as h5:
        how(h5, name, random.Random(number))
    return into


def check(name: str, path: Path, errors: list[tuple[str, Exception]]) -> None:
    for attribute, error in errors:
        assert isinstance(error, FascicleError), (name, attribute, error)
        assert path.name in str(error), (name, attribute, error)


def test_a_whole_file_answers(small: Path) -> None:
    assert not list(ask_everything(small))


def test_some_objects_are_harmed(small: Path, tmp_path: Path) -> None:
    names = objects(small)
    random.Random(1).shuffle(names)
    n_errors = 0
    for number, name in enumerate(names[:40]):
        path = hurt(small, tmp_path / "hurt.nwb", number, name)
        errors = list(ask_everything(path))
        check(name, path, errors)
        n_errors += bool(errors)
    assert n_errors > 15


@pytest.mark.long
@pytest.mark.parametrize("shift", range(4))
def test_each_object_is_harmed_in_each_way(small: Path, tmp_path: Path, shift: int) -> None:
    for number, name in enumerate(objects(small)):
        path = hurt(small, tmp_path / "hurt.nwb", number * 4 + shift, name)
        check(name, path, list(ask_everything(path)))


def test_lfp_is_harmed(small: Path, tmp_path: Path) -> None:
    whole = write_lfp(tmp_path / "lfp.nwb", units=6, samples=200, presentations=120)
    place = tmp_path / "probe_hurt_lfp.nwb"
    n_errors = 0
    with BehaviorEcephysSession.from_nwb_path(small, probe_meta={"probeA": place}) as session:
        probe = int(session.probes.index[0])
        asked = [n for n in objects(whole) if n.startswith(("acquisition", "processing"))]
        for number, name in enumerate(n for n in asked for _ in range(4)):
            hurt(whole, place, number, name)
            for method in ELSEWHERE:
                again = pickle.loads(pickle.dumps(session))  # which has nothing of the last
                try:
                    getattr(again, method)(probe)
                except Exception as error:  # noqa: BLE001 - each is looked at
                    check(name, place, [(method, error)])
                    n_errors += 1
    assert n_errors > 20
