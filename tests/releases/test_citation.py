"""How releases are cited: in forms that the readers of these forms accept."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
import yaml

from fascicle.errors import ConfigurationError
from fascicle.releases import About, Citation, Release, publish
from fascicle.releases.about import authors, plain_doi
from fascicle.releases.citation import LICENSES

FULL = About.of(
    {
        "title": "Spikes & {choices}: 100% of #1_a",
        "description": 'Two lines,\nof "text" — with ünïcode: yes',
        "license": "CC-BY-4.0",
        "doi": "https://doi.org/10.5281/zenodo.1234",
        "authors": [
            {
                "given": "Ada M.",
                "family": "Lovelace",
                "orcid": "0000-0002-1825-0097",
                "affiliation": "Analytical Engines",
                "email": "ada@example.org",
            },
            "Müller-Lüdenscheidt, Karl Heinz",
            "{The Brain Lab}",
        ],
        "keywords": ["ephys", "mouse", "ephys"],
        "publisher": "Zenodo",
        "url": "https://example.org/data",
    }
)
EMPTY = About()


def citation(about: About) -> Citation:
    return Citation("choice-task", "1.1.0", "2026-01-31", about, "s3://lab-data/choice-task", 3, 99)


def check_cff(text: str) -> dict[str, object]:
    """Hold a document against what version 1.2.0 of the format asks for."""
    said = yaml.safe_load(text)
    known = {
        *("abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi"),
        *("identifiers", "keywords", "license", "license-url", "message", "preferred-citation"),
        *("references", "repository", "repository-artifact", "repository-code", "title", "type"),
        *("url", "version"),
    }
    assert set(said) <= known
    assert said["cff-version"] == "1.2.0" and said["type"] == "dataset"
    for name in ("message", "title", "version"):
        assert isinstance(said[name], str) and said[name]
    assert said["authors"]
    for author in said["authors"]:
        if "name" in author:
            assert set(author) <= {"name", "orcid", "email", "website", "alias"}
        else:
            person = {"family-names", "given-names", "orcid", "email", "affiliation"}
            assert set(author) <= person and author["family-names"]
        assert re.fullmatch(
            r"https://orcid\.org/[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]{1}",
            author.get("orcid", "https://orcid.org/0000-0000-0000-0000"),
        )
    assert re.fullmatch(
        r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-\.\(\)\[\]\\]+", said.get("doi", "10.1234/x")
    )
    dt.date.fromisoformat(said["date-released"])
    assert said.get("license", "CC-BY-4.0") in LICENSES
    assert len(said.get("keywords", [])) == len(set(said.get("keywords", [])))
    assert str(said.get("url", "https://")).startswith(("http", "ftp"))
    return dict(said)


@pytest.mark.parametrize("about", [FULL, EMPTY], ids=["full", "empty"])
def test_cff(about: About) -> None:
    said = check_cff(citation(about).to("cff"))
    assert said["title"] == (about.title or "choice-task")
    if about is FULL:
        assert said["authors"][2] == {"name": "The Brain Lab"}  # type: ignore[index]
        assert said["abstract"] == FULL.description


@pytest.mark.parametrize("about", [FULL, EMPTY], ids=["full", "empty"])
def test_datacite(about: About) -> None:
    said = json.loads(citation(about).to("datacite"))
    for name in ("creators", "titles", "publisher", "publicationYear", "types", "version"):
        assert said[name], name
    assert said["schemaVersion"] == "http://datacite.org/schema/kernel-4"
    assert said["types"]["resourceTypeGeneral"] == "Dataset"
    assert re.fullmatch(r"[0-9]{4}", said["publicationYear"])
    assert said["identifiers"][0].keys() == {"identifier", "identifierType"}
    kinds = {creator["nameType"] for creator in said["creators"]}
    if about is FULL:
        assert said["doi"] == "10.5281/zenodo.1234"
        assert kinds == {"Personal", "Organizational"}
        assert said["creators"][0]["nameIdentifiers"][0]["nameIdentifier"].endswith("0097")
        assert said["rightsList"][0]["rightsUri"] == LICENSES["CC-BY-4.0"]
    else:
        assert said["identifiers"][0]["identifier"] == "s3://lab-data/choice-task"


def test_bibtex() -> None:
    text = citation(FULL).to("bibtex")
    assert text.startswith("@misc{Lovelace2026choicetask,\n")
    assert r"title = {{Spikes \& \{choices\}: 100\% of \#1\_a}}" in text
    assert (
        r"author = {Lovelace, Ada M. and Müller-Lüdenscheidt, Karl Heinz and {The Brain Lab}}"
        in text
    )
    assert "doi = {10.5281/zenodo.1234}" in text and "version = {1.1.0}" in text
    for about in (FULL, EMPTY):
        text = citation(about).to("bibtex")
        plain = text.replace(r"\{", "").replace(r"\}", "")
        assert plain.count("{") == plain.count("}")


def test_text() -> None:
    assert citation(FULL).to("text") == (
        "Lovelace, A.M., Müller-Lüdenscheidt, K.H., The Brain Lab (2026). Spikes & {choices}: 100% "
        "of #1_a (version 1.1.0) [Data set]. Zenodo. https://doi.org/10.5281/zenodo.1234\n"
    )
    assert citation(EMPTY).to("text") == (
        "choice-task (2026). choice-task (version 1.1.0) [Data set]. s3://lab-data/choice-task\n"
    )
    with pytest.raises(ConfigurationError, match="no citation"):
        citation(EMPTY).to("bibtx")


def test_names_of_authors() -> None:
    assert authors(["Lovelace, Ada", "Ada King Lovelace", "{A B}", "Plato"]) == (
        {"given": "Ada", "family": "Lovelace"},
        {"given": "Ada King", "family": "Lovelace"},
        {"name": "A B"},
        {"name": "Plato"},
    )
    assert authors([{"family-names": "Beethoven", "name-particle": "van"}]) == (
        {"family": "van Beethoven"},
    )
    for wrong in ([""], [3], [{}], [{"family": "X", "orcid": "12"}]):
        with pytest.raises(ConfigurationError):
            authors(wrong)


@pytest.mark.parametrize("text", ["10.5281/zenodo.1234", "doi: 10.5281/zenodo.1234"])
def test_dois(text: str) -> None:
    assert plain_doi(text) == "10.5281/zenodo.1234"
    for wrong in ("zenodo.1234", "10.1/x", "10.1234/a b", 'https://x.org/10.1234/"'):
        with pytest.raises(ConfigurationError):
            plain_doi(wrong)


def test_a_release_cites_itself(folder: Path, tmp_path: Path) -> None:
    publish(
        folder,
        version="1.0.0",
        to=tmp_path / "out",
        title="Choices",
        authors=[{"given": "Ada", "family": "Lovelace"}, "{The Brain Lab}"],
        license="CC-BY-4.0",
        keywords=["a"],
    )
    release = Release(tmp_path / "out")
    assert check_cff(release.cite("cff"))["title"] == "Choices"
    assert "Lovelace, A., The Brain Lab" in release.cite()
    assert release.about.license == "CC-BY-4.0"
    assert "Lovelace" in release._repr_html_()
