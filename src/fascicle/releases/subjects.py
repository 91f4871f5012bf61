"""What a release says of its subjects and sessions, and what is missing."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.releases.report import Finding
from fascicle.releases.rules import SEXES, SUBJECT_FIELDS, SUBJECT_FILES, SUBJECT_NAMES

if TYPE_CHECKING:
    from fascicle.releases.folder import Prepared
    from fascicle.releases.tables import Row

_LARGEST = 64 << 20


def check_subjects(found: Prepared, rows: Sequence[Row]) -> Iterator[Finding]:
    """Say what is not known of the subjects and sessions of a release."""
    columns = found.contents.columns
    numbers = sorted({int(columns.session[row.number]) for row in rows})
    sessions = [columns.sessions[n] for n in numbers]
    if not sessions:
        return
    subjects = sorted({s.subject for s in sessions})
    yield from _subjects(found.root, subjects)
    for what, lacking in (
        ("lab", [s for s in sessions if not s.lab]),
        ("task protocol", [s for s in sessions if not s.task_protocol]),
        ("project", [s for s in sessions if not s.projects]),
    ):
        if lacking:
            example = f", as {lacking[0].path}" if len(lacking) < len(sessions) else ""
            yield Finding(
                "sessions", "", f"{len(lacking):,} of {len(sessions):,} have no {what}{example}"
            )


def _subjects(root: Path, subjects: Sequence[str]) -> Iterator[Finding]:
    name = next((n for n in SUBJECT_FILES if (root / n).is_file()), "")
    if not name:
        yield Finding(
            "subjects",
            "",
            f"no subjects.csv: species, sex and date of birth of {len(subjects):,} subjects are "
            "not in the release",
        )
        return
    try:
        known = read_subjects(root / name)
    except (OSError, ValueError) as error:
        yield Finding("subjects", name, f"cannot be read: {error}")
        return
    for subject in subjects:
        if subject not in known:
            yield Finding("subjects", name, f"nothing of {subject}")
            continue
        row = known[subject]
        for what, columns in SUBJECT_FIELDS.items():
            if not any(str(row.get(column) or "").strip() for column in columns):
                yield Finding("subjects", name, f"no {what} of {subject}")
        sex = str(row.get("sex") or "").strip()
        if sex and sex.lower() not in SEXES:
            yield Finding("subjects", name, f"sex of {subject} is {sex!r}: M, F, U or O")


def read_subjects(path: Path) -> dict[str, dict[str, Any]]:
    """Read a table of subjects.

    Parameters
    ----------
    path : pathlib.Path
        A table with a row per subject, or a YAML or JSON file: a list of records, or a mapping of
        names to records.

    Returns
    -------
    dict
        Subject to record, with lower-case names.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is too large for a list of subjects")
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix in (".csv", ".tsv"):
        rows: Any = list(csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in text else ","))
    elif path.suffix == ".json":
        rows = json.loads(text)
    else:
        import yaml

        try:
            rows = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error).splitlines()[0]) from error
    if isinstance(rows, dict):
        rows = [{"subject": key, **value} for key, value in rows.items() if isinstance(value, dict)]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is no list of subjects")
    known = {}
    for row in rows:
        record = {str(key).strip().lower(): value for key, value in row.items()}
        name = next((str(record[n]).strip() for n in SUBJECT_NAMES if record.get(n)), "")
        if name:
            known[name] = record
    if rows and not known:
        raise ValueError(f"it has no column {', '.join(SUBJECT_NAMES)}")
    return known
