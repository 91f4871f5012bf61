"""Fixtures that every part shares: the real data, and the peer in an environment of its own."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from fascicle.demo import index_lab, make_lab
from fascicle.testing.hub import HubServer, User

#: Makes something in a folder that is there and empty.
Make = Callable[[Path], None]

ROOT = Path(__file__).resolve().parent.parent

# A shell's job in the background ignores interrupts, and so would programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data; its absence is a failure, never a skip."""
    folder = Path(os.environ.get("FASCICLE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.fail(f"no shared data at {folder}: set FASCICLE_SHARED to the folder that has data/")
    return folder


def peer_python(shared: Path, name: str, title: str) -> Path:
    """Return the python of a peer, which is made on first use."""
    if given := os.environ.get(f"FASCICLE_PEER_{name.upper()}"):
        return Path(given)
    folder = ROOT / ".peers"
    folder.mkdir(exist_ok=True)
    with (folder / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes, and one makes it
        run = subprocess.run(
            [str(shared / "tools" / "make-peer"), name, str(folder / name)],
            capture_output=True,
            text=True,
        )
    if run.returncode:
        pytest.fail(f"the {title} peer could not be made:\n{run.stderr[-2000:]}")
    return ROOT / run.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def one_python(shared: Path) -> Path:
    """Return the python of the real ONE-api, made on first use."""
    return peer_python(shared, "one", "ONE-api")


@pytest.fixture(scope="session")
def allen_python(shared: Path) -> Path:
    """Return the python of the real AllenSDK, made on first use."""
    return peer_python(shared, "allen", "AllenSDK")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Make], Path]:
    """Return a function that has a folder made by the first process of a run that wants it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all processes

    def once(name: str, make: Make) -> Path:
        made, begun = folder / f"once-{name}", folder / f"once-{name}-begun"
        with (folder / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(begun, ignore_errors=True)
                begun.mkdir()
                make(begun)
                begun.rename(made)
        return made

    return once


@pytest.fixture(scope="session")
def tiny_lab(once: Callable[[str, Make], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the synthetic lab, indexed; tests must not change it."""

    def make(folder: Path) -> None:
        index_lab(make_lab(folder / "lab", size="tiny"))

    made = once("lab", make)
    return Path(shutil.copytree(made / "lab", tmp_path_factory.mktemp("tiny") / "lab"))


@pytest.fixture(scope="session")
def made_hub(once: Callable[[str, Make], Path], tiny_lab: Path) -> HubServer:
    """Return a hub of that lab that was started once and halted, for others to begin like it."""

    def make(folder: Path) -> None:
        server = HubServer(tiny_lab, state=folder / "state")
        server.start()
        server.halt()
        rows = [asdict(user) for user in server.users.values()]
        (folder / "users.json").write_text(json.dumps(rows))

    made = once("hub", make)
    users = [User(**row) for row in json.loads((made / "users.json").read_text())]
    return HubServer(tiny_lab, state=made / "state", users=users)


@pytest.fixture(scope="module")
def served(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the lab, which only one module's tests use and may change."""
    return Path(shutil.copytree(tiny_lab, tmp_path_factory.mktemp("served") / "lab"))


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return folders that nobody had before: to number them, pytest would list them each time."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_folders(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's home: derived files and ONE's settings go to a fresh folder."""
    home = next(_homes)
    home.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("FASCICLE_CACHE", str(home / "cache"))
