"""Loading objects, datasets and collections of a session."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.alf.spec import QC
from fascicle.errors import (
    ALFError,
    ALFMultipleCollectionsFound,
    ALFMultipleObjectsFound,
    ALFObjectNotFound,
    SearchTermTypeError,
    nearest,
)
from fascicle.one import match, revisions
from fascicle.one.base import Contents, takes_session
from fascicle.one.bunch import Bunch
from fascicle.one.files import FilesMixin
from fascicle.one.missing import MissingMixin

if TYPE_CHECKING:
    from fascicle.alf import ALFPath
    from fascicle.one.alf.io import AlfBunch

_logger = logging.getLogger(__name__)
_ID = re.compile(r"\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\.|$)")


class LoadingMixin(FilesMixin, MissingMixin):
    """Loads what sessions hold."""

    @takes_session
    def load_object(
        self,
        eid: UUID,
        obj: str,
        collection: match.Text = None,
        revision: str | None = None,
        query_type: str | None = None,
        download_only: bool = False,
        check_hash: bool = True,
        **kwargs: Any,
    ) -> AlfBunch | list[ALFPath]:
        """Load all attributes of an object.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        obj : str
            The object, such as ``'trials'``.
        collection : str, optional
            Folder of the object; needed where the object is in several.
        revision : str, optional
            Take the last revision not after it, rather than the default.
        query_type : {'local'}, optional
            Where to look.
        download_only : bool
            Return the paths of the files.
        check_hash : bool
            Compare files with their md5, where the index has one.
        **kwargs
            Patterns for further parts of the names: ``attribute``, ``namespace``, ``timescale``,
            ``extra``, ``extension``; a list has alternatives.

        Returns
        -------
        AlfBunch, or list of ALFPath with ``download_only``

        Raises
        ------
        ALFObjectNotFound
            Nothing matches, or no file of it is here.
        ALFMultipleObjectsFound, ALFMultipleCollectionsFound
            More than one object, or more than one collection, match.
        """
        self._check_query_type(query_type)
        if obj is not None and not obj:
            raise ALFObjectNotFound(
                'Object "" not found: no object has an empty name',
                hint=f"one.list_datasets('{eid}') lists what there is",
            )
        what = {"object": obj, **kwargs}
        contents = self._known(eid, f'object "{obj}"')
        taken = self._take(contents, what, collection, revision, unique=False)
        if not taken:
            raise self._not_found(contents, obj, what, collection, revision)
        paths = [contents.paths[t.position] for t in taken]
        _one_object(paths)
        _one_collection(paths)
        files = self._present(contents, taken, f'ALF object "{obj}"', check_hash=check_hash)
        if download_only:
            return alf_paths(files)
        return self._assembled(files)

    @takes_session
    def load_dataset(
        self,
        eid: UUID,
        dataset: str | dict[str, Any] | list[str],
        collection: match.Text = None,
        revision: str | None = None,
        query_type: str | None = None,
        download_only: bool = False,
        check_hash: bool = True,
    ) -> Any:
        """Load one dataset.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        dataset : str, path or dict
            File name, without extension if there is one of that name alone; or a relative path,
            which may have a revision; or a dict of ALF parts.
        collection, revision, query_type, download_only, check_hash
            As for `load_object`.

        Returns
        -------
        object, or ALFPath with ``download_only``
            The content: array, table, dict, …; the path where the format is of no known kind.

        Raises
        ------
        ALFObjectNotFound
            Nothing matches, or the file is not here.
        ALFMultipleObjectsFound, ALFMultipleCollectionsFound
            More than one dataset, or more than one collection, match.
        ValueError
            A relative path together with a collection or a revision.
        SearchTermTypeError
            It is no name; this is a TypeError.
        """
        self._check_query_type(query_type)
        if isinstance(dataset, PurePath):
            dataset = dataset.as_posix()
        if not isinstance(dataset, str | Mapping | Sequence):
            raise SearchTermTypeError(
                f"{dataset!r} is a {type(dataset).__name__}, and no name of a dataset",
                hint=f"give a name, for example one.load_dataset('{eid}', 'spikes.times.npy')",
            )
        contents = self._known(eid, f'Dataset "{dataset}"')
        what: Any = dataset
        if self.wildcards and isinstance(dataset, str) and len(dataset.split(".")) == 2:
            what = dataset + ".*"
        is_path = ("/" if isinstance(dataset, str) else "collection") in dataset
        if is_path:
            if isinstance(dataset, str) and "*" in dataset:
                revisions.warn(
                    "Wildcards should not be used with relative path as input.", UserWarning
                )
            if collection is not None or revision is not None:
                raise ALFValueError(
                    "collection and revision kwargs must be None when dataset is a relative path",
                    hint=f"load_dataset(eid, {str(dataset).rpartition('/')[2]!r}, collection=…)",
                )
        taken = self._take(contents, what, collection, revision, unique=not is_path)
        if not taken:
            raise self._not_found(contents, dataset, what, collection, revision)
        if len(taken) > 1:
            listed = ", ".join(f'"{contents.paths[t.position]}"' for t in taken)
            raise ALFMultipleObjectsFound(
                f"{listed}: all these match", hint="give the whole name, or its relative path"
            )
        (file,) = self._present(contents, taken, f'Dataset "{dataset}"', check_hash=check_hash)
        return self._content(file, download_only)

    @takes_session
    def load_datasets(
        self,
        eid: UUID,
        datasets: Any,
        collections: Any = None,
        revisions: Any = None,
        query_type: str | None = None,
        assert_present: bool = True,
        download_only: bool = False,
        check_hash: bool = True,
    ) -> Any:
        """Load several datasets.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        datasets : list of str, list of dict, or pandas.DataFrame
            File names; or relative paths, which name their revision exactly; or dicts of ALF
            parts; or rows of the datasets table.
        collections, revisions : str or list of str, optional
            One for all, or one each.
        query_type, download_only, check_hash
            As for `load_object`.
        assert_present : bool
            Raise where one is missing; otherwise it is None in both lists.

        Returns
        -------
        list
            Contents, or paths with ``download_only``.
        list of Bunch
            What the datasets table says of each.

        Raises
        ------
        ALFObjectNotFound
            One is missing, and ``assert_present``.
        TypeError, ValueError
            The arguments do not fit each other.
        """
        from fascicle.one.several import load_datasets

        self._check_query_type(query_type)
        return load_datasets(
            self,
            eid,
            datasets,
            collections,
            revisions,
            assert_present=assert_present,
            download_only=download_only,
            check_hash=check_hash,
        )

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
            No dataset has that id, or its file is not here.
        ValueError
            It is no id.
        """
        try:
            identifier = dset_id if isinstance(dset_id, UUID) else UUID(str(dset_id))
        except ValueError:
            raise ValueError(
                f"{dset_id!r} is no id of a dataset: a UUID is needed\n"
                "  one.list_datasets(eid, details=True) lists the ids of a session's datasets"
            ) from None
        catalogue = self._catalogue
        place = catalogue.locate_dataset(identifier)
        if place is None:
            raise ALFObjectNotFound(
                f"Dataset not found: no dataset has the id {identifier}",
                hint="one.list_datasets(eid, details=True) lists the ids of a session's datasets",
            )
        contents = self._contents(catalogue.eids([place[0]])[0], catalogue)
        if contents is None or self._is_unlisted(contents):
            contents = Contents(catalogue, place[0])
        (file,) = self._files(contents, [place[1]], check_hash=check_hash)
        if file is None:
            raise self._absent(contents, [contents.paths[place[1]]], "Dataset")
        content = self._content(file, download_only)
        if not details:
            return content
        row = contents.datasets.frame().iloc[place[1]].rename((contents.eid, identifier))
        return content, row

    @staticmethod
    def _is_unlisted(contents: Contents) -> bool:
        return contents.eid.int == 0

    @takes_session
    def load_collection(
        self,
        eid: UUID,
        collection: str,
        object: str | None = None,
        revision: str | None = None,
        query_type: str | None = None,
        download_only: bool = False,
        check_hash: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Load all objects of a collection.

        Parameters
        ----------
        eid : session identifier
            Id, path, reference or record (also as ``id=``).
        collection : str
            The collection, or a pattern.
        object : str, optional
            Pattern of the objects to load; default: all.
        revision, query_type, download_only, check_hash, **kwargs
            As for `load_object`.

        Returns
        -------
        Bunch of AlfBunch by object, or list of ALFPath with ``download_only``

        Raises
        ------
        ALFError
            The session has no such collection.
        ALFObjectNotFound
            It has no such object, or no file of it is here.
        """
        self._check_query_type(query_type)
        contents = self._known(eid, f'collection "{collection}"')
        question = match.ask(None, collection, wildcards=self.wildcards)
        if not self._listed(contents, question, QC.FAIL):
            known = self.list_collections(eid)
            raise ALFError(
                f"{collection or 'the collection ' + repr(collection)} not found for session {eid}",
                hint=nearest(str(collection), known)
                or f"there is: {', '.join(map(repr, known)) or 'nothing'}",
            )
        what = {"object": object, **kwargs}
        taken = self._take(contents, what, collection, revision, unique=False)
        if not taken:
            raise self._not_found(contents, object or "", what, collection, revision)
        files = self._present(
            contents, taken, f'ALF collection "{collection}"', check_hash=check_hash
        )
        if download_only:
            return alf_paths(files)
        objects: dict[str, list[str]] = {}
        for file in files:
            objects.setdefault(match.object_of(file.replace(os.sep, "/")), []).append(file)
        return Bunch({k: self._assembled(v) for k, v in objects.items()})

    # -- choosing --------------------------------------------------------------------------------

    def _known(self, eid: UUID, what: str) -> Contents:
        """Return what a session holds; raise where the index does not know the session."""
        contents = self._contents(eid)
        if contents is None:
            raise ALFObjectNotFound(
                f"{what} not found: the session {eid} is not in {self._asked_place}",
                hint="one.search() lists the sessions that are",
            )
        return contents

    def _take(
        self,
        contents: Contents,
        what: match.FileName,
        collection: match.Text,
        revision: str | None,
        *,
        unique: bool,
    ) -> list[revisions.Taken]:
        """Choose datasets and their revisions, and tell where there was a choice."""
        question = match.ask(what, collection, wildcards=self.wildcards)
        positions = self._listed(contents, question, QC.FAIL)
        if unique:
            _one_collection([contents.paths[i] for i in positions])
        why = revisions.ASKED
        if not revision and (revision := revisions.last_before_setting()):
            why = revisions.LIMIT
        taken = revisions.choose(
            contents.paths,
            positions,
            revision=revision,
            default=contents.default,
            unique=unique,
            why=why,
        )
        return taken

    def _present(
        self, contents: Contents, taken: Sequence[revisions.Taken], what: str, *, check_hash: bool
    ) -> list[str]:
        """Return the files that are here; raise where none is."""
        found = self._files(contents, [t.position for t in taken], check_hash=check_hash)
        files = [f for f in found if f is not None]
        if not files:
            raise self._absent(contents, [contents.paths[t.position] for t in taken], what)
        if len(files) < len(found):
            gone = [contents.paths[t.position] for t, f in zip(taken, found, strict=True) if not f]
            _logger.warning(
                "%s is loaded without %s: the index lists them, but they are not in %s",
                what,
                ", ".join(gone),
                os.path.join(self.cache_dir, contents.folder),
            )
        self._teller.tell(contents.folder, taken)
        return files

    def _assembled(self, files: Sequence[str]) -> AlfBunch:
        """Return the object that some files are, without the ids that may be in their names."""
        from fascicle.one.alf.io import load_object

        found: AlfBunch = load_object(files, wildcards=self.wildcards)
        if not self.uuid_filenames:
            return found
        return type(found)({_ID.sub("", key): value for key, value in found.items()})

    def _content(self, file: str, download_only: bool) -> Any:
        if download_only:
            return alf_paths([file])[0]
        from fascicle.one.alf.io import load_file_content

        return load_file_content(file)


class ALFValueError(ALFError, ValueError):
    """Arguments that contradict each other."""

    kind = "alf-value"


def _one_object(paths: Sequence[str]) -> None:
    objects = sorted({match.object_of(p) for p in paths})
    if len(objects) > 1:
        listed = ", ".join(f'"{o}"' for o in objects)
        raise ALFMultipleObjectsFound(
            f"{listed}: all these objects match", hint="give the whole name of one"
        )


def _one_collection(paths: Sequence[str]) -> None:
    collections = sorted({match.folders_of(p)[0] for p in paths})
    if len(collections) > 1:
        listed = ", ".join(f'"{c}"' for c in collections)
        raise ALFMultipleCollectionsFound(
            f"{listed}: it is in all these collections",
            hint=f"choose one, for example collection={collections[-1]!r}",
        )


def alf_paths(files: Sequence[str]) -> list[ALFPath]:
    """Return files as ALF paths."""
    from fascicle.alf import ALFPath

    return [ALFPath(f) for f in files]
