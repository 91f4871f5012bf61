"""Hubs to ask: in processes of their own, and in this one, on SQLite and on PostgreSQL.

Tests share a hub of each kind for the time of a run: they may add to it, but not change or delete
what they did not add. One that has to gets a hub of its own by ``make_hub``.

In this process Django is configured once, for one kind of database: SQLite, or PostgreSQL where
``FASCICLE_HUB_DATABASE=postgresql`` is set (see ``test_on_postgres.py``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fascicle.testing.hub import HubServer
from fascicle.testing.postgres import PostgresServer

ON_POSTGRES = os.environ.get("FASCICLE_HUB_DATABASE") == "postgresql"
IN_PROCESS = {"tables", "django_hub"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep, on PostgreSQL, only tests that use the tables in this process.

    A test that runs on both databases runs on PostgreSQL in the long run; some always do (see
    ``test_tables.py``).
    """
    for item in items:
        names = str(getattr(getattr(item, "callspec", None), "id", "")).split("-")
        if "postgresql" in names or "pg" in names:
            item.add_marker(pytest.mark.long)
    if ON_POSTGRES:
        kept = [i for i in items if IN_PROCESS & set(getattr(i, "fixturenames", ()))]
        config.hook.pytest_deselected(items=[i for i in items if i not in kept])
        items[:] = kept


@pytest.fixture(scope="session")
def hub_lab(tiny_lab: Path) -> Path:
    """Return the synthetic lab that hubs serve, indexed; tests must not change it."""
    return tiny_lab


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a PostgreSQL of our own."""
    with PostgresServer() as server:
        yield server


# -- hubs in processes of their own ---------------------------------------------------------------


@pytest.fixture(scope="session")
def hub(hub_lab: Path, made_hub: HubServer) -> Iterator[HubServer]:
    """Return a hub of the synthetic lab on SQLite."""
    with HubServer(hub_lab, like=made_hub) as server:
        yield server


@pytest.fixture(scope="session")
def hub_pg(hub_lab: Path, postgres: PostgresServer) -> Iterator[HubServer]:
    """Return a hub of the synthetic lab on PostgreSQL."""
    with HubServer(hub_lab, database=postgres.make_database()) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def any_hub(request: pytest.FixtureRequest) -> HubServer:
    """Return one hub, then the other."""
    server: HubServer = request.getfixturevalue("hub" if request.param == "sqlite" else "hub_pg")
    return server


@pytest.fixture(scope="session")
def first_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state of a hub after the first start, without recordings, for others to copy."""
    folder = tmp_path_factory.mktemp("first")
    hub = HubServer(folder / "lab", state=folder / "state")
    hub.folder.mkdir()
    hub.state.mkdir()
    hub.run(
        "from fascicle.hub.setup import current, first_start, migrate\n"
        "migrate(current()); first_start(current())\n"
    )
    return hub.state


@pytest.fixture
def make_hub(hub_lab: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., HubServer]]:
    """Return a function that makes a hub for one test; its arguments are those of `HubServer`.

    On SQLite, one of the synthetic lab begins like one that was started before, and one of
    another folder with tables that have their first rows; with ``like=None`` there is nothing.
    """
    made: list[HubServer] = []

    def make(folder: Path = hub_lab, **options: Any) -> HubServer:
        afresh = bool({"database", "users", "like"} & set(options))
        if folder == hub_lab and not afresh:
            options["like"] = request.getfixturevalue("made_hub")
        made.append(HubServer(folder, **options))
        if folder != hub_lab and not afresh:
            state = request.getfixturevalue("first_state")
            shutil.copytree(state, made[-1].state, dirs_exist_ok=True)
        return made[-1]

    yield make
    for server in made:
        server.stop()


# -- the tables in this process -------------------------------------------------------------------


class Databases:
    """Databases of one process: one as it is after the first start, one with the lab, and more."""

    def __init__(self, config: Any, names: dict[str, str], copy: Callable[[str, str], Any]) -> None:
        self.config = config
        self.names = names
        self.made: set[str] = set()
        self.copy = copy

    def use(self, name: str) -> None:
        """Let queries go to one of them from now on; it is made when it is first used."""
        if name not in self.made:
            self._make(name)
            self.made.add(name)
        self._go(name)

    def add(self, name: str, like: str, fill: Callable[[], Any]) -> None:
        """Make one more, once: a copy of another, with the rows that a function makes."""
        if name not in self.made:
            self.names[name] = str(Path(self.names[like]).with_stem(name))
            self._copy(like, name)
            fill()
            self.made.add(name)

    def rolled_back(self, name: str) -> Iterator[Any]:
        """Use one of them, and undo in the end what was written."""
        from django.db import transaction

        self.use(name)
        with transaction.atomic():
            yield self.config
            transaction.set_rollback(True)

    def _go(self, name: str) -> None:
        from django.db import connection

        connection.close()
        connection.settings_dict["NAME"] = self.names[name]

    def _copy(self, name: str, to: str) -> None:
        from django.db import connection

        self.use(name)
        connection.close()
        self.copy(self.names[name], self.names[to])
        self._go(to)

    def _make(self, name: str) -> None:
        from fascicle.hub.importing.folder import import_folder
        from fascicle.hub.setup import first_start, migrate

        if name == "empty":
            self._go(name)
            migrate(self.config)
            first_start(self.config)
        else:
            self._copy("empty", name)
            import_folder(self.config)


@pytest.fixture(scope="session")
def _databases(
    hub_lab: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Databases:
    from fascicle.hub.config import load_config
    from fascicle.hub.setup import prepare

    state = tmp_path_factory.mktemp("hub")
    given: dict[str, Any] = {"state": state}
    names = {"empty": str(state / "hub.sqlite3"), "lab": str(state / "lab.sqlite3")}
    copy: Callable[[str, str], Any] = shutil.copyfile
    if ON_POSTGRES:
        server: PostgresServer = request.getfixturevalue("postgres")
        given["database"] = server.make_database("empty")
        names = {"empty": "empty", "lab": "lab"}
        copy = partial(_copy_on, server)
    config = load_config(hub_lab, **given)
    prepare(config)
    return Databases(config, names, copy)


def _copy_on(server: PostgresServer, name: str, to: str) -> None:
    server.make_database(to, template=name)


@pytest.fixture
def tables(_databases: Databases) -> Iterator[Any]:
    """Return the settings of a hub as after its first start; what is written is undone."""
    yield from _databases.rolled_back("empty")


@pytest.fixture
def django_hub(_databases: Databases) -> Iterator[Any]:
    """Return the settings of a hub with the synthetic lab; what is written is undone."""
    yield from _databases.rolled_back("lab")


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in a few rounds, where the number of rounds is not what is tried."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
