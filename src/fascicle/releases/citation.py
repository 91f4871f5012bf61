"""How a release is cited: CITATION.cff, DataCite's JSON, BibTeX, plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fascicle.errors import ConfigurationError, nearest
from fascicle.formats.manifest import Manifest
from fascicle.releases.about import About

#: The forms in which a release can be cited.
Format: TypeAlias = Literal["text", "bibtex", "cff", "datacite"]
FORMATS: tuple[Format, ...] = ("text", "bibtex", "cff", "datacite")

#: Licenses that data are published under, by their SPDX identifiers, with their addresses.
LICENSES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC-BY-NC-SA-4.0": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "CC-BY-ND-4.0": "https://creativecommons.org/licenses/by-nd/4.0/",
    "CC-BY-NC-ND-4.0": "https://creativecommons.org/licenses/by-nc-nd/4.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "ODC-By-1.0": "https://opendatacommons.org/licenses/by/1-0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
    "PDDL-1.0": "https://opendatacommons.org/licenses/pddl/1-0/",
    "MIT": "https://opensource.org/license/mit",
    "BSD-3-Clause": "https://opensource.org/license/bsd-3-clause",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_"},
}


@dataclass(frozen=True, slots=True)
class Citation:
    """A version of a release, ready to be cited.

    Attributes
    ----------
    project, version : str
    date : str
        The day on which it was made, ``2026-01-31``; may be empty.
    about : About
        What it says of itself.
    place : str
        Where it lies: said where there is neither a DOI nor a page.
    n_files, n_bytes : int
        Of its data; 0 where that is not known.
    """

    project: str
    version: str
    date: str
    about: About
    place: str = ""
    n_files: int = 0
    n_bytes: int = 0

    @classmethod
    def of(cls, manifest: Manifest, *, place: str = "") -> Citation:
        """Return the citation of a manifest's version."""
        sizes = [entry.size or 0 for entry in manifest.data_files.values()]
        return cls(
            manifest.project,
            manifest.version,
            str(manifest.about.get("created", ""))[:10],
            About.of(manifest.about),
            place,
            len(sizes),
            sum(sizes),
        )

    @property
    def title(self) -> str:
        """Its title, or the project's name where it has none."""
        return self.about.title or self.project

    @property
    def authors(self) -> list[Mapping[str, str]]:
        """Its authors, or the project where it names none."""
        return list(self.about.authors) or [{"name": self.project}]

    @property
    def year(self) -> str:
        """The year of its making."""
        return self.date[:4]

    @property
    def publisher(self) -> str:
        """Who makes it available: the project where it does not say."""
        return self.about.publisher or self.project

    @property
    def url(self) -> str:
        """Where a reader finds it: the DOI's address, its page, or the place."""
        if self.about.doi:
            return f"https://doi.org/{self.about.doi}"
        return self.about.url or self.place

    def to(self, format: Format | str) -> str:
        """Return it in one of the forms.

        Parameters
        ----------
        format : {'text', 'bibtex', 'cff', 'datacite'}

        Raises
        ------
        ConfigurationError
            If there is no such form.
        """
        if format not in FORMATS:
            raise ConfigurationError(
                f"no citation in the form {format!r}",
                hint=nearest(format, FORMATS) or f"forms are {', '.join(FORMATS)}",
            )
        return str(getattr(self, f"_{format}")())

    def _text(self) -> str:
        names = [_short_name(author) for author in self.authors]
        shown = ", ".join(names[:20]) + (", et al." if len(names) > 20 else "")
        year = f" ({self.year})" if self.year else ""
        parts = [f"{shown}{year}", f"{self.title} (version {self.version}) [Data set]"]
        if self.publisher not in (self.title, *names):
            parts.append(self.publisher)
        return ". ".join(part.rstrip(".") for part in parts) + f". {self.url}".rstrip() + "\n"

    def _bibtex(self) -> str:
        first = self.authors[0].get("family") or self.authors[0].get("name", "")
        key = re.sub(r"\W+", "", f"{first}{self.year}{self.project}") or "data"
        names = " and ".join(
            f"{escaped(a['family'])}, {escaped(a.get('given', ''))}".rstrip(", ")
            if a.get("family")
            else f"{{{escaped(a['name'])}}}"
            for a in self.authors
        )
        rows = {
            "author": names,
            "title": f"{{{escaped(self.title)}}}",
            "year": self.year,
            "version": escaped(self.version),
            "publisher": escaped(self.publisher),
            # Left as it is: a DOI and an address are no text to typeset.
            "doi": self.about.doi,
            "url": self.url.replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C"),
            "note": "Data set",
        }
        lines = "".join(f"  {name} = {{{value}}},\n" for name, value in rows.items() if value)
        return f"@misc{{{key},\n{lines}}}\n"

    def _cff(self) -> str:
        import yaml

        document: dict[str, Any] = {
            "cff-version": "1.2.0",
            "message": "If you use these data, please cite them as below.",
            "type": "dataset",
            "title": self.title,
            "authors": [_cff_author(author) for author in self.authors],
            "version": self.version,
            "date-released": self.date,
            "doi": self.about.doi,
            "abstract": self.about.description,
            "keywords": list(dict.fromkeys(self.about.keywords)),
            "url": self.url if self.url.startswith("http") else "",
        }
        licence = self.about.license
        document["license" if licence in LICENSES else "license-url"] = (
            licence if licence in LICENSES or licence.startswith("http") else ""
        )
        kept = {name: value for name, value in document.items() if value}
        return str(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=100))

    def _datacite(self) -> str:
        about = self.about
        document: dict[str, Any] = {
            "schemaVersion": "http://datacite.org/schema/kernel-4",
            "identifiers": [{"identifier": about.doi, "identifierType": "DOI"}]
            if about.doi
            else [
                {
                    "identifier": self.url or f"{self.project} {self.version}",
                    "identifierType": "URL" if self.url else "Other",
                }
            ],
            "doi": about.doi,
            "creators": [_creator(author) for author in self.authors],
            "titles": [{"title": self.title}],
            "publisher": {"name": self.publisher},
            "publicationYear": self.year,
            "types": {
                "resourceTypeGeneral": "Dataset",
                "resourceType": "Neurophysiology recordings",
            },
            "version": self.version,
            "dates": [{"date": self.date, "dateType": "Issued"}] if self.date else [],
            "subjects": [{"subject": word} for word in about.keywords],
            "descriptions": [
                {"description": about.description, "descriptionType": "Abstract", "lang": "en"}
            ]
            if about.description
            else [],
            "rightsList": _rights(about.license),
            "sizes": [f"{self.n_files} files", f"{self.n_bytes} bytes"] if self.n_files else [],
            "url": about.url or (self.place if self.place.startswith("http") else ""),
        }
        kept = {name: value for name, value in document.items() if value}
        return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"


def escaped(text: str) -> str:
    """Return a text as LaTeX takes it."""
    return "".join(_SPECIAL.get(c, c) for c in " ".join(text.split()))


def _short_name(author: Mapping[str, str]) -> str:
    if not author.get("family"):
        return author["name"]
    initials = "".join(
        f"{part[0]}." for part in re.split(r"[\s.-]+", author.get("given", "")) if part
    )
    return f"{author['family']}, {initials}".rstrip(", ")


def _cff_author(author: Mapping[str, str]) -> dict[str, str]:
    words = {"family": "family-names", "given": "given-names", "name": ""}
    if not author.get("family"):
        words = {"given": "", "affiliation": ""}  # these are of persons alone
    return {words.get(name, name): value for name, value in author.items() if words.get(name, name)}


def _creator(author: Mapping[str, str]) -> dict[str, Any]:
    if not author.get("family"):
        return {"name": author["name"], "nameType": "Organizational"}
    given = author.get("given", "")
    found: dict[str, Any] = {
        "name": f"{author['family']}, {given}".rstrip(", "),
        "nameType": "Personal",
        "givenName": given,
        "familyName": author["family"],
    }
    if author.get("orcid"):
        found["nameIdentifiers"] = [
            {
                "nameIdentifier": author["orcid"],
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ]
    if author.get("affiliation"):
        found["affiliation"] = [{"name": author["affiliation"]}]
    return {name: value for name, value in found.items() if value}


def _rights(licence: str) -> list[dict[str, str]]:
    if licence in LICENSES:
        return [
            {
                "rights": licence,
                "rightsIdentifier": licence.lower(),
                "rightsIdentifierScheme": "SPDX",
                "rightsUri": LICENSES[licence],
            }
        ]
    if licence.startswith("http"):
        return [{"rights": licence, "rightsUri": licence}]
    return [{"rights": licence}] if licence else []
