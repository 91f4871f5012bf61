"""The rows that every hub begins with."""

from __future__ import annotations

import csv
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Two hubs give the same id to the same row, so that what one registers the other understands.
NAMESPACE = uuid.UUID("b0f5a4a2-54b7-3b1e-9c27-6a4f1a0a6d31")


def fill(apps: Any) -> None:
    """Make the rows; those whose name is there already stay as they are.

    Parameters
    ----------
    apps : django.apps.registry.Apps
        Where the models are: as they are, or as they were when a migration was written.
    """
    tables = tomllib.loads((HERE / "tables.toml").read_text(encoding="utf-8"))
    _named(apps, "DataRepositoryType", ({"name": name} for name in tables["repository_types"]))
    _named(apps, "WaterType", ({"name": name} for name in tables["water_types"]))
    _named(apps, "ProcedureType", ({"name": name} for name in tables["procedure_types"]))
    _named(
        apps,
        "ProbeModel",
        (
            {"name": name, "probe_manufacturer": maker, "probe_model": model}
            for name, maker, model in tables["probe_models"]
        ),
    )
    _named(
        apps,
        "CoordinateSystem",
        ({"name": n, "description": text} for n, text in tables["coordinate_systems"].items()),
    )
    _named(apps, "DataFormat", _rows("data_formats.tsv"))
    _named(
        apps,
        "DatasetType",
        (
            {**row, "filename_pattern": row["filename_pattern"] or None}
            for row in _rows("dataset_types.tsv")
        ),
    )
    _regions(apps.get_model("hub", "BrainRegion"))


def brain_regions() -> Iterator[dict[str, Any]]:
    """Yield the regions as rows of a nested set: a region's descendants lie within its bounds.

    The void is the parent of the root, as in Alyx.
    """
    from fascicle.atlas.table import VOID, table

    t = table()
    n = len(t.ids)
    for i in range(n):
        level = t.depths[i] + (t.ids[i] != VOID)
        end = n if i == 0 else t.end[i]
        # Before a region is entered, i were entered and all but its ancestors were left.
        left = 2 * i + 1 - level
        parent = t.parents[i]
        yield {
            "id": t.ids[i],
            "acronym": t.acronyms[i],
            "name": t.names[i],
            "parent_id": None if i == 0 else t.ids[max(parent, 0)],
            "lft": left,
            "rght": left + 2 * (end - i) - 1,
            "level": level,
        }


def _regions(model: Any) -> None:
    present = set(model.objects.values_list("id", flat=True))
    model.objects.bulk_create(
        (model(**row) for row in brain_regions() if row["id"] not in present), batch_size=500
    )


def _named(apps: Any, name: str, rows: Iterable[dict[str, Any]]) -> None:
    model = apps.get_model("hub", name)
    present = set(model.objects.values_list("name", flat=True))
    model.objects.bulk_create(
        model(id=uuid.uuid3(NAMESPACE, f"{name}/{row['name']}"), **row)
        for row in rows
        if row["name"] not in present
    )


def _rows(file: str) -> Iterator[dict[str, str]]:
    with open(HERE / file, encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
