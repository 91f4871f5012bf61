"""A hub that is killed, or started anew, under clients that go on."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fascicle.errors import ServerError
from fascicle.testing.hub import HubServer
from fascicle.testing.postgres import PostgresServer

NAMES = ("spikes.times.npy", "spikes.clusters.npy", "_ibl_trials.choice.npy")


class Rig(threading.Thread):
    """Registers one folder of files after the other, and remembers what was acknowledged."""

    def __init__(self, hub: HubServer, token: str, subject: str, number: int) -> None:
        super().__init__(daemon=True)
        self.hub, self.token = hub, token
        self.session, self.number = f"{subject}/2024-01-02/{number:03d}", number
        self.acknowledged: dict[str, list[tuple[str, str]]] = {}
        self.asked = 0
        self.refused: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.asked += 1
            collection = f"alf/n{self.asked:05d}"
            hashes = [f"{self.number:08x}{self.asked:016x}{i:08x}" for i in range(len(NAMES))]
            body = {
                "created_by": "test_user", "path": f"{self.session}/{collection}", "name": "hub",
                "filenames": NAMES, "hashes": hashes, "filesizes": [8] * len(NAMES),
                "versions": ["1"] * len(NAMES),
            }  # fmt: skip
            try:
                answer = self.hub.ask("POST", "/register-file", body, token=self.token)
            except ServerError:
                time.sleep(0.05)  # it is gone
                continue
            if answer.status == 201:
                made = [(row["id"], h) for row, h in zip(answer.json, hashes, strict=True)]
                self.acknowledged[collection] = made
            else:
                self.refused.append(f"{answer.status} {answer.text[:200]}")


def register_and_kill(hub: HubServer, rounds: int, seed: int) -> None:
    """Register from several places at once, kill the hub again and again, and count."""
    token = hub.token("test_user")
    lab = hub.get("/labs?limit=1", token=token).json["results"][0]["name"]
    body = {"nickname": f"killed_{seed}", "lab": lab}
    assert hub.ask("POST", "/subjects", body, token=token).status == 201
    rigs = []
    for number in range(1, 5):
        start = f"2024-01-02T0{number}:00:00"
        session = {"subject": body["nickname"], "number": number, "lab": lab, "start_time": start}
        assert hub.ask("POST", "/sessions", session, token=token).status == 201
        rigs.append(Rig(hub, token, body["nickname"], number))
    for rig in rigs:
        rig.start()
    chance = random.Random(seed)
    try:
        for _ in range(rounds):
            time.sleep(chance.uniform(0.2, 1.0))
            hub.kill()
            hub.start()
        time.sleep(0.5)
    finally:
        for rig in rigs:
            rig.ended.set()
        for rig in rigs:
            rig.join(60)
    for rig in rigs:
        assert not rig.refused, rig.refused[:3]
        assert len(rig.acknowledged) > rounds / 2
        check(hub, rig, token)


def check(hub: HubServer, rig: Rig, token: str) -> None:
    """See that what was acknowledged is there, and that nothing is there by half."""
    found: dict[str, dict[str, Any]] = {}
    url = f"/datasets?django=session__number,{rig.number},session__subject__nickname,"
    url += f"{rig.session.split('/')[0]}&limit=1000"
    while url:
        page = hub.get(url.removeprefix(hub.url), token=token).json
        found |= {row["url"][-36:]: row for row in page["results"]}
        url = page["next"]
    for collection, made in rig.acknowledged.items():
        for key, digest in made:
            assert found[key]["hash"] == digest, f"{collection}: lost or changed"
            assert [r["exists"] for r in found[key]["file_records"]] == [True]
    by_collection: dict[str, list[str]] = {}
    for row in found.values():
        by_collection.setdefault(row["collection"], []).append(row["name"])
    halves = {c: n for c, n in by_collection.items() if sorted(n) != sorted(NAMES)}
    assert not halves


def test_a_killed_hub_loses_nothing_that_it_acknowledged(
    make_hub: Callable[..., HubServer],
) -> None:
    with make_hub() as hub:
        register_and_kill(hub, rounds=4, seed=1)


@pytest.mark.long
def test_a_killed_hub_on_postgresql_loses_nothing(
    make_hub: Callable[..., HubServer], postgres: PostgresServer
) -> None:
    with make_hub(database=postgres.make_database()) as hub:
        register_and_kill(hub, rounds=4, seed=2)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 14))
def test_many_kills(make_hub: Callable[..., HubServer], seed: int) -> None:
    with make_hub() as hub:
        register_and_kill(hub, rounds=25, seed=seed)


@pytest.mark.parametrize(
    "moments", [(1200,), pytest.param((300, 600, 900, 1600, 2000), marks=pytest.mark.long)]
)
def test_a_hub_killed_at_its_first_start_starts_again(
    make_hub: Callable[..., HubServer], tmp_path: Path, moments: tuple[int, ...]
) -> None:
    whole = None
    for milliseconds in moments:
        hub = make_hub(state=tmp_path / "state", like=None)
        with contextlib.suppress(ServerError):
            hub.start(wait=milliseconds / 1000)
        hub.kill()
    hub = make_hub(state=tmp_path / "state", like=None)
    with hub:
        whole = hub.get("/sessions", token=hub.token("test_user")).json["count"]
    with make_hub() as fresh:
        assert whole == fresh.get("/sessions", token=fresh.token("test_user")).json["count"] > 10


def test_a_hub_ends_as_it_is_told(make_hub: Callable[..., HubServer]) -> None:
    hub = make_hub()
    hub.start()
    token = hub.token("test_user")
    assert hub.get("/sessions?limit=1", token=token).status == 200
    assert hub.halt() == 0
    said = hub.said()
    hub.start()
    assert hub.get("/sessions?limit=1", token=token).status == 200  # tokens outlive a restart
    assert "Traceback" not in said
    assert hub.users["test_user"].password not in hub.said() + said
    assert token not in hub.said() + said
