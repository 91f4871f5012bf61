"""The names of IBL's first converter to NWB: ``Alyx2NWBMetadata`` and ``Alyx2NWBConverter``.

They are thin: `SessionMetadata` is the document, `fascicle.nwb.convert` converts it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.errors import ConfigurationError, SearchTermError, SessionNotFound
from fascicle.nwb.metadata.document import SessionMetadata

if TYPE_CHECKING:
    from fascicle.archives.base import Archive
    from fascicle.nwb.metadata.problems import Problem
    from fascicle.nwb.report import Report

__all__ = ["Alyx2NWBConverter", "Alyx2NWBMetadata"]

_SHOWN = 20


class Alyx2NWBMetadata:
    """What is known of one session, which is named or searched for.

    Parameters
    ----------
    eid : str, UUID or path, optional
        The session.
    one_obj : ONE object, Archive or path-like, optional
        Where it is: any ONE, also of ONE's first interface, or an archive. By default the ONE that
        was set up.
    **search
        In place of ``eid``, what to search for; exactly one session has to match:
        ``dataset_types=["_iblmic_audioSpectrogram.frequencies"]``, ``subject="flowers"``, …

    Attributes
    ----------
    eid : str
    metadata : SessionMetadata
        The document; it may be edited.
    one_obj : object
        Where the session is.

    Raises
    ------
    SessionNotFound
        If there is no such session.
    SearchTermError
        If several match, which the message lists; or a term is none that can be searched by.

    Examples
    --------
    >>> metadata = Alyx2NWBMetadata(eid=eid, one_obj=one)  # doctest: +SKIP
    >>> metadata.write_metadata("session.json")  # doctest: +SKIP
    """

    def __init__(self, eid: Any = None, one_obj: Any = None, **search: Any) -> None:
        from fascicle.nwb.metadata.collect import collect_session
        from fascicle.nwb.metadata.sources import place_of

        if one_obj is None:
            from fascicle.one import ONE

            one_obj = ONE()
        if eid is not None and search:
            raise SearchTermError(
                f"a session is named, and {', '.join(search)} given to search by",
                hint="give either",
            )
        if eid is None and not search:
            raise SearchTermError(
                "no session is named, and nothing to search by",
                hint='give eid="…", or terms such as subject="flowers"',
            )
        place = place_of(one_obj)
        self.one_obj = one_obj
        session = place.archive.open(eid if eid is not None else _found(one_obj, place[0], search))
        self.eid = str(session.eid)
        self.metadata: SessionMetadata = collect_session(place, session)

    @property
    def complete_metadata(self) -> SessionMetadata:
        """The whole document: what is changed in it is converted."""
        return self.metadata

    def problems(self) -> list[Problem]:
        """Return what is missing or wrong in it."""
        return self.metadata.problems()

    def write_metadata(self, fileloc: str | os.PathLike[str], savetype: str | None = None) -> Path:
        """Write the document as JSON or YAML.

        Parameters
        ----------
        fileloc : path-like
            Its name says which, unless ``savetype`` does.
        savetype : {'.json', '.yaml'}, optional
            The ending that the name gets.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        MetadataError
            If the name says neither, or the file cannot be written.
        """
        path = Path(fileloc).expanduser()
        if savetype:
            path = path.with_suffix(f".{savetype.lstrip('.')}")
        return self.metadata.write(path)

    def __repr__(self) -> str:
        return f"Alyx2NWBMetadata({self.metadata!r})"

    def _repr_html_(self) -> str:
        return self.metadata._repr_html_()


class Alyx2NWBConverter:
    """Converts one session to NWB by its metadata.

    Parameters
    ----------
    nwb_metadata_file : path-like, optional
        The metadata document as a file, also one of IBL's first converter.
    metadata_obj : Alyx2NWBMetadata, SessionMetadata or mapping, optional
        The document itself; give one of the two.
    saveloc : path-like, optional
        The NWB file, used exactly; or a folder, in which the file gets the name that DANDI gives
        it. By default the folder that the program runs in.
    one_obj : ONE object, Archive or path-like, optional
        Where the session is, if not where the document says. Documents that do not say are looked
        up in the ONE that was set up.
    overwrite : bool
        Replace the file if there is one.
    **options
        For `fascicle.nwb.convert`: ``raw``, ``videos``, ``kinematics``, ``check``, ``progress``.

    Attributes
    ----------
    metadata : SessionMetadata
    saveloc : pathlib.Path
    report : Report or None
        Of the last conversion.

    Raises
    ------
    MetadataError
        If the file cannot be understood.
    ConfigurationError
        If no metadata are given, or both a file and an object.

    Examples
    --------
    >>> converter = Alyx2NWBConverter(
    ...     nwb_metadata_file="session.json", saveloc="session.nwb"
    ... )  # doctest: +SKIP
    >>> report = converter.run_conversion()  # doctest: +SKIP
    """

    def __init__(
        self,
        nwb_metadata_file: str | os.PathLike[str] | None = None,
        metadata_obj: Alyx2NWBMetadata | SessionMetadata | Mapping[str, Any] | None = None,
        saveloc: str | os.PathLike[str] | None = None,
        one_obj: Any = None,
        *,
        overwrite: bool = False,
        **options: Any,
    ) -> None:
        if (nwb_metadata_file is None) == (metadata_obj is None):
            given = "both a file and an object" if metadata_obj is not None else "no metadata"
            raise ConfigurationError(
                f"{given} given: a conversion goes by one metadata document",
                hint='nwb_metadata_file="session.json", or metadata_obj=Alyx2NWBMetadata(eid=…)',
            )
        self._one_obj = one_obj
        if nwb_metadata_file is not None:
            self.metadata = SessionMetadata.read(nwb_metadata_file)
        elif isinstance(metadata_obj, Alyx2NWBMetadata):
            self.metadata = metadata_obj.metadata
            self._one_obj = one_obj if one_obj is not None else metadata_obj.one_obj
        elif isinstance(metadata_obj, SessionMetadata):
            self.metadata = metadata_obj
        elif isinstance(metadata_obj, Mapping):
            self.metadata = SessionMetadata(metadata_obj)
        else:
            raise ConfigurationError(
                f"metadata_obj={metadata_obj!r} is no metadata document",
                hint="give what Alyx2NWBMetadata(eid=…) or SessionMetadata.read(…) returns",
            )
        # A slash behind it says that it is a folder, and a path has none.
        self._target = os.fspath(saveloc) if saveloc is not None else "./"
        self.overwrite = overwrite
        self._options = options
        self.report: Report | None = None

    @property
    def saveloc(self) -> Path:
        """The file, or the folder that it is written to."""
        return Path(self._target)

    def run_conversion(self) -> Report:
        """Convert the session and write the file.

        Returns
        -------
        Report
            Where each dataset went, what was left out, what the checks found; ``report.file`` is
            the file.

        Raises
        ------
        WouldReplace
            If the file is there, and ``overwrite`` was not given; it is a FileExistsError.
        MetadataError
            If the metadata lack something that NWB needs; the message names the fields.
        ConversionError
            If the session cannot be converted as it is. No file is left.
        """
        from fascicle.nwb.converting import convert

        session = self.metadata.open_session(self._one_obj)
        self.metadata = self.metadata.completed(session)
        self.report = convert(
            session,
            self._target,
            metadata=self.metadata,
            overwrite=self.overwrite,
            **self._options,
        )
        return self.report

    def write_nwb(self) -> Report:
        """Return the report of the conversion, which has written the file; convert if need be."""
        return self.report if self.report is not None else self.run_conversion()


# -- search ----------------------------------------------------------------------------------------


def _found(one: Any, archive: Archive, search: Mapping[str, Any]) -> UUID | str:
    """Return the one session that matches."""
    hits = [str(eid) for eid in _search(one, archive, dict(search))]
    said = ", ".join(f"{key}={value!r}" for key, value in search.items())
    if not hits:
        raise SessionNotFound(
            f"no session of {archive.name} has {said}", hint="search for less, or give eid="
        )
    if len(hits) > 1:
        paths = "".join(f"\n  {eid}  {_path(archive, eid)}" for eid in hits[:_SHOWN])
        more = f"\n  and {len(hits) - _SHOWN:,} more" if len(hits) > _SHOWN else ""
        raise SearchTermError(
            f"{len(hits):,} sessions of {archive.name} have {said}:{paths}{more}",
            hint=f'take one of them: Alyx2NWBMetadata(eid="{hits[0]}"), or search for more',
        )
    return hits[0]


def _search(one: Any, archive: Archive, terms: dict[str, Any]) -> Sequence[Any]:
    from fascicle.archives.base import Archive as IsArchive
    from fascicle.one import One
    from fascicle.one.legacy import LegacyONE

    if isinstance(one, str | os.PathLike | IsArchive):
        from fascicle.archives import find

        if (types := terms.pop("dataset_types", None)) is not None:
            types = [types] if isinstance(types, str) else types
            terms["datasets"] = [_without_namespace(name) for name in types]
        return [session.eid for session in find(archives=archive, **terms)]
    if isinstance(one, One) and "dataset_types" in terms:
        # Today's interface asks for files; the first one's for types.
        first = LegacyONE.__new__(LegacyONE)
        first.modern = one
        one = first
    found: Sequence[Any] = one.search(**terms)
    return found


def _without_namespace(name: str) -> str:
    """Return ``audioSpectrogram.frequencies`` of ``_iblmic_audioSpectrogram.frequencies``."""
    return name[1:].partition("_")[2] or name if name.startswith("_") else name


def _path(archive: Archive, eid: str) -> str:
    try:
        return archive.open(eid).record.path
    except SessionNotFound:
        return ""
