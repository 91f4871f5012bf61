"""What changed between two versions."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from fascicle.formats.manifest import Manifest, parse_manifest
from fascicle.releases import Change, compare

BASE = "https://lab-data.s3.us-west-2.amazonaws.com/project/"


def manifest(
    data: dict[str, str], tables: dict[str, str] | None = None, version: str = "1.0.0"
) -> Manifest:
    def section(files: dict[str, str]) -> dict[str, dict[str, str]]:
        return {
            str(number): {
                "url": BASE + path,
                "version_id": "v",
                "file_hash": hashlib.blake2b(content.encode()).hexdigest(),
            }
            for number, (path, content) in enumerate(files.items())
        }

    document = {
        "project_name": "project",
        "manifest_version": version,
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [],
        "metadata_files": section(tables or {}),
        "data_files": section(data),
    }
    return parse_manifest(json.dumps(document))


def changes(first: dict[str, str], second: dict[str, str]) -> list[str]:
    return [str(change) for change in compare(manifest(first), manifest(second)).data]


def test_the_words() -> None:
    first = manifest({"b": "1", "a": "2", "d": "4"}, {"t.csv": "x", "s.csv": "y"}, "0.9.0")
    second = manifest({"b": "!", "c": "2", "e": "5"}, {"t.csv": "z", "s.csv": "y"}, "0.10.0")
    found = compare(first, second)
    assert str(found) == (
        "Changes going from\nproject_project_manifest_v0.9.0.json\nto\n"
        "project_project_manifest_v0.10.0.json\n\n"
        "t.csv changed\na renamed c\nb changed\nd deleted\ne created\n"
    )
    assert found.summary() == {
        "metadata_changes": [("t.csv", "t.csv changed")],
        "data_changes": [
            ("a", "a renamed c"),
            ("b", "b changed"),
            ("d", "d deleted"),
            ("e", "e created"),
        ],
    }
    assert found.data[0] == Change("a", "renamed", "c")
    assert "<td>c</td>" in found._repr_html_()


def test_equal_versions() -> None:
    one = manifest({"a": "1"}, {"t": "2"})
    assert not compare(one, one)
    assert str(compare(one, one)) == "The two manifests are equivalent"
    assert "equal" in compare(one, one)._repr_html_()


def test_a_copy_of_a_file_that_stays_is_listed() -> None:
    # The project's own reader says nothing of it.
    assert changes({"a": "1"}, {"a": "1", "b": "1"}) == ["b created"]


def test_one_file_that_became_two() -> None:
    assert changes({"a": "1"}, {"b": "1", "c": "1"}) == ["a renamed c", "b created"]


def test_two_files_that_became_one() -> None:
    assert changes({"a": "1", "b": "1"}, {"b": "1"}) == ["a renamed b"]
    assert changes({"a": "1", "b": "1"}, {"c": "1"}) == ["a renamed c", "b renamed c"]


def test_a_table_and_a_file_are_not_confused() -> None:
    found = compare(manifest({"a": "1"}), manifest({}, {"a": "1"}))
    assert (found.metadata, found.data) == ((Change("a", "created"),), (Change("a", "deleted"),))


files = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"), max_size=6)


@given(first=files, second=files)
def test_the_changes_lead_from_one_to_the_other(
    first: dict[str, str], second: dict[str, str]
) -> None:
    found = compare(manifest(first), manifest(second)).data
    assert [c.path for c in found] == sorted({c.path for c in found})
    result = dict(first)
    for change in found:
        if change.kind in ("deleted", "renamed"):
            del result[change.path]
        if change.kind == "renamed":
            assert first[change.path] == second[change.new_path]
            result[change.new_path] = first[change.path]
        elif change.kind in ("created", "changed"):
            assert (change.path in first) == (change.kind == "changed")
            result[change.path] = second[change.path]
    assert result == second
