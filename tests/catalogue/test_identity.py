"""Ids never change: these values are published, and stand in other people's tables."""

from __future__ import annotations

import datetime
import unicodedata
import uuid

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fascicle.catalogue import identity
from fascicle.catalogue.ids import as_bytes, make_uuid, make_uuids

NAMESPACE = uuid.UUID("6f1d3a2c-5b7e-4c0a-9d8e-2b4f6a1c3e5d")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def test_published_values() -> None:
    assert uuid.UUID(bytes=identity.NAMESPACE) == NAMESPACE
    eid = identity.session_id("zadorlab", "CSH_ZAD_003", "2019-08-11", 1)
    assert uuid.UUID(bytes=eid) == uuid.UUID("69e033ee-d7aa-38ee-8867-48403186f3a3")
    did = identity.dataset_id(eid, "alf/_ibl_trials.goCue_times.npy")
    assert uuid.UUID(bytes=did) == uuid.UUID("5862f9b0-0efe-389a-b2c6-8f145f8ddc68")
    did = identity.dataset_id(eid, "alf/probe00/#2024-05-06#/spikes.times.npy")
    assert uuid.UUID(bytes=did) == uuid.UUID("ec285d47-c83b-36e8-badf-867a1805b632")
    pid = identity.insertion_id(eid, "probe00")
    assert uuid.UUID(bytes=pid) == uuid.UUID("65bc3402-96dd-3d8f-977b-e8c0ed3c3fe2")
    without_lab = identity.session_id("", "s1", "2020-01-01", 12)
    assert uuid.UUID(bytes=without_lab) == uuid.UUID("706fbcdc-080e-3d6c-b319-a62ff79e6b93")


def test_they_are_version_3_of_the_standard_library() -> None:
    eid = identity.session_id("lab", "s", datetime.date(2020, 1, 2), 7)
    assert uuid.UUID(bytes=eid) == uuid.uuid3(NAMESPACE, "lab/s/2020-01-02/007")
    assert uuid.UUID(bytes=eid).version == 3


@given(st.uuids(), TEXT)
def test_equal_to_uuid3(namespace: uuid.UUID, path: str) -> None:
    expected = uuid.uuid3(namespace, unicodedata.normalize("NFC", path))
    assert uuid.UUID(bytes=identity.dataset_id(namespace.bytes, path)) == expected
    assert uuid.UUID(bytes=identity.insertion_id(namespace.bytes, path)) == expected
    assert identity.dataset_ids(namespace.bytes, [path]) == [expected.bytes]


def test_both_ways_to_write_an_accent_are_one_text() -> None:
    composed, apart = (unicodedata.normalize(form, "Ångström_é") for form in ("NFC", "NFD"))
    assert composed != apart
    assert identity.session_id(composed, "s", "2020-01-01", 1) == identity.session_id(
        apart, "s", "2020-01-01", 1
    )
    eid = bytes(16)
    assert identity.dataset_ids(eid, [composed]) == identity.dataset_ids(eid, [apart])


def test_case_is_kept() -> None:
    a, b = (identity.session_id("lab", s, "2020-01-01", 1) for s in ("NYU-01", "nyu-01"))
    assert a != b


@given(st.lists(st.uuids()))
def test_uuids_made_fast_are_uuids(ids: list[uuid.UUID]) -> None:
    made = make_uuids([u.bytes for u in ids])
    assert made == ids == [make_uuid(u.bytes) for u in ids]
    for u in made:
        assert (str(u), hash(u), u.is_safe) == (str(uuid.UUID(str(u))), hash(u), u.is_safe)


@pytest.mark.parametrize("bad", ["", "x", "2020-01-01", None, 5, b"", bytes(15)])
def test_what_is_no_uuid_has_no_bytes(bad: object) -> None:
    assert as_bytes(bad) is None  # type: ignore[arg-type]


def test_an_id_is_taken_in_any_form() -> None:
    one = uuid.uuid4()
    assert as_bytes(one) == as_bytes(str(one)) == as_bytes(one.bytes) == one.bytes
    assert as_bytes(str(one).upper()) == one.bytes
