"""An Alyx's dump comes into a hub, and a hub's database into a dump; nothing is lost between."""

from __future__ import annotations

import gzip
import json
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fascicle.testing.hub import HubServer

REAL = "data/alyx_fixtures/all_dumped_anon.json.gz"  # of the shared data: a real lab's
START = """
from fascicle.hub.setup import first_start, migrate, current
from fascicle.hub.importing import export_dump, import_dump, import_folder
from fascicle.hub.models import *
config = current()
migrate(config); first_start(config)
def bring(file):
    r = import_dump(config, file)
    return dict(created=r.created, skipped=r.skipped, problems=r.problems, generation=r.generation)
"""


@pytest.fixture
def run(make_hub: Callable[..., HubServer], request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return what runs code with a new hub; on PostgreSQL where a test asks for that."""
    server = request.getfixturevalue("postgres") if getattr(request, "param", "") else None
    hub = make_hub(database=server.make_database() if server else "")
    hub.state.mkdir(parents=True, exist_ok=True)
    return lambda code, **values: hub.run(START + code, **values)


def rows_of(file: Path) -> dict[tuple[str, Any], dict[str, Any]]:
    raw = file.read_bytes()
    rows = json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    return {(row["model"], row["pk"]): row["fields"] for row in rows}


def same(a: Any, b: Any) -> bool:
    """Compare values: last zeros of a time, and blank or none, make no difference."""
    if isinstance(a, str) and isinstance(b, str) and a[:4].isdigit() and "T" in a:
        return a.rstrip("0").rstrip(".") == b.rstrip("0").rstrip(".")
    if isinstance(a, list) and isinstance(b, list):
        return sorted(map(str, a)) == sorted(map(str, b))
    return a == b or (a in (None, "") and b in (None, ""))


def write(file: Path, *rows: tuple[str, Any, dict[str, Any]]) -> str:
    file.write_text(json.dumps([{"model": m, "pk": pk, "fields": f} for m, pk, f in rows]))
    return str(file)


BOTH = pytest.mark.parametrize("run", ["", "postgresql"], indirect=True, ids=["sqlite", "pg"])


@BOTH
def test_a_real_lab(run: Callable[..., Any], tmp_path: Path, shared: Path) -> None:
    out = tmp_path / "out.json"
    found, counts, known = run(
        """
report = bring(file)
result = [report, export_dump(config, out), [
    Subject.objects.count(), Session.objects.count(), Weighing.objects.count(),
    Session.objects.exclude(date=None).count()]]
""",
        file=str(shared / REAL),
        out=str(out),
    )
    real, back = rows_of(shared / REAL), rows_of(out)
    wanted = Counter(model for model, _ in real)
    assert sum(found["created"].values()) + sum(found["skipped"].values()) == sum(wanted.values())
    assert found["skipped"] == {
        "subjects.breedingpair": 58,
        "subjects.zygosity": 50,
        "subjects.genotypetest": 50,
        "subjects.allele": 26,
        "actions.cull": 24,
        "subjects.sequence": 18,
        "subjects.subjectrequest": 16,
    }
    assert known == [968, 337, 50, 337]
    assert not found["problems"]
    assert real.keys() <= back.keys()
    assert all(counts[model] >= n for model, n in wanted.items())
    for key, fields in real.items():
        for name, value in fields.items():
            if name != "password":  # none was in the dump, and now nobody can log in with none
                assert same(value, back[key][name]), (key, name, value, back[key][name])


def test_again_changes_nothing(run: Callable[..., Any], shared: Path) -> None:
    report = run("bring(file); result = bring(file)", file=str(shared / REAL))
    assert not report["created"]


@BOTH
def test_everything_that_a_hub_has(
    make_hub: Callable[..., HubServer], run: Callable[..., Any], tmp_path: Path, hub_lab: Path
) -> None:
    a, b = tmp_path / "a.json.gz", tmp_path / "b.json.gz"
    first = make_hub()
    first.state.mkdir(parents=True, exist_ok=True)
    first.run(
        START
        + """
import_folder(config)
Dataset.objects.filter(name="licks.times.npy").update(json={"x": [1, None]})
export_dump(config, out); result = None
""",
        out=str(a),
    )
    report, here = run(
        """
report = bring(a)
export_dump(config, b)
result = [report, [InsertionRegion.objects.count(), Dataset.objects.filter(online=True).count(),
                   ProbeInsertion.objects.filter(datasets__isnull=False).distinct().count(),
                   FileRecord.objects.exclude(relative_path="").count(),
                   Note.objects.get().about.subject.nickname]]
""",
        a=str(a),
        b=str(b),
    )
    assert not report["problems"]
    assert report["created"]["datasets"] == 536
    assert here[0] > 50
    assert here[1:] == [536, 7, 0, "clns0730"]
    before, after = rows_of(a), rows_of(b)
    differ = {
        key
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
        and (before.get(key) or after[key]).get("username") != "admin"
    }
    assert not differ
    assert report["generation"] == 1


def test_only_the_owner_reads_it(run: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    run("export_dump(config, out); result = None", out=str(out))
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
    assert not list(tmp_path.glob(".*"))


U = "11111111-1111-4111-8111-11111111111{}".format
LAB = ("misc.lab", U(0), {"name": "lab_a"})
OTHER = ("misc.lab", U(1), {"name": "lab_b"})


def test_rows_that_clash(run: Callable[..., Any], tmp_path: Path) -> None:
    mouse = {"nickname": "mouse", "lab": U(0)}
    session = {"subject": U(2), "start_time": "2024-01-02T10:00:00", "number": 1}
    dataset = {"session": U(4), "name": "a.b.npy", "collection": "alf"}
    file = write(
        tmp_path / "dump.json",
        LAB,
        OTHER,
        ("subjects.subject", U(2), mouse),
        ("subjects.subject", U(3), {**mouse, "lab": U(1)}),
        ("actions.session", U(4), session),
        ("actions.session", U(5), session),
        ("data.dataset", U(6), dataset),
        ("data.dataset", U(7), dataset),
        ("data.dataset", U(8), {**dataset, "session": U(9)}),
        ("data.dataset", "no id", dataset),
        ("authtoken.token", "secret-token", {"user": U(9)}),
        ("misc.lab", "11111111-1111-4111-8111-1111111111aa", {"name": "x" * 300}),
    )
    out = tmp_path / "out.json"
    report, names, numbers, n = run(
        """
report = bring(file)
export_dump(config, out)
result = [report, sorted(Subject.objects.values_list("nickname", flat=True)),
          list(Session.objects.order_by("pk").values_list("number", flat=True)),
          Dataset.objects.count()]
""",
        file=file,
        out=str(out),
    )
    assert names == ["mouse", "mouse_2"]
    assert numbers == [1, None]
    assert n == 2
    assert report["skipped"]["data.dataset (refused)"] == 2
    assert report["skipped"]["data.dataset.session of a row that is missing"] == 1
    assert len(report["problems"]) == 5
    back = rows_of(out)
    assert ("data.dataset", U(7)) in back  # refused here, not lost
    assert "secret-token" not in out.read_text()


def test_ids_of_an_alyx_stay(run: Callable[..., Any], tmp_path: Path) -> None:
    file = write(
        tmp_path / "dump.json",
        LAB,
        ("data.datasettype", U(2), {"name": "spikes.times", "filename_pattern": "*spikes.times*"}),
        ("misc.labmember", U(3), {"username": "admin", "password": "x"}),
        ("subjects.subject", U(4), {"nickname": "m", "lab": U(0), "responsible_user": U(3)}),
    )
    found = run(
        """
admin = LabMember.objects.get(username="admin").pk
bring(file)
result = [str(DatasetType.objects.get(name="spikes.times").pk),
          Subject.objects.get().responsible_user_id == admin]
""",
        file=file,
    )
    assert found == [U(2), True]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"model": 1}]', "\x1f\x8b", "[" * 10000])
def test_what_is_no_dump(run: Callable[..., Any], tmp_path: Path, text: str) -> None:
    from fascicle.errors import CatalogueError
    from fascicle.hub.importing.dump import read_dump

    file = tmp_path / "dump.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(CatalogueError, match="dump"):
        read_dump(file)
