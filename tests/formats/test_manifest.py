"""What manifests say, and what is not believed of them."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.errors import ManifestError
from fascicle.formats.manifest import (
    MAX_FILES,
    manifest_json,
    manifest_name,
    parse_manifest,
    read_manifest,
    version_of_name,
)
from fascicle.formats.versions import Version

HASH = "ab" * 64
URL = "https://lab-data.s3.us-west-2.amazonaws.com/project/project_metadata/units.csv"


def document(**changes: Any) -> dict[str, Any]:
    return {
        "project_name": "project",
        "manifest_version": "0.3.0",
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [{"name": "AllenSDK", "version": "2.14.0", "comment": ""}],
        "metadata_files": {"units": {"url": URL, "version_id": "v1", "file_hash": HASH}},
        "data_files": {},
    } | changes


def with_url(url: str, **more: Any) -> dict[str, Any]:
    return document(data_files={"0": {"url": url, "version_id": "v", "file_hash": HASH} | more})


def parse(content: object) -> Any:
    return parse_manifest(json.dumps(content))


def test_a_manifest_is_read() -> None:
    manifest = parse(document())
    assert (manifest.project, manifest.version, manifest.file_id_column) == (
        "project",
        "0.3.0",
        "file_id",
    )
    assert manifest.name == "project_project_manifest_v0.3.0.json"
    assert manifest.made_by("AllenSDK") == "2.14.0" and manifest.made_by("other") == ""
    entry = manifest.metadata_files["units"]
    assert (entry.path, entry.name) == ("project_metadata/units.csv", "units.csv")
    assert entry.algorithm == "blake2b" and entry.size is None
    where = entry.location
    assert (where.bucket, where.key, where.version_id, where.region) == (
        "lab-data",
        "project/project_metadata/units.csv",
        "v1",
        "us-west-2",
    )
    assert "project" in manifest._repr_html_()


def test_sizes_and_further_checksums_are_read() -> None:
    entry = parse(with_url(URL.replace("units", "x"), size=12, sha256="cd" * 32)).data_files["0"]
    assert (entry.size, entry.sha256) == (12, "cd" * 32)


def test_the_real_manifest(shared: Path) -> None:
    folder = shared / "data" / "allen" / "visual_behavior_neuropixels"
    manifest = read_manifest(folder / "visual-behavior-neuropixels_project_manifest_v0.3.0.json")
    assert manifest.version == "0.3.0" and manifest.made_by("AllenSDK") == "2.13.5"
    assert sorted(manifest.metadata_files) == [
        "behavior_sessions",
        "channels",
        "ecephys_sessions",
        "probes",
        "units",
    ]
    assert len(manifest.data_files) == 153
    assert {e.algorithm for e in manifest.files()} == {"blake2b"}
    probes = manifest.metadata_files["probes"]
    real = folder / f"{manifest.project}-{manifest.version}" / probes.path
    assert hashlib.blake2b(real.read_bytes()).hexdigest() == probes.file_hash
    # What the tutorial's recipe makes of the entry.
    assert probes.location.url() == f"{probes.url}?versionId={probes.version_id}"


@pytest.mark.parametrize("key", document())
def test_each_key_is_required(key: str) -> None:
    content = document()
    del content[key]
    with pytest.raises(ManifestError, match=f"lacks {key}"):
        parse(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"{", b"<html></html>", b"\xff\xfe{}", b"[]", b"null", b'"text"', b"1" * 5000],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(content)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"nested|JSON"):
        parse_manifest(b"[" * 200_000)


BASE = "https://lab-data.s3.us-west-2.amazonaws.com/"


@pytest.mark.parametrize(
    "url",
    [
        BASE + "project/../../etc/passwd",
        BASE + "project/../../../home/user/.ssh/authorized_keys",
        BASE + "project/a/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        BASE + "project/a/..%2f..%2fb",
        BASE + "project//etc/passwd",
        BASE + "project/%2Fetc/passwd",
        BASE + "project/./x",
        BASE + "project/a\\..\\..\\b",
        BASE + "project/C:/windows/x",
        BASE + "project/%43:evil",
        BASE + "project/NUL",
        BASE + "project/a%00b",
        BASE + "project/a%0ab",
        BASE + "project/trailing.",
        BASE + "project/" + "x" * 300,
        BASE + "project/" + "x/" * 600 + "x",
        BASE + "only",
        BASE,
        "https://lab-data.s3.us-west-2.amazonaws.com",
        "file:///etc/passwd",
        "ftp://host/project/x",
        "https://user:secret@lab-data.s3.us-west-2.amazonaws.com/project/x",
        "https://[::1/project/x",
        "https://host:99999999/project/x",
        "s3://../project/x",
        "project/x",
        "",
    ],
)
def test_addresses_that_lead_astray_are_refused(url: str) -> None:
    with pytest.raises(ManifestError):
        parse(with_url(url))


@pytest.mark.parametrize("name", ["..", "../up", "a/b", "/abs", "", "a\0b", 3, None, "x" * 300])
@pytest.mark.parametrize("key", ["project_name", "manifest_version"])
def test_names_of_folders_that_lead_astray_are_refused(key: str, name: object) -> None:
    with pytest.raises(ManifestError):
        parse(document(**{key: name}))


@pytest.mark.parametrize("size", [-1, 2**60, 1.5, "12", True, float("inf")])
def test_sizes_that_cannot_be_are_refused(size: object) -> None:
    with pytest.raises(ManifestError, match="size"):
        parse(with_url(BASE + "project/x", size=size))


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "x",
        {},
        {"url": URL},
        {"url": 1, "version_id": "v", "file_hash": HASH},
        {"url": URL, "version_id": None, "file_hash": HASH},
        {"url": URL, "version_id": "v"},
    ],
)
def test_entries_of_another_form_are_refused(entry: object) -> None:
    with pytest.raises(ManifestError):
        parse(document(data_files={"0": entry}))


@pytest.mark.parametrize(
    "change",
    [
        {"data_files": []},
        {"metadata_files": None},
        {"data_pipeline": {}},
        {"data_pipeline": ["x"]},
        {"metadata_file_id_column_name": 1},
        {"manifest_version": "1.0"},
    ],
)
def test_sections_of_another_form_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ManifestError):
        parse(document(**change))


def test_two_contents_in_one_place_are_refused() -> None:
    other = {"url": BASE + "project/x", "version_id": "v", "file_hash": HASH}
    same = document(data_files={"0": other, "1": other})
    assert len(parse(same).data_files) == 2
    for change in ({"file_hash": "cd" * 64}, {"url": BASE + "project/X"}):
        content = copy.deepcopy(same)
        content["data_files"]["1"] = other | change
        with pytest.raises(ManifestError, match="one place"):
            parse(content)


def test_a_file_that_is_a_folder_too_is_refused() -> None:
    files = {
        str(n): {"url": BASE + path, "version_id": "v", "file_hash": HASH}
        for n, path in enumerate(["project/a/b/c", "project/a"])
    }
    with pytest.raises(ManifestError, match="folder"):
        parse(document(data_files=files))


def test_millions_of_files_are_refused_before_they_are_parsed() -> None:
    inside = b'"0":{},' * 10_000_000
    content = (
        json.dumps(document()).encode().replace(b'"data_files": {', b'"data_files": {' + inside)
    )
    start = time.process_time()
    with pytest.raises(ManifestError, match=f"{MAX_FILES:,}"):
        parse_manifest(content)
    assert time.process_time() - start < 30  # a parser takes minutes, and gigabytes
    with pytest.raises(ManifestError, match="files"):
        parse_manifest(b'{"data_files":{' + b'"0":1,' * 10_000_000 + b"}}")


def test_a_hash_of_another_kind_is_read_but_is_no_checksum() -> None:
    for digest, algorithm in [("ab" * 32, "sha256"), ("ab" * 16, "md5"), ("xyz", ""), ("", "")]:
        entry = parse(with_url(BASE + "project/x", file_hash=digest)).data_files["0"]
        assert entry.algorithm == algorithm


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(content=st.dictionaries(st.sampled_from([*document(), "more"]), json_values))
def test_any_json_is_read_or_refused(content: dict[str, Any]) -> None:
    try:
        parse(document() | content)
    except ManifestError as error:
        assert error.message


@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(content)


@given(path=st.text(max_size=60))
def test_any_path_stays_in_the_folder(path: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        entry = parse(with_url(f"{BASE}project/{path}")).data_files["0"]
    except ManifestError:
        return
    folder = Path("/cache/project-0.3.0")
    assert folder in (folder / entry.path).parents
    assert ".." not in Path(entry.path).parts


def test_names_of_manifests() -> None:
    assert manifest_name("p", "1.2.3") == "p_project_manifest_v1.2.3.json"
    assert version_of_name("p_project_manifest_v0.10.0.json") == Version("0.10.0")
    assert version_of_name("p_project_manifest_v0.10.0.json", "q") is None
    for name in (
        "notes.txt",
        "p_project_manifest_v1.json",
        "../p_project_manifest_v1.0.0.json",
        "",
    ):
        assert version_of_name(name) is None


def ours(**changes: Any) -> dict[str, Any]:
    entry = {
        "url": "https://lab.s3.amazonaws.com/pre/project/versions/0.3.0/alf/a.npy",
        "version_id": "",
        "file_hash": HASH,
        "path": "alf/a.npy",
    }
    about = {"format": 1, "root": "pre/project"} | changes.pop("about", {})
    return document(metadata_files={}, data_files={"0": entry | changes}, fascicle={**about})


def test_a_release_of_ours_says_where_files_belong_and_lie() -> None:
    manifest = parse(ours())
    entry = manifest.data_files["0"]
    assert manifest.ours and manifest.root == "pre/project"
    assert entry.path == "alf/a.npy" and manifest.place(entry) == "versions/0.3.0/alf/a.npy"


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "../a.npy"},
        {"path": "/a.npy"},
        {"path": "x/.fascicle/log/1.json"},
        {"path": ".FASCICLE/log/1.json"},
        {"path": 1},
        {"path": None},
        {"url": "https://lab.s3.amazonaws.com/other/a.npy"},
        {"url": "https://lab.s3.amazonaws.com/pre/project/../a.npy"},
        {"url": "https://lab.s3.amazonaws.com/pre/project/%2e%2e/a.npy"},
        {"url": "https://lab.s3.amazonaws.com/pre/project/.fascicle/a.npy"},
        {"about": {"root": ".."}},
        {"about": {"root": 3}},
        {"about": {"format": 2}},
        {"about": {"format": None}},
        {"about": {"title": 5}},
        {"about": {"authors": "Me"}},
    ],
)
def test_what_a_release_of_ours_may_not_say(changes: dict[str, Any]) -> None:
    with pytest.raises(ManifestError):
        parse(ours(**changes))


def test_what_is_written_is_read_again() -> None:
    manifest = parse(ours(about={"title": "Ünïts"}))
    parts: dict[str, Any] = {
        "project": manifest.project,
        "version": manifest.version,
        "metadata_files": manifest.metadata_files.values(),
        "data_files": manifest.data_files.values(),
        "about": {k: v for k, v in manifest.about.items() if k != "format"},
        "pipeline": manifest.pipeline,
    }
    content = manifest_json(**parts)
    assert parse_manifest(content) == manifest
    assert manifest_json(**parts) == content
    with pytest.raises(ManifestError):
        manifest_json(**parts | {"project": "../x"})


@given(
    st.sampled_from(
        [
            "https://lab.s3.amazonaws.com/",
            "https://s3.us-west-2.amazonaws.com/lab/",
            "https://lab.s3.us-west-2.amazonaws.com/",
            "s3://lab/",
            "http://lab.s3.amazonaws.com/",
            "https://elsewhere.org/",
            "https://lab.s3.amazonaws.com",
        ]
    ),
    st.text("ab/%2e.?#;\\ \n\tü", max_size=12),
)
def test_places_are_those_of_whole_addresses(start: str, rest: str) -> None:
    from fascicle.formats.locations import parse_url
    from fascicle.formats.manifest import _place

    url = f"{start}root/{rest}"
    try:
        key = parse_url(url).key
    except ValueError:
        return
    assert _place(url, "root") == (key[5:] if key.startswith("root/") else "")
