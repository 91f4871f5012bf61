"""What a release says of itself: title, authors, license, DOI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fascicle.errors import ConfigurationError, nearest

#: Where a folder can say what its releases are, in the order in which they are believed.
FILES = ("release.toml", "CITATION.cff")

_DOI = re.compile(r"10\.\d{4,9}/[^\s\"<>{}|\\^`]+")
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_LARGEST = 1 << 20
_PERSON = ("given", "family", "name", "orcid", "affiliation", "email")


@dataclass(frozen=True, slots=True)
class About:
    """What a release says of itself.

    Attributes
    ----------
    title, description : str
    license : str
        Its SPDX identifier (``CC-BY-4.0``), or an address.
    doi : str
        Without ``https://doi.org/``.
    authors : tuple of dict
        Each with ``family`` and ``given``, or with ``name`` where it is no person; perhaps with
        ``orcid``, ``affiliation`` and ``email``.
    keywords : tuple of str
    publisher : str
        Who makes the data available.
    url : str
        A page about the data.
    """

    title: str = ""
    description: str = ""
    license: str = ""
    doi: str = ""
    authors: tuple[Mapping[str, str], ...] = ()
    keywords: tuple[str, ...] = ()
    publisher: str = ""
    url: str = ""

    @classmethod
    def of(cls, said: Mapping[str, Any], *, where: str = "") -> About:
        """Return what plain values say, checked.

        Parameters
        ----------
        said : mapping
            Some of the attributes; other keys do not count.
        where : str, optional
            What messages call it.

        Raises
        ------
        ConfigurationError
            If one has a value that it cannot have.
        """
        known: dict[str, Any] = {}
        for name in (f.name for f in fields(cls)):
            value = said.get(name)
            if value is None or value == "":
                continue
            if name == "authors":
                known[name] = authors(value, where=where)
            elif name == "keywords":
                if not _is_texts(value):
                    raise _wrong(where, name, "a list of words")
                known[name] = tuple(value)
            elif not isinstance(value, str):
                raise _wrong(where, name, "a text")
            else:
                known[name] = value.strip()
        if "doi" in known:
            known["doi"] = plain_doi(known["doi"])
        return cls(**known)

    def over(self, other: About) -> About:
        """Return this, with what it lacks from another."""
        lacking = {
            f.name: getattr(other, f.name) for f in fields(self) if not getattr(self, f.name)
        }
        return replace(self, **lacking)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, as plain values for a manifest."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["authors"] = [dict(author) for author in self.authors]
        values["keywords"] = list(self.keywords)
        return {name: value for name, value in values.items() if value}


def _is_texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)


def _wrong(where: str, name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{where + ': ' if where else ''}{name} is not {what}")


def plain_doi(text: str) -> str:
    """Return a DOI without the address in front of it.

    Raises
    ------
    ConfigurationError
        If it is none.

    Examples
    --------
    >>> plain_doi("https://doi.org/10.5281/zenodo.1234")
    '10.5281/zenodo.1234'
    """
    doi = re.sub(r"^(?:doi:\s*|https?://(?:dx\.)?doi\.org/)", "", text.strip(), flags=re.IGNORECASE)
    if not _DOI.fullmatch(doi):
        raise ConfigurationError(f"{text!r} is no DOI", hint="such as 10.5281/zenodo.1234")
    return doi


def authors(given: Iterable[Any], *, where: str = "") -> tuple[dict[str, str], ...]:
    """Return authors as records.

    Parameters
    ----------
    given : iterable of str or mapping
        ``Family, Given``; ``Given Family``; one word, or ``{The Brain Lab}`` in braces, for who is
        no person; or records with ``given``, ``family``, ``name``, ``orcid``, ``affiliation``.

    Raises
    ------
    ConfigurationError
        If one is none of these.
    """
    if isinstance(given, (str, Mapping)):
        given = [given]
    return tuple(_author(one, where) for one in given)


def _author(one: Any, where: str) -> dict[str, str]:
    if isinstance(one, str):
        text = " ".join(one.split())
        if not text:
            raise _wrong(where, "authors", "a list of names")
        if text.startswith("{") and text.endswith("}"):
            return {"name": text[1:-1].strip()}
        family, comma, first = text.partition(",")
        if not comma:
            first, _, family = text.rpartition(" ")
        if not first:
            return {"name": family}
        return {"family": family.strip(), "given": first.strip()}
    if not isinstance(one, Mapping):
        raise _wrong(where, "authors", "a list of names or records")
    # The words of CITATION.cff are understood too.
    words = {"family-names": "family", "given-names": "given", "alias": ""}
    person: dict[str, str] = {}
    for key, value in one.items():
        name = words.get(str(key), str(key))
        if name in _PERSON and value not in (None, ""):
            person[name] = str(value).strip()
    if not (person.get("name") or person.get("family")):
        raise ConfigurationError(
            f"{where + ': ' if where else ''}an author has no name: {dict(one)!r}",
            hint='{ given = "Ada", family = "Lovelace" }, or { name = "The Brain Lab" }',
        )
    if particle := one.get("name-particle"):
        person["family"] = f"{particle} {person.get('family', '')}".strip()
    if orcid := person.get("orcid"):
        found = _ORCID.search(orcid)
        if found is None:
            raise ConfigurationError(f"{orcid!r} is no ORCID", hint="such as 0000-0002-1825-0097")
        person["orcid"] = f"https://orcid.org/{found[0]}"
    return {name: person[name] for name in _PERSON if name in person}


def read_about(folder: Path) -> tuple[About, str]:
    """Return what a folder says of its releases, and the project's name if it says one.

    Parameters
    ----------
    folder : pathlib.Path
        ``release.toml`` and ``CITATION.cff`` at its root are read; the former counts more.

    Raises
    ------
    ConfigurationError
        If one of them cannot be understood.
    """
    about, project = About(), ""
    for name in FILES:
        path = folder / name
        if not path.is_file():
            continue
        said = _toml(path) if name.endswith(".toml") else _cff(path)
        about = about.over(About.of(said, where=name))
        project = project or str(said.get("project") or "")
    return about, project


def _text(path: Path) -> str:
    try:
        with path.open("rb") as f:
            data = f.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ConfigurationError(f"{path} is too large to describe a release")
        return data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        said = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from error
    known = [f.name for f in fields(About)] + ["project"]
    for key in said:
        if key not in known:
            raise ConfigurationError(
                f"{path} has an unknown key {key!r}",
                hint=nearest(key, known) or f"known are {', '.join(known)}",
            )
    return said


def _cff(path: Path) -> dict[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(said, dict):
        raise ConfigurationError(f"{path} is no CITATION.cff")
    found: dict[str, Any] = {k: said.get(k) for k in ("title", "doi", "authors", "keywords", "url")}
    licence = said.get("license") or said.get("license-url")
    found["license"] = licence[0] if isinstance(licence, list) and licence else licence
    found["description"] = said.get("abstract")
    return found


def missing(about: About) -> Sequence[str]:
    """Return what a release should say of itself and does not."""
    return [name for name in ("title", "authors", "license") if not getattr(about, name)]
