"""Make a hub's database forty times as large, within the database.

``python benchmarks/hub_grow.py FOLDER --state DIR [--database URL]`` takes what `hub_data` made for
2,000 sessions and leaves 80,000 sessions with 75 datasets each: first each session gets more
datasets, then all of it is copied, with other laboratories, subjects, days and ids. Rows never
leave the database, which is much quicker than to make each of 6 million here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

COPIES = 39
DATASETS = 75
DAYS = 119  # between copies, so that a range of days has as few sessions as before
MORE = "bench.more"
#: What is copied, and of some tables which rows: files have one copy, probes few channels.
TABLES = {
    "Lab": "",
    "Subject": "",
    "Session": "",
    "Session.projects": "",
    "Session.users": "",
    "Session.procedures": "",
    "Dataset": "",
    "FileRecord": "data_repository_id IN (SELECT id FROM hub_datarepository WHERE name = 'bench')",
    "Dataset.tags": "",
    "WaterAdministration": "",
    "ProbeInsertion": "",
    "ProbeInsertion.datasets": "",
    "InsertionRegion": "",
    "TrajectoryEstimate": "",
    "Channel": "axial <= 40",
}
#: What names a row, and must not be the same in two.
NAMED = {("Lab", "name"), ("Subject", "nickname")}


def grow(copies: int = COPIES, datasets: int = DATASETS) -> dict[str, int]:
    """Copy the rows of this process's hub; return how many there are then.

    Parameters
    ----------
    copies : int
        How often.
    datasets : int
        How many datasets each session has in the end.
    """
    from django.db import connection

    from fascicle.hub import models

    with connection.cursor() as cursor, _quickly(cursor):
        _more_datasets(cursor, datasets)
        for name, where in TABLES.items():
            table = _model(name)._meta.db_table
            cursor.execute(
                f"CREATE TEMPORARY TABLE first_{table} AS SELECT * FROM {table}"
                f" WHERE {where or '1 = 1'} ORDER BY id"  # so that indexes grow at their ends
            )
        for number in range(1, copies + 1):
            for name in TABLES:
                _copy(cursor, name, number)
    counted = ("Session", "Dataset", "FileRecord", "ProbeInsertion", "Channel")
    return {name: getattr(models, name).objects.count() for name in counted}


def _model(name: str) -> Any:
    from fascicle.hub import models

    table, _, relation = name.partition(".")
    model = getattr(models, table)
    return getattr(model, relation).through if relation else model


def _is_sqlite() -> bool:
    from django.db import connection

    return bool(connection.vendor == "sqlite")


@contextmanager
def _quickly(cursor: Any) -> Iterator[None]:
    """Leave out while rows are copied what can be made or is known to hold afterwards."""
    from django.db import transaction

    tables = [f"'{_model(name)._meta.db_table}'" for name in TABLES]
    inside = f"({', '.join(tables)})"
    if _is_sqlite():
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute("PRAGMA journal_mode=OFF")  # a database that is left half made is no loss
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("PRAGMA cache_size=-800000")
        find = (
            "SELECT name, sql FROM sqlite_master"
            f" WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN {inside}"
        )
    else:
        cursor.execute("SET session_replication_role = replica")  # no checks of relations
        cursor.execute("SET maintenance_work_mem = '400MB'")
        cursor.execute("SET statement_timeout = 0")
        find = (
            f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN {inside}"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
    cursor.execute(find)
    indexes = cursor.fetchall()
    with transaction.atomic():
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, statement in indexes:
            cursor.execute(statement)
    cursor.execute("ANALYZE" if _is_sqlite() else "VACUUM ANALYZE")
    if _is_sqlite():
        cursor.execute("PRAGMA journal_mode=WAL")


def _insert(cursor: Any, model: Any, given: Mapping[str, str], rows: str) -> None:
    """Insert rows made from others; what is not given stays."""
    fields = [f for f in model._meta.concrete_fields if f.get_internal_type() != "BigAutoField"]
    names = ", ".join(f'"{f.column}"' for f in fields)
    values = ", ".join(given.get(f.column, f'"{f.column}"') for f in fields)
    cursor.execute(f"INSERT INTO {model._meta.db_table} ({names}) SELECT {values} FROM {rows}")


def _id(column: str, number: int) -> str:
    """Return the id of a row's copy: its first digits are the copy's number.

    Its version differs, too, so that it is none that there is already.
    """
    version = f"CASE substr({_digits(column)}, 13, 1) WHEN '4' THEN '5' ELSE '1' END"
    text = f"'{number:03x}' || substr({_digits(column)}, 4, 9) || {version}"
    return _as_id(f"{text} || substr({_digits(column)}, 14)")


def _another(column: str, number: int) -> str:
    """Return the id of a further row beside one: the last digits and the version differ."""
    text = f"substr({_digits(column)}, 1, 12) || '3' || substr({_digits(column)}, 14, 16)"
    return _as_id(f"{text} || '{number:03x}'")


def _digits(column: str) -> str:
    return column if _is_sqlite() else f"replace({column}::text, '-', '')"


def _as_id(text: str) -> str:
    return text if _is_sqlite() else f"({text})::uuid"


def _later(column: str, kind: str, number: int) -> str:
    days = number * DAYS
    if not _is_sqlite():
        return (
            f"({column} + interval '{days} days')::{'date' if kind == 'DateField' else 'timestamp'}"
        )
    if kind == "DateField":
        return f"date({column}, '+{days} days')"
    return f"datetime({column}, '+{days} days') || substr({column}, 20)"


def _copy(cursor: Any, name: str, number: int) -> None:
    model = _model(name)
    given: dict[str, str] = {}
    for field in model._meta.concrete_fields:
        column, kind = field.column, field.get_internal_type()
        copied = field.is_relation and field.related_model.__name__ in TABLES
        if copied or (field.primary_key and kind == "UUIDField"):
            given[column] = _id(column, number)
        elif (name, column) in NAMED:
            given[column] = f"{column} || '_{number:02d}'"
        elif name == "Session" and kind in ("DateField", "DateTimeField"):
            given[column] = _later(column, kind, number)
    _insert(cursor, model, given, f"first_{model._meta.db_table}")


def _more_datasets(cursor: Any, datasets: int) -> None:
    """Give each session further datasets, of a type of their own, until it has enough."""
    from fascicle.hub.models import Dataset, DatasetType, FileRecord, Session

    kind, _ = DatasetType.objects.get_or_create(name=MORE)
    key = f"'{kind.pk.hex}'" if _is_sqlite() else f"'{kind.pk}'::uuid"
    table, records = Dataset._meta.db_table, FileRecord._meta.db_table
    one = Session.objects.filter(probe_insertion__isnull=False).first() or Session.objects.first()
    first = has = Dataset.objects.filter(session=one).count()
    cursor.execute(
        f"CREATE TEMPORARY TABLE first_some AS SELECT d.*, row_number() OVER"
        f" (PARTITION BY session_id ORDER BY collection, name) AS place FROM {table} d"
    )
    cursor.execute("CREATE INDEX by_id ON first_some (id)")
    number = 0
    while has < datasets:
        number += 1
        wanted = f"place <= {datasets - has}"
        name = f"'_bench{number:02d}_' || name"
        given = {"id": _another("id", number), "name": name, "dataset_type_id": key}
        _insert(cursor, Dataset, given, f"first_some WHERE {wanted} ORDER BY id")
        given = {"id": _another("id", number), "dataset_id": _another("dataset_id", number)}
        _insert(
            cursor,
            FileRecord,
            given,
            f"{records} WHERE {TABLES['FileRecord']}"
            f" AND dataset_id IN (SELECT id FROM first_some WHERE {wanted})",
        )
        has += min(first, datasets - has)


def main() -> None:
    """Enlarge the database of a hub that `hub_data` filled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--state")
    parser.add_argument("--database")
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--datasets", type=int, default=DATASETS, help="of each session")
    given = parser.parse_args()

    from fascicle.hub.config import load_config
    from fascicle.hub.setup import prepare

    more = {key: getattr(given, key) for key in ("state", "database") if getattr(given, key)}
    prepare(load_config(given.folder, **more))
    began = time.perf_counter()
    print(grow(given.copies, given.datasets), f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
