"""What any archive must do."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from typing import Any
from uuid import UUID, uuid4

import pytest

import fascicle
from fascicle.alf import spec
from fascicle.archives.base import SEARCH_TERMS, Archive, DatasetRef
from fascicle.archives.folder import FolderArchive
from fascicle.archives.select import split_path
from fascicle.archives.session import OpenSession
from fascicle.errors import ALFObjectNotFound, ALFWarning, FascicleError, SessionNotFound
from fascicle.transfer.hashes import file_digest

#: So many sessions are looked at closely, spread over the archive.
LOOKED_AT = 6


class ArchiveTests:
    """Subclass this and give a fixture ``archive`` with at least one session and one dataset."""

    @pytest.fixture
    def archive(self) -> Archive:
        """Return the archive under test; to be overridden."""
        pytest.fail("a subclass of ArchiveTests needs a fixture called archive")

    @pytest.fixture
    def sessions(self, archive: Archive) -> list[OpenSession]:
        """Return some sessions of the archive."""
        eids = archive.catalogue().eids()
        step = max(1, len(eids) // LOOKED_AT)
        return [archive.open(eid) for eid in eids[::step]]

    def test_is_an_archive(self, archive: Archive) -> None:
        """It has what the protocol asks for."""
        assert isinstance(archive, Archive)
        assert isinstance(archive.name, str) and archive.name
        assert archive.capabilities.search_terms <= SEARCH_TERMS

    def test_its_name_opens_it(self, archive: Archive) -> None:
        """Its name leads back to it."""
        again = fascicle.open(archive.name)
        assert again.catalogue().eids() == archive.catalogue().eids()

    def test_pickles(self, archive: Archive) -> None:
        """A copy in another process answers the same."""
        archive.catalogue()
        copy = pickle.loads(pickle.dumps(archive))  # noqa: S301 - our own
        assert copy.name == archive.name
        assert copy.catalogue().eids() == archive.catalogue().eids()

    def test_ids_are_unique(self, archive: Archive) -> None:
        """No two sessions, and no two datasets of a session, share an id."""
        eids = archive.catalogue().eids()
        assert eids
        assert len(set(eids)) == len(eids)
        for row in range(min(len(eids), LOOKED_AT)):
            ids = archive.catalogue().datasets(row).ids
            assert len(set(ids)) == len(ids)

    def test_opens_by_any_name(self, archive: Archive, sessions: list[OpenSession]) -> None:
        """An eid of either type, a path and an open session all name a session."""
        for session in sessions:
            record = session.record
            assert record.eid == session.eid
            for name in (session.eid, str(session.eid), session):
                assert archive.open(name) == session
            if spec.parse_session(record.path) is not None:  # some releases have other folders
                assert archive.open(record.path) == session
            reference = f"{record.date}_{record.number}_{record.subject}"
            assert archive.open(reference).record[2:5] == record[2:5]

    @pytest.mark.parametrize("name", ["", "no such session", "2020-13-41_1_x", uuid4()])
    def test_says_when_there_is_no_session(self, archive: Archive, name: str | UUID) -> None:
        """A name that leads nowhere is told, with a hint."""
        with pytest.raises(SessionNotFound) as caught:
            archive.open(name)
        assert caught.value.hint or "date" in caught.value.message

    def test_locates_each_dataset(self, archive: Archive, sessions: list[OpenSession]) -> None:
        """Sources come in the order asked for, and tell the truth about local files."""
        for session in sessions:
            refs = [DatasetRef(session.eid, path) for path in session.list(every_revision=True)]
            refs.reverse()
            sources = archive.locate(refs)
            assert len(sources) == len(refs)
            for ref, source in zip(refs, sources, strict=True):
                assert split_path(ref.path).name.split(".")[0] in source.url
                path = source.local_path()
                if path is None or not path.is_file():
                    continue
                assert source.size in (None, path.stat().st_size)
                if source.hash:
                    digest = hashlib.new(source.algorithm, path.read_bytes())
                    assert digest.hexdigest() == source.hash

    def test_brings_each_dataset(self, archive: Archive, sessions: list[OpenSession]) -> None:
        """Files come in the order asked for, where they are said to come, whole."""
        for session in sessions[:2]:
            refs = [DatasetRef(session.eid, path) for path in session.list(every_revision=True)]
            refs.reverse()
            targets = archive.targets(refs)
            here = [n for n, target in enumerate(targets) if target.is_file()]
            if archive.store is None or not isinstance(archive, FolderArchive):
                here = list(range(len(refs)))  # what is not here is fetched
            some = [refs[n] for n in here]
            brought = archive.bring(some)
            assert brought == [targets[n] for n in here]
            for path, source in zip(brought, archive.locate(some), strict=True):
                assert archive.store in path.parents
                assert source.size in (None, path.stat().st_size)
                if source.hash:
                    assert file_digest(path, source.algorithm) == source.hash
        assert archive.bring([]) == archive.targets([]) == []

    def test_says_when_there_is_no_dataset(
        self, archive: Archive, sessions: list[OpenSession]
    ) -> None:
        """A dataset or a session that is not there is told."""
        with pytest.raises(ALFObjectNotFound):
            archive.locate([DatasetRef(sessions[0].eid, "alf/no.such.npy")])
        with pytest.raises(SessionNotFound):
            archive.locate([DatasetRef(uuid4(), "alf/spikes.times.npy")])
        with pytest.raises(ALFObjectNotFound):
            archive.bring([DatasetRef(sessions[0].eid, "alf/no.such.npy")])
        with pytest.raises(SessionNotFound):
            archive.targets([DatasetRef(uuid4(), "alf/spikes.times.npy")])

    def test_lists(self, sessions: list[OpenSession]) -> None:
        """Lists are sorted, without repeats, and one revision of each dataset."""
        for session in sessions:
            one_each = session.list(qc="CRITICAL")
            every = session.list(every_revision=True, qc="CRITICAL")
            assert one_each == sorted(set(one_each))
            assert set(one_each) <= set(every)
            places = [split_path(path)._replace(revision="") for path in one_each]
            assert len(set(places)) == len(places)
            assert {split_path(path)._replace(revision="") for path in every} == set(places)

    def test_loads_or_says_why_not(self, sessions: list[OpenSession]) -> None:
        """Each object loads as a bunch with its attributes, or raises an error of ours.

        Of what has other names, as in releases of other forms, the files can be had.
        """
        loaded = 0
        for session in sessions:
            objects = set()
            for path in session.list():
                parts = spec.parse_name(split_path(path).name)
                if parts is not None:
                    objects.add((split_path(path).collection, parts.object))
                else:
                    loaded += session.file(path).is_file()
            for collection, name in sorted(objects):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ALFWarning)
                    try:
                        bunch = session.load(name, collection=collection)
                    except FascicleError:
                        continue
                assert bunch
                loaded += 1
        assert loaded

    def test_is_found_by_what_it_has(self, archive: Archive, sessions: list[OpenSession]) -> None:
        """A session is found by each of its properties, and what is found has them."""
        session = sessions[-1]
        record = session.record
        terms: dict[str, Any] = {
            "lab": record.lab,
            "subject": record.subject,
            "date": record.date,
            "number": record.number,
            "task": record.task_protocol,
        }
        for term, value in terms.items():
            found = fascicle.find(**{term: value}, archives=archive)
            assert session in found
            column = "task_protocol" if term == "task" else term
            assert {getattr(s.record, column) for s in found[:50]} == {value}

    def test_is_found_by_its_datasets(self, archive: Archive, sessions: list[OpenSession]) -> None:
        """A dataset finds the sessions that have it, by path, name and object.attribute."""
        session = next(s for s in sessions if s.list())
        path = session.list()[0]
        name = split_path(path).name
        words = [name, path] if "/" in path else [name]  # a path has a slash
        if parts := spec.parse_name(name):
            words += [f"{parts.object}.{parts.attribute}", parts.object]
        for word in words:
            found = fascicle.find(datasets=word, archives=archive)
            assert session in found
            for other in found[:20]:
                assert other.list(word)

    def test_found_sessions_pickle(self, archive: Archive) -> None:
        """The result of a search survives a journey to another process."""
        found = fascicle.find(archives=archive)
        copy = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
        assert copy.eids == found.eids
        assert copy.frame.equals(found.frame)
        assert [s.eid for s in copy] == found.eids
