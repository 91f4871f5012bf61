"""The metadata document: what an NWB file says of a session, and which data feed which object."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fascicle.errors import MetadataError, nearest
from fascicle.nwb.metadata import fields
from fascicle.nwb.metadata.fields import entries_of, filled, filled_probe, plain, plain_entry

if TYPE_CHECKING:
    from fascicle.archives.base import SessionName
    from fascicle.archives.session import OpenSession
    from fascicle.nwb.metadata.problems import Problem
    from fascicle.nwb.writing.entries import Entry


class SessionMetadata(MutableMapping[str, Any]):
    """What an NWB file says of a session, and which datasets feed which of its objects.

    It is a mapping of plain values, as JSON has them, and may be changed as one:
    ``metadata["subject"]["sex"] = "F"``.

    Parameters
    ----------
    document : mapping, optional
        With the sections ``source``, ``session``, ``subject``, ``probes`` and ``objects``; what is
        not there is empty.

    Attributes
    ----------
    source : dict
        Archive, path and eid of the session.
    session, subject : dict
        The facts; None, an empty list or an empty mapping where nothing is known.
    probes : list of dict
    objects : list of Entry
        The objects of the NWB file, and what feeds them: the mapping.
    listed : dict or None
        Of a document of IBL's first converter: the arrays that it lists, until `completed`.

    Raises
    ------
    MetadataError
        If the document has not this form; the message names the field.

    Examples
    --------
    >>> metadata = SessionMetadata.from_archive("~/data", eid)  # doctest: +SKIP
    >>> metadata.write("session.yaml")  # doctest: +SKIP
    >>> metadata = SessionMetadata.read("session.yaml")  # doctest: +SKIP
    >>> for problem in metadata.problems():  # doctest: +SKIP
    ...     print(problem)
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self._held: dict[str, Any] = {}
        self.listed: dict[str, Any] | None = None
        given = dict(document or {})
        for name, expected in (("format", fields.FORMAT), ("version", fields.VERSION)):
            if given.setdefault(name, expected) != expected:
                raise MetadataError(
                    f"{name}: {given[name]!r} is none that fascicle knows",
                    hint=f"it should be {expected!r}",
                )
        for name in fields.KEYS:
            self[name] = given.pop(name, [] if name in ("probes", "objects") else {})
        if given:
            name = next(iter(given))
            raise MetadataError(
                f"{name}: a metadata document has no such section",
                hint=nearest(str(name), fields.KEYS) or f"it has {', '.join(fields.KEYS)}",
            )

    # -- where it comes from -----------------------------------------------------------------------

    @classmethod
    def from_archive(cls, archive: Any, eid: SessionName) -> SessionMetadata:
        """Collect what an archive knows of a session.

        Parameters
        ----------
        archive : Archive, path-like or ONE object
            An archive, or what ``fascicle.open`` takes for one; an object of `fascicle.one`, of
            `fascicle.oneibl`, or of ONE-api.
        eid : str, UUID, path or OpenSession
            The session.

        Returns
        -------
        SessionMetadata
            What the archive does not know is empty, and `problems` asks for it.

        Raises
        ------
        SessionNotFound
            If the archive does not have it.
        MetadataError
            If a file that describes it cannot be understood.
        """
        from fascicle.nwb.metadata.collect import collect

        return collect(archive, eid)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> SessionMetadata:
        """Read a document from a JSON or YAML file, also one of IBL's first converter.

        Parameters
        ----------
        path : path-like
            Its name ends with ``.json``, ``.yaml`` or ``.yml``.

        Raises
        ------
        MetadataError
            If the file is not there, or no such document; the message names the field or line.
        """
        from fascicle.nwb.metadata.files import read_file
        from fascicle.nwb.metadata.old import from_old, is_old

        document = read_file(path)
        try:
            if is_old(document):
                return from_old(document)
            return cls(document)
        except MetadataError as error:
            raise MetadataError(f"{path}: {error.message}", hint=error.hint) from error

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the document, as JSON or YAML by the file's name, in place of an earlier one.

        Parameters
        ----------
        path : path-like
            Its name ends with ``.json``, ``.yaml`` or ``.yml``.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        MetadataError
            If the name ends otherwise, or the file cannot be written.
        """
        from fascicle.nwb.metadata.files import write_file

        if self.listed is not None:
            raise MetadataError(
                f"the document of {self.label} is one of IBL's first converter, and its objects "
                "are made of it when the session is open",
                hint="metadata.completed(metadata.open_session(archive)).write(path)",
            )
        return write_file(path, self)

    # -- its sections ------------------------------------------------------------------------------

    @property
    def source(self) -> dict[str, Any]:
        """Archive, path and eid of the session."""
        section: dict[str, Any] = self._held["source"]
        return section

    @property
    def session(self) -> dict[str, Any]:
        """What is said of the session."""
        section: dict[str, Any] = self._held["session"]
        return section

    @property
    def subject(self) -> dict[str, Any]:
        """What is said of the animal."""
        section: dict[str, Any] = self._held["subject"]
        return section

    @property
    def probes(self) -> list[dict[str, Any]]:
        """What is said of each probe."""
        section: list[dict[str, Any]] = self._held["probes"]
        return section

    @property
    def objects(self) -> list[Entry]:
        """The objects of the NWB file with what feeds them."""
        section: list[Entry] = self._held["objects"]
        return section

    def probe(self, label: str) -> dict[str, Any] | None:
        """Return what is said of a probe, or None."""
        return next((one for one in self.probes if one.get("label") == label), None)

    def entry(self, nwb: str) -> Entry | None:
        """Return the entry of an object of the file, ``units`` or its last step, or None."""
        exact = next((one for one in self.objects if one.nwb == nwb), None)
        return exact or next((one for one in self.objects if one.name == nwb), None)

    @property
    def eid(self) -> str:
        """The session's id in its archive; empty where none is named."""
        return str(self.source.get("eid") or "")

    @property
    def label(self) -> str:
        """What messages call the session."""
        where = self.source.get("session") or self.session.get("session_id") or self.eid
        return str(where or "a session")

    @property
    def start(self) -> datetime:
        """When the session began, with its time zone.

        Raises
        ------
        MetadataError
            If ``session.start_time`` or ``session.timezone`` do not say.
        """
        from fascicle.nwb.metadata.rules import start_of

        return start_of(self)

    def open_session(self, archive: Any = None) -> OpenSession:
        """Return the session that it describes, open.

        Parameters
        ----------
        archive : Archive, path-like or ONE object, optional
            Where it is, if not where the document says.

        Raises
        ------
        MetadataError
            If the document does not say where it is.
        SessionNotFound, NoIndexError
            If it is not there.
        """
        from fascicle.nwb.metadata.sources import open_source

        return open_source(self, archive)

    def completed(self, session: OpenSession) -> SessionMetadata:
        """Return the document with its mapping, for a session that is open.

        A document that has one is returned as it is. One without objects gets all that the session
        offers. Documents of IBL's first converter list arrays, and objects are made of these once
        the session is known; what they do not say comes from its archive.
        """
        if self.listed is not None:
            from fascicle.nwb.metadata.old import complete

            return complete(self, session)
        if self.objects:
            return self
        from fascicle.nwb.parts import offer_all
        from fascicle.nwb.writing.source import Source

        made = self.copy()
        made["objects"] = offer_all(Source(session), made)
        return made

    # -- what is wrong with it ---------------------------------------------------------------------

    def problems(self) -> list[Problem]:
        """Return what is missing or wrong; those that stop a conversion come first."""
        from fascicle.nwb.metadata.rules import problems_of

        return problems_of(self)

    def validate(self) -> None:
        """Make sure that a session can be converted with it.

        Raises
        ------
        MetadataError
            If something is wrong, or is needed and missing; the message names the fields.
        """
        found = [problem for problem in self.problems() if problem.stops]
        if not found:
            return
        lines = "".join(f"\n  {problem}" for problem in found)
        raise MetadataError(
            f"the metadata of {self.label} are not complete:{lines}",
            hint='set them: metadata["subject"]["sex"] = "F", edit the file that metadata.write() '
            "makes, or put a session.yaml with them into the session's folder"
            if any(problem.field.startswith(("session.", "subject.")) for problem in found)
            else "mend them in the document, or collect it anew",
        )

    # -- a mapping ---------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._held[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key in fields.SECTIONS:
            if not isinstance(value, Mapping):
                raise MetadataError(f"{key}: {value!r} is no mapping of its fields")
            self._held[key] = filled(value, fields.SECTIONS[key])
        elif key == "probes":
            if not isinstance(value, list | tuple):
                raise MetadataError(f"probes: {value!r} is no list of probes")
            for i, one in enumerate(value):
                if not isinstance(one, Mapping):
                    raise MetadataError(f"probes[{i}]: {one!r} is no mapping of its fields")
            self._held[key] = [filled_probe(one) for one in value]
        elif key == "objects":
            self._held[key] = entries_of(value)
        elif key in ("format", "version"):
            self._held[key] = value
        else:
            raise MetadataError(
                f"{key}: a metadata document has no such section",
                hint=nearest(str(key), fields.KEYS) or f"it has {', '.join(fields.KEYS)}",
            )

    def __delitem__(self, key: str) -> None:
        if key not in self._held:
            raise KeyError(key)
        if key not in ("format", "version"):
            self[key] = [] if key in ("probes", "objects") else {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SessionMetadata):
            return self.to_dict() == other.to_dict()
        return NotImplemented

    def to_dict(self) -> dict[str, Any]:
        """Return a copy of it as JSON has it, the entries too."""
        out = {key: plain(self._held[key]) for key in fields.KEYS if key != "objects"}
        out["objects"] = [plain_entry(entry) for entry in self.objects]
        return out

    def copy(self) -> SessionMetadata:
        """Return a copy that may be changed by itself."""
        return copy.deepcopy(self)

    # -- how it shows ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        on = sum(entry.on for entry in self.objects)
        return f"<metadata of {self.label}: {len(self.probes)} probes, {on} NWB objects>"

    def _repr_html_(self) -> str:
        from fascicle.nwb.metadata.show import html_of

        return html_of(self)
