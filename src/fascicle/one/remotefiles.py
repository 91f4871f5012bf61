"""Files of chosen datasets: those that are here and whole, and the others brought from a server.

All that one call lacks comes in one batch. A file that arrives twice alike and yet is not what the
server's record says is kept aside, and loaded only where that was allowed.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.archives import offered
from fascicle.catalogue.schema import Session
from fascicle.errors import (
    AccessDenied,
    ALFObjectNotFound,
    FascicleError,
    HashMismatch,
    RemoteNotFound,
)
from fascicle.one.base import Contents
from fascicle.one.files import with_uuid
from fascicle.one.fresh import ServedContents, dataset_of, inside
from fascicle.one.loading import LoadingMixin
from fascicle.one.remoteplaces import RemotePlacesMixin, fall_back
from fascicle.one.revisions import warn
from fascicle.one.wanted import Wanted, addresses, quoted

if TYPE_CHECKING:
    from fascicle.archives.record import Use
    from fascicle.transfer import Access, Plan, Result, Source

_MANY = 100


class RemoteFilesMixin(RemotePlacesMixin, LoadingMixin):
    """Brings the files of datasets."""

    accept_mismatch: bool
    #: Files that are not what the record says.
    _refused: set[str]
    #: Why files could not be had, by their place.
    _why: dict[str, FascicleError]

    # -- in place of what works on a folder alone ---------------------------------------

    def _found(
        self, contents: Contents, positions: Sequence[int], *, check_hash: bool
    ) -> list[str | None]:
        if self.offline or self._is_replaced("_check_filesystem"):
            return super()._found(contents, positions, check_hash=check_hash)
        wanted = []
        for i in positions:
            identifier, digest, size = contents.datasets.record(i)
            place = "/".join(filter(None, (contents.folder, contents.paths[i])))
            wanted.append(Wanted(self._path(contents, i), place, identifier, size, digest))
        lacking = [w for w in wanted if not w.is_here(check_hash=check_hash)]
        if lacking:
            known = contents.urls if isinstance(contents, ServedContents) else {}
            paths = {id(w): contents.paths[i] for w, i in zip(wanted, positions, strict=True)}
            for w in lacking:
                w.urls = [url] if (url := known.get(paths[id(w)])) else []
            self._bring(lacking, check_hash=check_hash)
        return self._hand_over(wanted, contents.eid, check_hash=check_hash)

    def _is_replaced(self, name: str) -> bool:
        own = getattr(RemoteFilesMixin, name)
        return name in self.__dict__ or getattr(type(self), name) is not own

    def _hand_over(
        self, wanted: Sequence[Wanted], eid: UUID | None, *, check_hash: bool = True
    ) -> list[str | None]:
        out: list[str | None] = []
        for w in wanted:
            refused = check_hash and w.path in self._refused
            here = os.path.isfile(w.path) and not refused
            out.append(w.path if here else None)
            if here and self.record_loaded and eid is not None:
                self._loaded[w.id] = eid
        return out

    def _absent(self, contents: Contents, paths: Sequence[str], what: str) -> ALFObjectNotFound:
        error = super()._absent(contents, paths, what)
        if self.offline:
            return error
        why = [e for p in paths if (e := self._why.get(f"{contents.folder}/{p}")) is not None]
        if not why:
            return error
        return MissingFile(f"{what} cannot be had: {why[0].message}", hint=why[0].hint)

    def load_dataset_from_id(
        self,
        dset_id: UUID | str,
        download_only: bool = False,
        details: bool = False,
        check_hash: bool = True,
    ) -> Any:
        """Load a dataset of any session by its id, whatever its quality control.

        Parameters
        ----------
        dset_id : UUID or str
            Id of the dataset.
        download_only, check_hash
            As for `load_object`.
        details : bool
            Also return the row of the datasets table.

        Returns
        -------
        object, or ALFPath with ``download_only``
            The content.
        pandas.Series
            With ``details``.

        Raises
        ------
        ALFObjectNotFound
            The server has no dataset of that id, or no file of it.
        ValueError
            It is no id.
        """
        if not self._asks_server:
            return super().load_dataset_from_id(dset_id, download_only, details, check_hash)
        try:
            identifier = dset_id if isinstance(dset_id, UUID) else UUID(str(dset_id))
        except ValueError:
            raise ValueError(
                f"{dset_id!r} is no id of a dataset: a UUID is needed\n"
                "  one.list_datasets(eid, details=True) lists the ids of a session's datasets"
            ) from None
        record = self._read("datasets", identifier)
        urls = addresses(record or {})
        if record is None or not urls:
            what = f"no dataset has the id {identifier}"
            if record is not None:
                what = f"{self.alyx.base_url} has no file of {record['name']} ({identifier})"
            raise ALFObjectNotFound(
                f"Dataset not found: {what}",
                hint="one.list_datasets(eid, details=True) lists the ids of a session's datasets",
            )
        owner = record.get("session")
        eid = UUID(owner.rstrip("/")[-36:]) if owner else UUID(int=0)
        session = (self._session_here(eid) or self._session_there(eid)) if owner else None
        folder, path = inside(urls[0])
        if session is None:
            session = Session(eid, "", "", datetime.date.min, 0, "", "", folder)
            at = path.find("aggregates/")
            path = path[at:] if at > 0 else path
        row = dataset_of(record, eid, path)
        contents = ServedContents(session, [row], {path: urls[0]}, self.cache_dir)
        if owner:
            self._merge(datasets=[row])
        (file,) = self._files(contents, [0], check_hash=check_hash)
        if file is None:
            raise self._absent(contents, [path], "Dataset")
        content = self._content(file, download_only)
        if not details:
            return content
        return content, contents.datasets.frame().iloc[0].rename((eid, identifier))

    def _use(self, contents: Contents, position: int) -> Use:
        if self.offline:
            return super()._use(contents, position)
        from fascicle.archives.record import Use, public

        identifier, digest, size = contents.datasets.record(position)
        path = contents.paths[position]
        url = contents.urls.get(path, "") if isinstance(contents, ServedContents) else ""
        return Use(
            public(self.alyx.base_url),
            "alyx",
            session=contents.folder,
            eid="" if contents.eid.int == 0 else str(contents.eid),
            path=path,
            id=str(identifier),
            hash=digest,
            algorithm="md5" if digest else "",
            size=size,
            url=public(url),
            sure=len(digest) == 32 and not self.accept_mismatch,
        )

    # -- bringing -----------------------------------------------------------------------

    def _bring(self, wanted: Sequence[Wanted], *, check_hash: bool = True) -> None:
        """Bring files, each from the first place that has it.

        What a server does not have, or has in another form than it says, is told in a warning; it
        is an error where the server cannot be reached.
        """
        for w in wanted:
            self._refused.discard(w.path)
            self._why.pop(w.place, None)
        wanted = self._not_here(wanted, check_hash)
        if not wanted:
            return
        self._add_addresses([w for w in wanted if not w.urls])
        access = self._add_buckets(wanted)
        todo = list(wanted)
        failed: dict[str, tuple[Wanted, FascicleError]] = {}
        while todo:
            result = self._run([(w, w.urls[0]) for w in todo if w.urls], access, check_hash)
            outcomes = {str(o.item.target): o for o in result.items}
            again = []
            for w in todo:
                outcome = outcomes.get(os.path.abspath(w.path))
                if outcome is not None and outcome.error is None:
                    if check_hash:
                        w.remember()
                    continue
                error = outcome.error if outcome is not None else None
                if error is None:
                    error = RemoteNotFound(f"{self.alyx.base_url} has no file of {w.place}")
                if len(w.urls) > 1 and not isinstance(error, HashMismatch):
                    again.append(replace(w, urls=w.urls[1:]))
                    fall_back(w.urls[0], error)
                else:
                    failed[w.place] = w, error
                    self._tell_mismatch(w, outcome)
            todo = again
        self._tell_failed(failed)

    def _not_here(self, wanted: Sequence[Wanted], check_hash: bool) -> list[Wanted]:
        """Return those that are not here, or not as they should be; no server is asked."""
        there = [w for w in wanted if os.path.isfile(w.path)]
        if there:
            plan = self._plan([(w, w.urls[0] if w.urls else "") for w in there], check_hash)
            whole = {str(item.target) for item in plan.here}
            for w in there:
                if check_hash and os.path.abspath(w.path) in whole:
                    w.remember()
            return [w for w in wanted if os.path.abspath(w.path) not in whole]
        return list(wanted)

    def _plan(self, pairs: Sequence[tuple[Wanted, str]], check_hash: bool) -> Plan:
        from fascicle.transfer import make_plan
        from fascicle.transfer.disk import disk_error
        from fascicle.transfer.source import Source

        try:
            self.cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = disk_error(error, self.cache_dir)
            problem.hint = "give a folder that you can write to: ONE(cache_dir=…)"
            raise problem from error
        md5 = [w.md5 if check_hash else "" for w, _ in pairs]
        sources = [
            (Source(quoted(url), "", w.size, known, "md5" if known else ""), w.path)
            for (w, url), known in zip(pairs, md5, strict=True)
        ]
        return make_plan(sources, store=self.cache_dir, verify="ledger" if check_hash else "size")

    def _run(
        self, pairs: Sequence[tuple[Wanted, str]], access: Access | None, check_hash: bool
    ) -> Result:
        from fascicle.alyx.http import is_same_server

        if any(is_same_server(url, self.alyx.base_url) for _, url in pairs):
            self.alyx._ensure_login()
        used = self.alyx._token["token"] if self.alyx._token else None
        result = self._run_once(pairs, access, check_hash)
        refused = [o.item.source.url for o in result.failed if isinstance(o.error, AccessDenied)]
        own = any(is_same_server(url, self.alyx.base_url) for url in refused)
        if own and self.alyx._log_in_again(used):  # the token was too old
            return self._run_once(pairs, access, check_hash)
        return result

    def _run_once(
        self, pairs: Sequence[tuple[Wanted, str]], access: Access | None, check_hash: bool
    ) -> Result:
        return self._plan(pairs, check_hash).run(
            progress=False if self.alyx.silent else None,
            on_mismatch="accept" if self.accept_mismatch else "keep",
            headers=self._headers_of,
            access=access,
        )

    def _headers_of(self, source: Source) -> Mapping[str, str]:
        return offered.headers_of(self.alyx, source.url)

    def _tell_mismatch(self, w: Wanted, outcome: Any) -> None:
        if outcome is None or not isinstance(outcome.error, HashMismatch):
            return
        self._refused.add(w.path)
        aside = f" It was kept as {outcome.kept}." if outcome.kept else ""
        warn(
            f"{w.place} is not what {self.alyx.base_url} says: {outcome.error.message}.{aside}\n"
            "  The record is out of date, or the file is damaged there. To load it all the same, "
            "one.accept_mismatch = True"
        )

    def _tell_failed(self, failed: Mapping[str, tuple[Wanted, FascicleError]]) -> None:
        """Remember why files are missing; raise where no answer could be had."""
        for place, (_, error) in failed.items():
            self._why[place] = error
        hard = [e for _, e in failed.values() if not isinstance(e, RemoteNotFound | HashMismatch)]
        if hard:
            raise hard[0]
        gone = [place for place, (_, e) in failed.items() if isinstance(e, RemoteNotFound)]
        if gone:
            listed = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
            warn(f"{self.alyx.base_url} lists files that its data server does not have: {listed}")

    # -- under the names that programs know ---------------------------------------------

    def _download_datasets(self, dsets: Any, **kwargs: Any) -> list[Any]:
        """Bring the files of rows of the datasets table, and return their paths."""
        return self._check_filesystem(dsets, check_hash=kwargs.get("check_hash", True))

    def _download_dataset(self, dset: Any, **kwargs: Any) -> Any:
        """Bring the file of a row, a record or an address, and return its path."""
        from fascicle.alf import ALFPath

        one = isinstance(dset, str | Path | Mapping) or not hasattr(dset, "iterrows")
        if hasattr(dset, "iterrows") or hasattr(dset, "to_frame"):
            found = self._check_filesystem(dset, check_hash=kwargs.get("check_hash", True))
            return found[0] if one else found
        if isinstance(dset, list | tuple):
            return [self._download_dataset(d, **kwargs) for d in dset]
        wanted = self._wanted_of(dset)
        self._bring([wanted])
        (path,) = self._hand_over([wanted], None)
        return None if path is None else ALFPath(path)

    def _wanted_of(self, dset: Any) -> Wanted:
        if isinstance(dset, Mapping):
            urls = [dset["data_url"]] if dset.get("data_url") else addresses(dset)
            size, digest = dset.get("file_size"), dset.get("hash") or ""
            identifier = UUID(str(dset.get("id") or dset["url"].rstrip("/")[-36:]))
        else:
            text = os.fspath(dset)
            urls = [text if "://" in text else self.path2url(text)]
            size, digest, identifier = None, "", UUID(int=0)
        if not urls:
            raise RemoteNotFound(f"{self.alyx.base_url} has no file of {dset.get('name')}")
        place = "/".join(filter(None, inside(urls[0])))
        return Wanted(
            os.path.join(self.cache_dir, *place.split("/")), place, identifier, size, digest, urls
        )

    def _check_filesystem(
        self,
        datasets: Any,
        offline: bool | None = None,
        update_exists: bool = True,
        check_hash: bool = True,
    ) -> list[Any]:
        """Return the files of some datasets, brought here first; None for those that are nowhere.

        Parameters
        ----------
        datasets : pandas.DataFrame, pandas.Series
            Rows of the datasets table, indexed by (eid, id) or id.
        offline : bool, optional
            Bring nothing; by default as the object does.
        update_exists : bool
            Taken for the sake of programs that give it.
        check_hash : bool
            Compare files with their md5, where there is one.

        Returns
        -------
        list of ALFPath or None
        """
        if offline or self.offline:
            return super()._check_filesystem(datasets, True, update_exists, check_hash)
        from fascicle.alf import ALFPath
        from fascicle.one.files import _records

        wanted, owners = [], []
        for key, record in _records(datasets):
            eid, identifier = key if isinstance(key, tuple) else (None, key)
            folder = record.get("session_path")
            if folder is None:
                folder = self._session_folder(eid, identifier)
            place = "/".join(filter(None, (folder, record["rel_path"])))
            path = with_uuid(place, identifier) if self.uuid_filenames else place
            path = os.path.join(self.cache_dir, *path.split("/"))
            size, digest = record.get("file_size"), record.get("hash")
            known = None if size is None or size != size or str(size) == "<NA>" else int(size)
            text = digest if isinstance(digest, str) else ""
            wanted.append(Wanted(path, place, identifier, known or None, text))
            owners.append(eid)
        lacking = [w for w in wanted if not w.is_here(check_hash=check_hash)]
        if lacking:
            self._bring(lacking, check_hash=check_hash)
        found = [
            self._hand_over([w], eid, check_hash=check_hash)[0]
            for w, eid in zip(wanted, owners, strict=True)
        ]
        return [None if path is None else ALFPath(path) for path in found]

    def _session_folder(self, eid: UUID | None, identifier: UUID) -> str:
        folder = None if eid is None else self._known_folder(eid)
        return folder or super()._session_folder(eid, identifier)


class MissingFile(ALFObjectNotFound):
    """A file is on record, and cannot be had."""

    kind = "missing-file"
