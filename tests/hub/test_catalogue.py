"""The index for our own clients: whole, and by what changed; both are the same in the end."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fascicle.catalogue import Catalogue
from fascicle.catalogue.columns import Columns
from fascicle.catalogue.packed import MAGIC, pack, unpack
from fascicle.catalogue.remote import Gone, RemoteCatalogue, RemoteStore
from fascicle.catalogue.restore import columns_of
from fascicle.errors import CatalogueError
from fascicle.testing.hub import HubServer


class Client:
    """Asks a hub, and notes what was asked."""

    def __init__(self, hub: HubServer) -> None:
        self.hub = hub
        self.asked: list[tuple[str, int]] = []

    def get(self, path: str, *, start: int | None = None, stop: int | None = None) -> bytes:
        headers = {} if start is None else {"Range": f"bytes={start}-{(stop or 0) - 1}"}
        token = self.hub.token("test_user")
        answer = self.hub.ask("GET", f"/{path}", token=token, headers=headers)
        self.asked.append((path, len(answer.data)))
        if answer.status in (404, 410, 416):
            raise Gone(answer.text)
        assert answer.status == (200 if start is None else 206), answer.text
        return answer.data

    def __reduce__(self) -> Any:
        return type(self), (None,)


def everything(catalogue: Catalogue) -> dict[str, Any]:
    c = columns_of(catalogue)
    return {
        "sessions": [vars_of(s) for s in c.sessions],
        "rows": list(zip(c.session.tolist(), [c.paths[p] for p in c.path.tolist()], strict=True)),
        "flags": c.flags.tolist(),
        "records": c.records.tobytes(),
        "odd": c.odd_hashes,
        "insertions": sorted(
            (p.pid, p.eid, p.name, p.model, p.serial, sorted(p.regions or ())) for p in c.insertions
        ),
        "meta": {k: v for k, v in c.meta.items() if k != "created"},
    }


def vars_of(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__slots__)


def test_whole(any_hub: HubServer, hub_lab: Path, tmp_path: Path) -> None:
    client = Client(any_hub)
    catalogue = RemoteStore(tmp_path, client).refresh()
    assert [path.rpartition("/")[2] for path, _ in client.asked] == ["info", "search"]
    folder = Catalogue.open(hub_lab)
    assert catalogue.n_sessions >= folder.n_sessions == 17
    for row in range(folder.n_sessions):
        here = catalogue.row(folder.eid(row))
        assert here is not None
        a, b = folder.datasets(row), catalogue.datasets(here)
        assert a.rel_paths == b.rel_paths
        assert (a.exists, a.qc, a.default) == (b.exists, b.qc, b.default)
        assert (a.ids, a.sizes) == (b.ids, b.sizes)
        assert folder.session(row) == catalogue.session(here)
    assert folder.n_insertions == catalogue.n_insertions
    for p in folder.insertions():
        assert folder.regions(p.pid) == catalogue.regions(p.pid)
        assert catalogue.insertion(p.pid)[2:5] == p[2:5]  # type: ignore[index]


def test_records_come_when_they_are_asked_for(hub: HubServer, tmp_path: Path) -> None:
    client = Client(hub)
    store = RemoteStore(tmp_path, client)
    catalogue = store.refresh()
    n = len(client.asked)
    sizes = catalogue.datasets(0).sizes
    assert len(client.asked) == n + 1
    assert all(size is not None for size in sizes)
    assert catalogue.datasets(0).sizes == sizes
    assert len(client.asked) == n + 1
    again = RemoteStore(tmp_path, None).open()
    assert again is not None
    assert again.datasets(0).sizes == sizes
    did = catalogue.datasets(catalogue.n_sessions - 1).ids[0]
    assert catalogue.locate_dataset(did) == (catalogue.n_sessions - 1, 0)
    assert catalogue.locate_dataset("12345678-1234-1234-1234-123456789012") is None


def test_dataset_by_id_before_anything_was_fetched(hub: HubServer, tmp_path: Path) -> None:
    full = RemoteStore(tmp_path / "a", Client(hub)).refresh()
    bare = RemoteStore(tmp_path / "b", Client(hub)).refresh()
    for row in (0, 3, full.n_sessions - 1):
        held = full.datasets(row)
        assert bare.locate_dataset(held.ids[-1]) == (row, len(held) - 1)


def test_without_a_network(hub: HubServer, tmp_path: Path) -> None:
    RemoteStore(tmp_path, Client(hub)).refresh()
    catalogue = RemoteStore(tmp_path, None).refresh()
    assert catalogue.rows(catalogue.having(lambda name: name == "spikes.times.npy"))
    with pytest.raises(CatalogueError, match="no server"):
        _ = catalogue.datasets(0).sizes
    with pytest.raises(CatalogueError, match="never fetched"):
        RemoteStore(tmp_path / "other", None).refresh()


CHANGES = """
import random, uuid
from datetime import timedelta
from django.db import transaction
from fascicle.hub.generation import touched
from fascicle.hub.models import *
rng = random.Random(seed)
sessions = list(Session.objects.order_by("pk"))
def rename(s):
    s.task_protocol += "x"; s.save(); return [s.pk]
def drop(s):
    d = Dataset.objects.filter(session=s).order_by("pk").first()
    if d: d.delete()
    return [s.pk]
def add(s):
    Dataset.objects.create(session=s, name=f"new.part{rng.random()}.npy", collection="alf",
                           hash=rng.choice(["", "abc", "0"*32, "F"*32]), file_size=rng.randrange(9))
    return [s.pk]
def judge(s):
    Dataset.objects.filter(session=s).update(qc=rng.choice([0, 10, 30, 40, 50]))
    return [s.pk]
def probe(s):
    ProbeInsertion.objects.create(session=s, name=f"probe{rng.randrange(10**6)}")
    return [s.pk]
def remove(s):
    pk = s.pk
    s.delete(); touched([pk], gone=True); return []
def make(s):
    new = Session.objects.create(subject=s.subject, lab=s.lab, number=rng.randrange(2, 10**6),
                                 start_time=s.start_time + timedelta(days=rng.randrange(99)))
    add(new); return [new.pk]
for _ in range(rng.randrange(1, 5)):
    with transaction.atomic():
        what = rng.choice([rename, drop, add, judge, probe, make, make, remove])
        s = rng.choice(sessions)
        if what is remove: sessions.remove(s)
        touched(what(s))
"""


def test_changes_end_where_a_fresh_download_does(
    make_hub: Callable[..., HubServer], tmp_path: Path
) -> None:
    hub = make_hub(arguments=["--no-watch"]).start()
    client = Client(hub)
    kept = RemoteStore(tmp_path / "kept", client)
    lazy = RemoteStore(tmp_path / "lazy", client)
    first = lazy.refresh()
    kept.refresh()
    choose = random.Random(7)
    for seed in range(3):
        hub.run(CHANGES, seed=seed)
        client.asked.clear()
        catalogue = kept.refresh()
        asked = [path for path, _ in client.asked]
        assert [p.partition("?")[0] for p in asked] == ["catalogue/info", "catalogue/changes"]
        fresh = RemoteStore(tmp_path / f"fresh{seed}", client).refresh()
        if choose.random() < 0.5:  # some of the records are known before the next change
            _ = catalogue.datasets(choose.randrange(catalogue.n_sessions)).hashes
        assert everything(catalogue) == everything(fresh)
    client.asked.clear()
    late = lazy.refresh()
    assert client.asked[-1][0].startswith("catalogue/changes")
    assert everything(late) == everything(fresh)
    assert first.number < late.number


def test_many_changes_are_fetched_whole(make_hub: Callable[..., HubServer], tmp_path: Path) -> None:
    hub = make_hub(arguments=["--no-watch"]).start()
    client = Client(hub)
    store = RemoteStore(tmp_path, client)
    before = store.refresh()
    here = json.loads((tmp_path / "current.json").read_text())
    here["generation"] = -1
    (tmp_path / "current.json").write_text(json.dumps(here))
    client.asked.clear()
    after = store.refresh()
    assert client.asked[-1][0].endswith("/search")
    assert everything(before) == everything(after)
    here["generation"], here["store"] = after.number, "another database"
    (tmp_path / "current.json").write_text(json.dumps(here))
    client.asked.clear()
    store.refresh()
    assert client.asked[-1][0].endswith("/search")


def test_half_a_state_is_fetched_again(hub: HubServer, tmp_path: Path) -> None:
    store = RemoteStore(tmp_path, Client(hub))
    store.refresh()
    for file in tmp_path.glob("*/index.bin"):
        file.unlink()
    assert store.open() is None
    assert store.refresh().n_sessions >= 17


def test_damage_on_the_way(hub: HubServer, tmp_path: Path) -> None:
    client = Client(hub)

    class Bad(Client):
        def get(self, path: str, **span: Any) -> bytes:
            raw = client.get(path, **span)
            return raw[:-1] + b"?" if path.endswith("search") else raw

    with pytest.raises(CatalogueError, match="damaged"):
        RemoteStore(tmp_path, Bad(hub)).refresh()
    assert RemoteStore(tmp_path, None).open() is None


@pytest.mark.parametrize("cut", [0, 5, 20, 40, -1])
def test_frames_that_are_not_whole(hub_lab: Path, cut: int) -> None:
    raw = pack(columns_of(Catalogue.open(hub_lab)), records=True)
    with pytest.raises(CatalogueError):
        list(unpack(b"x" + raw if cut == 0 else raw[:cut]))


def test_frames_come_back(hub_lab: Path) -> None:
    columns = columns_of(Catalogue.open(hub_lab))
    raw = pack(columns, records=True, gone=[bytes(range(16))])
    assert raw.startswith(MAGIC)
    (a, gone), (b, _) = unpack(raw + pack(Columns.empty(), records=True))
    assert gone == [bytes(range(16))]
    assert not b.sessions
    assert np.array_equal(a.flags, columns.flags)
    assert a.records.tobytes() == columns.records.tobytes()
    assert [a.paths[p] for p in a.path] == [columns.paths[p] for p in columns.path]
    assert list(map(vars_of, a.sessions)) == list(map(vars_of, columns.sessions))


def test_wrong_questions(hub: HubServer) -> None:
    token = hub.token("reader")
    for path, status in (
        ("/catalogue/changes", 400),
        ("/catalogue/changes?since=x", 400),
        ("/catalogue/changes?since=123456789", 410),
        ("/catalogue/123456789/search", 404),
        ("/catalogue/123456789/rows", 404),
    ):
        assert hub.get(path, token=token).status == status, path
        assert hub.get(path).status == 403, path
    info = hub.get("/catalogue/info", token=token).json
    rows = f"/{info['rows']['url']}"
    assert hub.get(f"{rows}?id=x", token=token).status == 400
    asked = {"Range": f"bytes={info['rows']['size']}-"}
    assert hub.ask("GET", rows, token=token, headers=asked).status == 416


def test_pickle(hub: HubServer, tmp_path: Path) -> None:
    catalogue = RemoteStore(tmp_path, Client(hub)).refresh()
    again = pickle.loads(pickle.dumps(catalogue))
    assert isinstance(again, RemoteCatalogue)
    assert again.n_datasets == catalogue.n_datasets
