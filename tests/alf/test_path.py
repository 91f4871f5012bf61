"""Paths of both flavours: their parts, what replaces them, and what pathlib expects of them."""

from __future__ import annotations

import copy
import os
import pickle
from datetime import datetime
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from uuid import UUID

import pytest
from hypothesis import assume, given

from fascicle.alf import ALFPath, PureALFPath, PurePosixALFPath, PureWindowsALFPath
from fascicle.alf import path as functions
from fascicle.errors import ALFError, ALFInvalid, ALFObjectNotFound

from . import strategies as alf

UUID_1 = "a976e418-c8b8-4d24-be47-d05120b18341"
FILE = "/data/lab/Subjects/x/2020-01-01/1/alf/p0/#r1#/_ibl_trials.goCue_times_bpod.raw.npy"
CLASSES = [ALFPath, PurePosixALFPath, PureWindowsALFPath]


@pytest.fixture(params=CLASSES)
def cls(request: pytest.FixtureRequest) -> type[PureALFPath]:
    return request.param  # type: ignore[no-any-return]


@given(alf.session_parts, alf.folder_parts, alf.name_parts)
def test_parts_come_back(
    session: dict[str, str], folder: dict[str, str], name: dict[str, str]
) -> None:
    assume(session["subject"] != "Subjects" or session["lab"])
    text = alf.join_name(name)
    relative = "/".join(filter(None, (alf.join_folder(folder), text)))
    given = {**session, **folder, **functions.filename_parts(text, as_dict=True)}
    given = {key: value or None for key, value in given.items()}
    for kind in (PurePosixALFPath, PureWindowsALFPath):
        path = kind("/data dir", alf.join_session(session), relative)
        assert path.parse_alf_path() == given
        assert path.alf_parts == tuple(v or "" for v in path.parse_alf_path(as_dict=False))
        assert (path.lab, path.subject) == (session["lab"], session["subject"])
        assert (path.date, path.sequence) == (session["date"], session["number"])
        assert (path.collection, path.revision) == (folder["collection"], folder["revision"])
        assert path.is_valid_alf() and path.is_dataset() and not path.is_session_path()
        assert path.session_path() == kind("/data dir", alf.join_session(session))
        assert path.relative_to_session() == kind(relative)
        assert path.with_subject(path.subject) == path.with_date(path.date) == path
        assert path.with_collection(path.collection) == path
        assert path.without_revision().with_revision("r").revision == "r"
        assert path.with_object(path.object).with_namespace(path.namespace) == path
        assert path.with_attribute(path.attribute).with_timescale(path.timescale) == path
        assert path.with_extra(path.extra) == path
        assert path.with_uuid(UUID_1).extra.endswith(UUID_1)
        assert path.without_lab().lab in ("", "dir")
        assert path.with_lab("newlab").lab == "newlab"
        assert path.with_padded_sequence().sequence == f"{int(path.sequence):03d}"


def test_properties(cls: type[PureALFPath]) -> None:
    path = cls(FILE)
    assert path.session_parts == ("lab", "x", "2020-01-01", "1")
    assert path.dataset_name_parts == ("ibl", "trials", "goCue_times", "bpod", "raw", "npy")
    assert (path.namespace, path.object, path.attribute) == ("ibl", "trials", "goCue_times")
    assert (path.timescale, path.extra) == ("bpod", "raw")
    assert path.session_path_short() == "x/2020-01-01/1"
    assert path.session_path_short(include_lab=True) == "lab/x/2020-01-01/1"
    assert cls("alf/spikes.times.npy").session_path() is None
    assert cls("alf/spikes.times.npy").session_path_short(include_lab=True) is None
    assert cls("notes.txt").alf_parts == ("",) * 12


def test_changes_to_the_session(cls: type[PureALFPath]) -> None:
    path = cls("/data/lab/Subjects/x/2020-01-01/1/alf/spikes.times.npy")
    bare = cls("/data/x/2020-01-01/1/alf/spikes.times.npy")
    assert path.without_lab() == bare == bare.without_lab()
    assert bare.with_lab("lab") == path
    assert path.with_lab("b", strict=True) == bare.with_lab("b")
    assert path.relative_to_lab() == cls("x/2020-01-01/1/alf/spikes.times.npy")
    assert path.with_subject("y.1-z").subject == "y.1-z"
    assert path.with_date(datetime(2021, 2, 3, 4)).date == "2021-02-03"
    assert path.with_sequence(7) == path.with_sequence(" 0007 ")
    assert path.with_sequence(7).sequence == "007"
    assert path.with_padded_sequence() == cls.with_padded_sequence(path)
    with pytest.raises(ALFInvalid, match="it has no lab"):
        bare.with_lab("lab", strict=True)
    for call in (bare.relative_to_lab, cls("a").relative_to_session, cls("a").with_padded_sequence):
        with pytest.raises(ValueError, match=r"lab/Subjects|session"):
            call()
    for method, valid, wrong in [
        ("with_lab", "a", ["", "a-b", "a/b", None, "a\n"]),
        ("with_subject", "a", ["", "a/b", "..", None, "a b"]),
        ("with_date", "2020-01-01", ["2020-02-30", "20200101", "", None]),
        ("with_sequence", 1, [1000, -1, "", None, "x", 1.5, "²"]),
    ]:
        for value in wrong:
            with pytest.raises(ValueError, match="Invalid"):
                getattr(path, method)(value)
        with pytest.raises(ALFInvalid, match="it has no subject"):
            getattr(cls("alf/a.b.npy"), method)(valid)


def test_changes_to_the_folders(cls: type[PureALFPath]) -> None:
    session = cls("/data/x/2020-01-01/001")
    path = session / "alf" / "spikes.times.npy"
    assert session.with_collection("alf/p0") == session / "alf/p0"
    assert path.with_collection("a/b") == session / "a/b/spikes.times.npy"
    assert path.with_collection(PurePath("a", "b")) == session / "a/b/spikes.times.npy"
    assert path.with_collection("") == session / "spikes.times.npy"
    assert (session / "alf/#r#").with_collection("b") == session / "b/#r#"
    assert path.with_revision("r1") == session / "alf/#r1#/spikes.times.npy"
    assert path.with_revision("r1").with_revision("v1.0.0").revision == "v1.0.0"
    assert path.with_revision("r1").without_revision() == path == path.without_revision()
    assert (session / "alf").with_revision("v1.0.0") == session / "alf/#v1.0.0#"
    assert (session / "alf/#v1.0.0#").without_revision() == session / "alf"
    assert session.with_revision("r") == session / "#r#"
    for wrong in ("a b", "../x", "#r#", "alf/#r#"):
        with pytest.raises(ValueError, match="Invalid collection"):
            path.with_collection(wrong)
    with pytest.raises(ValueError, match="has no subject"):
        cls("alf/spikes.times.npy").with_collection("b")
    for wrong in ("#r#", "", "a/b", "a b"):
        with pytest.raises(ALFInvalid, match="a revision has letters"):
            path.with_revision(wrong)
    for text in ("alf/a.b.npy", "/x/2020-01-01/1/a b/c.d.npy", "/x/2020-01-01/1/a-b.c.npy"):
        with pytest.raises(ALFInvalid, match="is no valid ALF path"):
            cls(text).without_revision()
    with pytest.raises(ALFInvalid, match="breaks the rules"):
        (session / "a b/c.d.npy").with_collection("alf")


def test_windows_collections_may_be_written_with_either_slash() -> None:
    path = PureWindowsALFPath(r"C:\data\x\2020-01-01\1\alf\spikes.times.npy")
    assert path.with_collection(r"raw\p0").collection == "raw/p0"
    assert path.session_path() == PureWindowsALFPath(r"C:\data\x\2020-01-01\1")


def test_changes_to_the_name(cls: type[PureALFPath]) -> None:
    path = cls(FILE)
    assert path.with_object("wheel").name == "_ibl_wheel.goCue_times_bpod.raw.npy"
    assert path.with_namespace("a").name == "_a_trials.goCue_times_bpod.raw.npy"
    assert path.with_namespace(None).name == "trials.goCue_times_bpod.raw.npy"
    assert path.with_attribute("a").name == "_ibl_trials.a_bpod.raw.npy"
    assert path.with_timescale(None).name == "_ibl_trials.goCue_times.raw.npy"
    assert path.with_extra(None).name == "_ibl_trials.goCue_times_bpod.npy"
    assert path.with_extra(["a", "b.c"]).extra == "a.b.c"
    assert path.with_extra(".a.", append=True).extra == "raw.a"
    assert path.with_extension("pqt").suffix == ".pqt"
    assert path.with_uuid(UUID_1).extra == f"raw.{UUID_1}"
    assert path.with_uuid(UUID(UUID_1)).without_uuid() == path == path.without_uuid()
    assert path.with_uuid(UUID_1).with_uuid(UUID_1, strict=True) == path.with_uuid(UUID_1)
    assert cls("notes.txt").without_uuid() == cls("notes.txt")
    with pytest.raises(ValueError, match="already found"):
        path.with_uuid(UUID_1).with_uuid(UUID(int=UUID(UUID_1).int + 1), strict=True)
    with pytest.raises(ValueError, match="valid UUID"):
        path.with_uuid(None)  # type: ignore[arg-type]
    for method in ("object", "namespace", "attribute", "timescale", "extra"):
        with pytest.raises(ALFInvalid, match="contains a space"):
            getattr(path, f"with_{method}")("a b")
        with pytest.raises(ALFInvalid, match="it has 2 of at least 3 parts"):
            getattr(cls("notes.txt"), f"with_{method}")("a")
    for wrong in ("", ".npy", None, "a b"):
        with pytest.raises(ValueError, match="Invalid extension"):
            path.with_extension(wrong)  # type: ignore[arg-type]


def test_methods_that_are_also_functions(cls: type[PureALFPath]) -> None:
    for path in ("/d/x/2020-01-01/001", PurePosixPath("/d/x/2020-01-01/001")):
        assert cls.is_session_path(path)  # type: ignore[arg-type]
        assert cls.is_valid_alf(path)  # type: ignore[arg-type]
        assert str(cls.with_padded_sequence(path)) == "/d/x/2020-01-01/001"  # type: ignore[arg-type]
    assert not cls.is_valid_alf("foo.bar")  # type: ignore[arg-type]


def test_pathlib_gives_the_same_class(cls: type[PureALFPath]) -> None:
    path = cls(FILE)
    kind = type(path)
    for other in (path.parent, path.parents[1], path / "a", path.with_name("a.b.c"),
                  path.joinpath("a"), path.relative_to("/data"), path.with_suffix(".x"),
                  kind("a") / PurePosixPath("b"), "a" / path):  # fmt: skip
        assert type(other) is kind
    for twin in (pickle.loads(pickle.dumps(path)), copy.deepcopy(path), kind(str(path))):
        assert type(twin) is kind
        assert twin == path
        assert hash(twin) == hash(path)
    assert isinstance(path, PureALFPath)
    assert repr(path).startswith(kind.__name__)


def test_flavours() -> None:
    native = "Windows" if os.name == "nt" else "Posix"
    assert type(PureALFPath("a")).__name__ == f"Pure{native}ALFPath"
    assert type(ALFPath("a")).__name__ == f"{native}ALFPath"
    assert isinstance(ALFPath("a"), Path)
    assert not isinstance(PureALFPath("a"), Path)
    assert PurePosixALFPath("a") == PurePosixPath("a")
    foreign = functions.PosixALFPath if os.name == "nt" else functions.WindowsALFPath
    with pytest.raises(NotImplementedError):
        foreign("a")


def test_ensure_alf_path() -> None:
    ensure = functions.ensure_alf_path
    path = ALFPath("a")
    assert ensure(path) is path
    kinds = [type(p) for p in ensure(["a", Path("a"), PurePosixPath("a"), PureWindowsPath("a")])]
    assert kinds == [type(path), type(path), PurePosixALFPath, PureWindowsALFPath]
    for wrong in (None, 1, b"a", [1]):
        with pytest.raises(TypeError, match="not"):
            ensure(wrong)  # type: ignore[arg-type]


def test_the_disk_is_asked_what_is_a_file(tmp_path: Path) -> None:
    session = ALFPath(tmp_path, "x", "2020-01-01", "001")
    (session / "alf" / "#r#").mkdir(parents=True)
    (session / "alf" / "folder.like.npy").mkdir()
    for name in ("b.c.npy", "#r#/b.c.npy", "a.b.npy", "notes.txt", "no-alf.a.npy"):
        (session / "alf" / name).write_bytes(b"")
    (session.parent / "002").write_bytes(b"")
    assert session.is_session_path()
    assert not (session.parent / "002").is_session_path()
    assert not (session / "alf/folder.like.npy").is_dataset()
    assert not (session / "alf/folder.like.npy").is_valid_alf()
    assert not (session / "alf/notes.txt").is_valid_alf()
    assert (session / "alf/not.here.npy").is_dataset()
    with pytest.raises(ALFInvalid, match="it is a folder"):
        (session / "alf/folder.like.npy").with_object("x")
    here = [session / "alf" / name for name in ("a.b.npy", "b.c.npy")]
    assert list((session / "alf").iter_datasets()) == here
    assert set(session.iter_datasets(recursive=True)) == {*here, session / "alf/#r#/b.c.npy"}
    assert list(session.iter_datasets()) == []


def test_functions_take_text_and_paths() -> None:
    assert functions.session_path_parts(FILE) == ("lab", "x", "2020-01-01", "1")
    assert functions.folder_parts(PurePosixPath(FILE).parent)[4:] == ("alf/p0", "r1")
    assert functions.rel_path_parts("alf/#r#/a.b.npy", as_dict=True)["revision"] == "r"
    assert functions.rel_path_parts("a b/c.d.e", assert_valid=False) == (None,) * 8
    assert functions.full_path_parts("a.b.npy")[6:] == (None, "a", "b", None, None, "npy")
    assert functions.get_alf_path(FILE) == FILE.removeprefix("/data/")
    assert functions.get_alf_path("/alf/a.b.npy") == "alf/a.b.npy"
    assert functions.get_alf_path("/a b/a.b.npy") == "a.b.npy"
    assert functions.get_alf_path("/a b/notes.txt") is None
    assert functions.get_session_path(None) is None
    assert functions.get_session_path("/a b/2020-01-01/001/x") == Path("/a b/2020-01-01/001")
    assert functions.get_session_path("001/2020-01-01") is None
    assert functions.get_session_path("x/2020-99-99/1/y/2020-01-02/2/alf") == Path(
        "x/2020-99-99/1/y/2020-01-02/2"
    )
    assert functions.remove_uuid_string(f"a.b.{UUID_1}.npy") == Path("a.b.npy")
    assert functions.remove_uuid_string(f"{UUID_1}.npy") == Path(f"{UUID_1}.npy")
    assert functions.add_uuid_string("a.b.npy", UUID_1) == Path(f"a.b.{UUID_1}.npy")
    assert functions.without_revision(FILE).name == PurePosixPath(FILE).name
    assert type(functions.without_revision(FILE)) is type(Path())
    for call, path, problem in [
        (functions.session_path_parts, "x", "it has no subject/yyyy-mm-dd/number"),
        (functions.folder_parts, "x/2020-01-01/1/#r#/sub", "revision is not the last folder"),
        (functions.folder_parts, "x/2020-01-01/1/a b", "'a b' is no collection"),
        (functions.filename_parts, "a.b", "it has 2 of at least 3 parts"),
        (functions.rel_path_parts, "/a.b.c", "is no collection"),
        (functions.full_path_parts, "x/2020-01-01/1/a b/c.d.e", "'a b' is no collection"),
    ]:
        with pytest.raises(ALFInvalid, match=problem):
            call(path)  # type: ignore[operator]


def test_errors_take_what_one_raises_them_with() -> None:
    assert str(ALFError("msg", hint="do")) == "msg\n  do"
    assert str(ALFError("msg", hint="do", terse=True)) == "msg"
    error = pickle.loads(pickle.dumps(ALFObjectNotFound("a", Path("b"), terse=True)))
    assert error.message == str(error) == '"a", "b"'
    assert str(ALFError()) == ""
