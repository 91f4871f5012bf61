"""Versions that were published, opened: what changed, what is wrong at the place."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest

import fascicle
from fascicle.errors import ConfigurationError, NotFoundError, VersionNotFound
from fascicle.releases import Release, difference, publish
from fascicle.releases.differences import split_path
from fascicle.releases.notes import write_notes
from fascicle.testing.s3 import S3Server

from .labs import make_folder, save


@pytest.fixture
def two(folder: Path, tmp_path: Path) -> Path:
    to = tmp_path / "out"
    publish(folder, version="1.0.0", to=to, license="CC0-1.0")
    sessions = sorted(folder.glob("lab/Subjects/*/*/001"))
    save(sessions[0] / "alf/_ibl_trials.choice.npy", 10, 5, fill=3)
    shutil.rmtree(sessions[1])
    old = sessions[2] / "alf/probe00/spikes.amps.npy"
    old.rename(old.with_name("spikes.volts.npy"))
    save(folder / "lab/Subjects/KS009/2021-01-01/002/alf/wheel.position.npy", 5)
    save(folder / "lab/Subjects/KS009/2021-01-01/002/alf/wheel.timestamps.npy", 5)
    (folder / "README.md").write_text("other")
    publish(folder, version="1.1.0", to=to, license="CC-BY-4.0", keywords="x")
    return to


def test_what_changed(two: Path) -> None:
    release = Release(two)
    found = release.compare("1.0.0")
    assert found and found.names == ("choice-task 1.0.0", "choice-task 1.1.0")
    assert found.counts() == {"created": 2, "deleted": 7, "changed": 1, "renamed": 1}
    base = "lab/Subjects"
    assert found.sessions() == {
        "created": [f"{base}/KS009/2021-01-01/002"],
        "deleted": [f"{base}/KS000/2020-01-03/001"],
        "changed": [f"{base}/KS000/2020-01-01/001", f"{base}/KS001/2020-01-02/001"],
    } or set(found.sessions()["created"]) == {f"{base}/KS009/2021-01-01/002"}
    groups = found.by_session()
    (change,) = next(iter(groups.values()))["alf/trials"]
    assert change.kind == "changed" and (change.old_size, change.new_size) == (288, 528)
    assert {c.path for c in found.other} >= {"README.md", "sessions.pqt", "datasets.pqt"}
    text = str(found)
    assert "(created)" in text and "(deleted)" in text and "→" in text
    plain = json.loads(json.dumps(found.to_dict()))
    assert len(plain["data"]) == 11
    assert found._repr_html_().startswith("<table>")
    assert pickle.loads(pickle.dumps(found)) == found


def test_nothing_changed(two: Path) -> None:
    release = Release(two)
    found = release.compare(release)
    assert not found and str(found) == "choice-task 1.1.0 and choice-task 1.1.0 have the same files"
    assert "No data changed" in write_notes(found)


def test_notes(two: Path) -> None:
    text = Release(two).notes()
    assert text.startswith("## choice-task 1.1.0 (")
    for part in (
        "Sessions: 1 added, 2 changed, 1 removed.",
        "### Sessions added",
        "wheel (2 files",
        "### Sessions removed",
        "trials: 1 changed (288 B → 528 B)",
        "- `README.md` changed",
        "- license: CC0-1.0 → CC-BY-4.0",
        "- keywords changed",
    ):
        assert part in text, (part, text)
    assert "project_metadata" not in text
    assert "The first version." in Release(f"{two}@1.0.0").notes()
    assert Release(two).notes("1.0.0") == text


def test_versions_and_names(two: Path, tmp_path: Path) -> None:
    assert Release(two).version == "1.1.0" and Release(two, "1.0.0").version == "1.0.0"
    assert Release(two, "v1.0.0").version == "1.0.0"  # as manifests are called
    release = Release(f"{two}@1.0.0")
    assert release.name == f"{two}@1.0.0" and release.before() is None
    assert Release(two).before().version == "1.0.0"  # type: ignore[union-attr]
    assert Release(two / "manifests/choice-task_project_manifest_v1.0.0.json").version == "1.0.0"
    with pytest.raises(VersionNotFound, match=r"1\.2\.0"):
        _ = Release(two, "1.2.0").version
    with pytest.raises(ConfigurationError):
        Release(f"{two}@1.0.0", "1.1.0")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError):
        _ = Release(tmp_path / "empty").version
    assert len(release.open().catalogue().eids()) == 3
    assert pickle.loads(pickle.dumps(Release(two))).version == "1.1.0"


def test_a_release_that_was_moved(two: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    two.rename(moved)
    for version in ("1.0.0", "1.1.0"):
        assert Release(moved, version).verify()
    assert len(fascicle.open(moved).catalogue().eids()) == 3


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("kind", ["folder", "zip", "s3"])
def test_what_is_wrong_at_the_place(
    kind: str, quick: bool, folder: Path, tmp_path: Path, s3: S3Server
) -> None:
    to = {"folder": tmp_path / "out", "zip": tmp_path / "x.zip", "s3": "s3://no-versions/p-p"}[kind]
    publish(folder, version="1.0.0", to=to)
    entries = sorted(Release(to).manifest.data_files.values(), key=lambda e: e.path)
    gone, cut, other = (entry.path for entry in entries[:3])
    good = (folder / other).read_bytes()
    if isinstance(to, str):
        s3.delete("no-versions", f"p-p/{gone}")
        s3.put("no-versions", f"p-p/{cut}", b"short")
        s3.put("no-versions", f"p-p/{other}", good[:-1] + b"x")
    elif kind == "folder":
        (to / gone).unlink()
        for path, content in ((cut, b"short"), (other, good[:-1] + b"x")):
            (to / path).unlink()
            (to / path).write_bytes(content)
    else:
        with zipfile.ZipFile(to) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        del members[gone]
        members |= {cut: b"short", other: good[:-1] + b"x"}
        with zipfile.ZipFile(to, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    found = Release(to).verify(quick=quick)
    assert not found and not found.ok
    expected = {gone: "missing", cut: "changed"} | ({} if quick else {other: "changed"})
    assert {w.path: w.state for w in found.wrong} == expected
    assert f"{len(expected)} are not" in str(found)
    assert json.dumps(found.to_dict()) and found._repr_html_()


def test_a_version_whose_object_was_removed(folder: Path, s3: S3Server) -> None:
    to = "s3://lab-data/p-p"
    publish(folder, version="1.0.0", to=to)
    release = Release(to)
    entry = release.manifest.data_files["0"]
    s3._ask("DELETE", f"lab-data/p-p/{entry.path}?versionId={entry.version_id}")
    for quick in (True, False):
        assert [w.path for w in release.verify(quick=quick).wrong] == [entry.path]


def test_releases_of_others(shared: Path) -> None:
    """Manifests of the Allen Institute have no sizes: those are left out."""
    from fascicle.formats.manifest import read_manifest

    folder = shared / "data" / "allen" / "visual_behavior_neuropixels"
    manifest = read_manifest(folder / "visual-behavior-neuropixels_project_manifest_v0.3.0.json")
    empty = type(manifest)(manifest.project, "0.2.0", "file_id", (), {}, {})
    found = difference(empty, manifest)
    assert found.counts()["created"] == len(manifest.data_files)
    assert "In all:" in write_notes(found) and "GB" not in write_notes(found)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("KS014/2020-01-31/001/alf/spikes.times.npy", ("KS014/2020-01-31/001", "alf/spikes")),
        ("a/b.nwb", ("", "a")),
        ("sessions.pqt", ("", "")),
        ("KS014/2020-01-31/001/x.y.npy", ("KS014/2020-01-31/001", "x")),
        ("KS014/2020-01-31/001/alf/#2020-01-01#/a.b.npy", None),
    ],
)
def test_paths(path: str, expected: tuple[str, str] | None) -> None:
    found = split_path(path)
    assert found == (expected or ("KS014/2020-01-31/001", "alf/#2020-01-01#/a"))


def test_many_files_take_time_in_proportion(tmp_path: Path) -> None:
    """A folder of eight times the files makes a manifest that is read and compared all the same."""
    root = make_folder(tmp_path / "many", sessions=24)
    publish(root, version="1.0.0", to=tmp_path / "out")
    publish(root, version="1.1.0", to=tmp_path / "out")
    assert not Release(tmp_path / "out").compare("1.0.0")
