"""What a pass over a folder finds, and why it refuses the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fascicle.catalogue import index
from fascicle.catalogue.scan import Listing, is_racy, scan

from .support import SESSION, put, settle


def found(listing: Listing) -> list[str]:
    return [f"{s.path}/{p}" for s in listing.sessions for p in s.rel_paths]


def reason(listing: Listing, path: str) -> str:
    (only,) = [why for p, why in listing.rejected if p == path]
    return only


def test_sessions_with_and_without_lab_at_any_depth(tmp_path: Path) -> None:
    here = [
        "labA/Subjects/s1/2020-01-01/001/alf/spikes.times.npy",
        "s2/2020-01-02/002/alf/spikes.times.npy",
        "disk1/old/labB/Subjects/s3/2020-01-03/003/alf/probe00/#2024-01-01#/spikes.times.npy",
        "disk2/s4/2020-01-04/4/spikes.times.npy",
    ]
    put(tmp_path, *here)
    listing = scan(tmp_path)
    assert sorted(found(listing)) == sorted(here)
    assert not listing.rejected
    places = {(s.lab, s.subject, s.date.isoformat(), s.number) for s in listing.sessions}
    assert places == {
        ("labA", "s1", "2020-01-01", 1),
        ("", "s2", "2020-01-02", 2),
        ("labB", "s3", "2020-01-03", 3),
        ("", "s4", "2020-01-04", 4),
    }
    assert listing.n_files == 4


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("notes.txt", "not in a session folder"),
        ("labA/Subjects/s1/readme.md", "not in a session folder"),
        ("s/2020-13-45/001/a.times.npy", "2020-13-45 is no date of the calendar"),
        ("s/2020-02-30/001/a.times.npy", "2020-02-30 is no date of the calendar"),
        ("2020-01-01/001/a.times.npy", "not in a session folder"),
        ("s/2020-01-01/0001/a.times.npy", "not in a session folder"),
        (f"{SESSION}/alf/figure.png", "attribute"),
        (f"{SESSION}/.DS_Store", ""),
        (f"{SESSION}/alf/#r1#/more/spikes.times.npy", "no collection"),
        ("my lab/Subjects/s/2020-01-01/001/spikes.times.npy", "no session folder"),
    ],
)
def test_what_is_refused_is_listed_with_the_reason(tmp_path: Path, path: str, why: str) -> None:
    put(tmp_path, path)
    listing = scan(tmp_path)
    assert found(listing) == []
    assert why in reason(listing, path)
    assert reason(listing, path)


def test_a_folder_that_is_no_session_makes_none(tmp_path: Path) -> None:
    put(tmp_path, "my lab/Subjects/s/2020-01-01/001/spikes.times.npy")
    assert index(tmp_path).n_sessions == 0


def test_twins_keep_the_one_with_three_digits(tmp_path: Path) -> None:
    put(tmp_path, "s/2020-01-01/1/a.times.npy", "s/2020-01-01/001/b.times.npy")
    put(tmp_path, "s/2020-01-01/01/c.times.npy")
    listing = scan(tmp_path)
    assert found(listing) == ["s/2020-01-01/001/b.times.npy"]
    for twin in ("s/2020-01-01/1/a.times.npy", "s/2020-01-01/01/c.times.npy"):
        assert reason(listing, twin) == "names the same session as s/2020-01-01/001"


def test_twins_keep_the_one_nearest_to_the_root(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy", f"a_backup/{SESSION}/a.times.npy")
    listing = scan(tmp_path)
    assert found(listing) == [f"{SESSION}/a.times.npy"]
    assert "same session" in reason(listing, f"a_backup/{SESSION}/a.times.npy")


def test_links_that_lead_up_are_entered_once(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/alf/a.times.npy")
    links = {
        "labA/loop": tmp_path,
        f"{SESSION}/alf/up": tmp_path / SESSION,
        f"{SESSION}/here": tmp_path / SESSION,
        "labA/Subjects/s1/2020-01-01/002": tmp_path,
    }
    for link, target in links.items():
        (tmp_path / link).symlink_to(target, target_is_directory=True)
    listing = scan(tmp_path)
    assert found(listing) == [f"{SESSION}/alf/a.times.npy"]
    assert {p for p, why in listing.rejected} == set(links)
    assert {why for _, why in listing.rejected} == {"a link to a folder above it"}


def test_links_across_end(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a/a.times.npy", f"{SESSION}/b/b.times.npy")
    put(tmp_path, "x/readme", "y/readme")
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / SESSION / one / "over").symlink_to(tmp_path / SESSION / other)
    (tmp_path / "x" / "over").symlink_to(tmp_path / "y")
    (tmp_path / "y" / "over").symlink_to(tmp_path / "x")
    listing = scan(tmp_path)
    assert f"{SESSION}/a/over/b.times.npy" in found(listing)
    assert len(found(listing)) < 10
    assert len(listing.rejected) < 20


def test_links_to_other_places_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "s9/2020-01-01/001/a.times.npy", "big.times.npy")
    root = tmp_path / "root"
    put(root, f"{SESSION}/a.times.npy")
    (root / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / SESSION / "b.times.npy").symlink_to(tmp_path / "elsewhere" / "big.times.npy")
    listing = scan(root)
    assert found(listing) == [
        f"{SESSION}/a.times.npy",
        f"{SESSION}/b.times.npy",
        "more/s9/2020-01-01/001/a.times.npy",
    ]


def test_broken_links(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy")
    (tmp_path / SESSION / "b.times.npy").symlink_to(tmp_path / "gone")
    (tmp_path / SESSION / "c.times.npy").symlink_to("c.times.npy")
    listing = scan(tmp_path)
    assert found(listing) == [f"{SESSION}/a.times.npy"]
    assert reason(listing, f"{SESSION}/b.times.npy") == "a link to a file that is not there"
    assert reason(listing, f"{SESSION}/c.times.npy").startswith("cannot be read: ")


NAME = b"caf\xe9.times.npy"


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy")
    folder = os.fsencode(tmp_path / SESSION)
    with open(os.path.join(folder, NAME), "wb") as f:
        f.write(b"x")
    below = os.path.join(os.fsencode(tmp_path), b"caf\xe9", b"s", b"2020-01-01", b"001")
    os.makedirs(below)
    with open(os.path.join(below, b"a.times.npy"), "wb") as f:
        f.write(b"x")
    listing = scan(tmp_path)
    assert found(listing) == [f"{SESSION}/a.times.npy"]
    assert len(listing.rejected) == 2
    for path, why in listing.rejected:
        assert r"caf\xe9" in path
        assert why
        path.encode()  # can be printed
    report = index(tmp_path)
    assert report.n_datasets == 1
    assert len(report.rejected) == 2


def test_our_own_folder_and_tables_are_not_listed(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy", "part/s/2020-01-01/001/a.times.npy")
    index(tmp_path / "part")
    index(tmp_path)
    index(tmp_path)
    rejected = {path for path, _ in scan(tmp_path).rejected}
    assert rejected == {"part/sessions.pqt", "part/datasets.pqt"}
    assert {p.name for p in tmp_path.iterdir()} == {
        ".fascicle",
        "datasets.pqt",
        "labA",
        "part",
        "sessions.pqt",
    }


def test_an_empty_session_is_a_session(tmp_path: Path) -> None:
    (tmp_path / SESSION).mkdir(parents=True)
    (session,) = scan(tmp_path).sessions
    assert session.subject == "s1"
    assert session.rel_paths == []


def test_the_digest_tells_of_every_change(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy", f"{SESSION}/b.times.npy")
    settle()
    seen = {scan(tmp_path).digest}
    assert scan(tmp_path).digest in seen
    for change in (
        lambda: put(tmp_path, f"{SESSION}/a.times.npy", content=b"4567"),
        lambda: put(tmp_path, f"{SESSION}/c.times.npy"),
        lambda: (tmp_path / SESSION / "b.times.npy").unlink(),
        lambda: (tmp_path / SESSION / "c.times.npy").rename(tmp_path / SESSION / "d.times.npy"),
        lambda: (tmp_path / SESSION).rename(tmp_path / SESSION.replace("001", "002")),
    ):
        change()
        settle()
        digest = scan(tmp_path).digest
        assert digest
        assert digest not in seen
        seen.add(digest)


def test_a_file_as_young_as_the_scan_has_no_digest(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy")
    listing = scan(tmp_path)
    changed = (tmp_path / SESSION / "a.times.npy").stat().st_ctime_ns
    assert bool(listing.digest) != is_racy(changed, listing.started_ns)
    assert is_racy(10**18 + 5, 10**18 + 10)
    assert not is_racy(10**18 + 5, 10**18 + 10**9)
    assert is_racy(10**18, 10**18 + 10**9), "a clock of whole seconds"


def test_a_future_date_of_a_file_does_not_make_each_run_a_new_state(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/a.times.npy")
    os.utime(tmp_path / SESSION / "a.times.npy", (2**33, 2**33))
    settle()
    assert scan(tmp_path).digest


def test_folders_that_cannot_be_read(open_folder: Path, as_nobody: object) -> None:
    root = open_folder / "data"
    put(
        root,
        f"{SESSION}/a.times.npy",
        f"{SESSION}/shut/b.times.npy",
        "s2/2020-01-01/001/x.y.npy",
    )
    (root / SESSION / "shut").chmod(0)
    (root / "s2").chmod(0)
    code = f"""
from pathlib import Path
from fascicle.catalogue.scan import scan
listing = scan(Path({str(root)!r}))
print([s.path + "/" + p for s in listing.sessions for p in s.rel_paths], listing.rejected)
"""
    out = as_nobody(code)  # type: ignore[operator]
    (root / SESSION / "shut").chmod(0o755)
    (root / "s2").chmod(0o755)
    assert out == (
        f"['{SESSION}/a.times.npy'] [('{SESSION}/shut', 'cannot be read: Permission denied'), "
        "('s2', 'cannot be read: Permission denied')]\n"
    )


def test_a_pipe_is_no_dataset(tmp_path: Path) -> None:
    put(tmp_path, f"{SESSION}/alf/spikes.times.npy")
    os.mkfifo(tmp_path / SESSION / "alf" / "spikes.amps.npy")
    listing = scan(tmp_path)
    assert found(listing) == [f"{SESSION}/alf/spikes.times.npy"]
    assert "pipe" in reason(listing, f"{SESSION}/alf/spikes.amps.npy")
    assert index(tmp_path, hash_files=True).n_datasets == 1  # and it does not wait for the pipe
