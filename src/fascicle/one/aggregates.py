"""Datasets that belong to no session, but to a subject, a project or a tag.

They lie in ``aggregates/RELATION/IDENTIFIER/…`` of the folder; tables list them without a session.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.alf.parts import remove_uuid_string
from fascicle.alf.spec import is_uuid_string, is_valid
from fascicle.archives import watch
from fascicle.errors import ALFMultipleObjectsFound, ALFObjectNotFound
from fascicle.one import files, match, terms
from fascicle.one.loading import LoadingMixin

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.record import Use

_FOLDER = "aggregates"
_NO_SESSION = UUID(int=0)


class AggregatesMixin(LoadingMixin):
    """Lists and loads aggregated datasets."""

    def list_aggregates(
        self,
        relation: str,
        identifier: str | None = None,
        dataset: match.FileName = None,
        revision: match.Text = None,
        assert_unique: bool = False,
    ) -> pd.DataFrame:
        """Return the datasets that are aggregated over a relation.

        Parameters
        ----------
        relation : str
            What they are aggregated over, in any case: ``'subjects'``, ``'tags'``, …
        identifier : str, optional
            Regular expression found in the identifier, such as ``lab/subject``.
        dataset : str, list of str or dict, optional
            Pattern of the file name, with ``*``, or of its ALF parts.
        revision : str, optional
            Pattern of the revision.
        assert_unique : bool
            Raise where more than one matches.

        Returns
        -------
        pandas.DataFrame
            rel_path, file_size, hash, exists, qc, default_revision, relation and identifier,
            indexed by id; those of the tables, and the files of the folder ``aggregates``.

        Raises
        ------
        ALFMultipleObjectsFound
            More than one matches, and ``assert_unique``.
        """
        from fascicle.one.records import datasets_frame

        found = {r["rel_path"]: r for r in (*self._aggregate_files(), *self._aggregate_rows())}
        rows = []
        for record in found.values():
            kind, _, rest = record["rel_path"].partition("/")[2].partition("/")
            owner = match.folders_of(rest)[0]
            if kind.casefold() != relation.casefold():
                continue
            if identifier is None or terms.expression("identifier", identifier).search(owner):
                rows.append({**record, "relation": kind.casefold(), "identifier": owner})
        question = match.ask(dataset, None, revision, wildcards=True)
        rows = [rows[i] for i in question.select([r["rel_path"] for r in rows])]
        if assert_unique and len(rows) > 1:
            listed = ", ".join(f'"{r["rel_path"]}"' for r in rows)
            raise ALFMultipleObjectsFound(
                f"{listed}: all these match", hint="give identifier, dataset or revision in full"
            )
        frame = datasets_frame(rows, extra=("relation", "identifier"))
        return frame.droplevel("eid")

    def load_aggregate(
        self,
        relation: str,
        identifier: str,
        dataset: match.FileName = None,
        revision: match.Text = None,
        download_only: bool = False,
    ) -> Any:
        """Load one dataset that is aggregated over a relation.

        Parameters
        ----------
        relation, identifier, dataset, revision
            As for `list_aggregates`; a name of two parts may have any extension.
        download_only : bool
            Return the path of the file.

        Returns
        -------
        object, or ALFPath with ``download_only``

        Raises
        ------
        ALFObjectNotFound
            Nothing matches, or the file is not here.
        ALFMultipleObjectsFound
            More than one matches.
        """
        if self.wildcards and isinstance(dataset, str) and len(dataset.split(".")) == 2:
            dataset += ".*"
        found = self.list_aggregates(relation, identifier, dataset, revision, assert_unique=True)
        if found.empty:
            known = sorted(set(self.list_aggregates(relation)["identifier"]))
            listed = ", ".join(known[:10]) or f"no aggregates of {relation} in this folder"
            raise ALFObjectNotFound(
                f"{dataset or 'dataset'} not found for {relation}/{identifier}",
                hint=f"there is: {listed}",
            )
        record = found.iloc[0]
        path = self._aggregate_file(record, found.index[0])
        if path is None:
            raise ALFObjectNotFound(
                f"Dataset file not found on disk: {self._aggregate_place(record)}",
                hint="fetch it, or list_aggregates again",
            )
        if watch.watched():
            use = self._aggregate_use(record["rel_path"], found.index[0])
            there: list[str | None] = [path]
            watch.hand_out([use], there.copy, stores=[Path(self.cache_dir)])
        return self._content(path, download_only)

    def _aggregate_place(self, record: Any) -> str:
        return os.path.join(self.cache_dir, *record["rel_path"].split("/"))

    def _aggregate_file(self, record: Any, identifier: UUID) -> str | None:
        """Return the file of a row, None where it is not here; an id may be in its name."""
        plain = self._aggregate_place(record)
        size, digest = record["file_size"], record["hash"]
        for path in (plain, files.with_uuid(plain, identifier)):
            if files.check(path, None if size != size else int(size), digest or ""):
                return path
        return None

    def _aggregate_use(self, path: str, identifier: UUID) -> Use:
        from fascicle.archives.record import Use
        from fascicle.archives.uses import state_of

        folder = os.path.abspath(self.cache_dir)
        state = state_of(self._catalogue)
        url = Path(folder, *path.split("/")).as_uri()
        return Use(folder, "folder", state=state, path=path, id=str(identifier), url=url)

    def _aggregate_rows(self) -> list[dict[str, Any]]:
        """Return the datasets of the tables that have no session."""
        catalogue = self._catalogue
        row = catalogue.row(_NO_SESSION)
        if row is None:
            return []
        datasets = catalogue.datasets(row)
        out = []
        for i, path in enumerate(datasets.rel_paths):
            at = path.find(f"{_FOLDER}/")
            if at < 0:
                continue
            identifier, digest, size = datasets.record(i)
            out.append(
                {
                    "eid": None,
                    "id": identifier,
                    "rel_path": path[at:],
                    "file_size": size,
                    "hash": digest,
                    "exists": datasets.exists[i],
                    "qc": datasets.qc[i],
                    "default_revision": datasets.default[i],
                }
            )
        return out

    def _aggregate_files(self) -> list[dict[str, Any]]:
        """Return the datasets of the folder of aggregates."""
        from fascicle.catalogue import identity

        out = []
        for folder, _, names in os.walk(self.cache_dir / _FOLDER):
            inside = os.path.relpath(folder, self.cache_dir).replace(os.sep, "/")
            for name in names:
                if not is_valid(name):
                    continue
                parts = name.split(".")
                path = f"{inside}/{remove_uuid_string(name)}"
                known = len(parts) > 2 and is_uuid_string(parts[-2])
                out.append(
                    {
                        "eid": None,
                        "id": UUID(parts[-2])
                        if known
                        else UUID(bytes=identity.dataset_id(_NO_SESSION.bytes, path)),
                        "rel_path": path,
                        "file_size": os.stat(os.path.join(folder, name)).st_size,
                        "hash": "",
                    }
                )
        return sorted(out, key=lambda r: str(r["rel_path"]))
