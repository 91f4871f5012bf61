"""What the README says of fascicle beside ONE-api, seen on both."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fascicle
from fascicle import demo
from fascicle.errors import UnsafeFileError
from fascicle.load import AlfBunch, load_file
from fascicle.one.api import One

pytestmark = pytest.mark.peer

PEER = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import numpy as np, pandas as pd
import one.alf.io as alfio
from one.api import One

def ids(folder):
    cache = One.setup(folder, hash_files=False, silent=True)._cache
    return [str(i) for i in cache["sessions"].index], [str(d) for _, d in cache["datasets"].index]

work = Path(sys.argv[1])
answer = {}
answer["eids"], answer["datasets"] = ids(work / "first")
answer["eids elsewhere"], _ = ids(work / "second")
one = One(cache_dir=work / "first")
try:
    one.search(dataset="spikes.times")
except ValueError as error:
    answer["dataset="] = str(error)
try:
    one.search_insertions(atlas_acronym="TH")
except (AttributeError, NotImplementedError) as error:
    answer["region"] = type(error).__name__
alfio.load_file_content(work / "pickle.npy")
answer["code ran"] = (work / "ran").exists()
frame = pd.DataFrame({"whole": [1, 2], "part": [0.5, 1.5]})
answer["kind"] = alfio.AlfBunch.from_df(frame)["whole"].dtype.kind
print(json.dumps(answer))
"""


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same lab twice, and with a pickle."""
    work = tmp_path_factory.mktemp("claims")
    demo.make_lab(work / "first", size="tiny")
    shutil.copytree(work / "first", work / "second")
    array = np.array([Touch(work / "ran")], dtype=object)
    np.save(work / "pickle.npy", array, allow_pickle=True)
    return work


@pytest.fixture(scope="module")
def peer(work: Path, one_python: Path) -> dict[str, object]:
    """Return what ONE-api answers, in copies of its own."""
    copy = work / "peer"
    for name in ("first", "second"):
        shutil.copytree(work / name, copy / name)
    shutil.copy(work / "pickle.npy", copy)
    command = [str(one_python), "-c", PEER.replace('work / "ran"', f"Path({str(work / 'ran')!r})")]
    run = subprocess.run([*command, str(copy)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    answer: dict[str, object] = json.loads(run.stdout.splitlines()[-1])
    (work / "ran").unlink(missing_ok=True)
    return answer


@pytest.fixture(scope="module")
def catalogues(work: Path) -> list[fascicle.catalogue.Catalogue]:
    for name in ("first", "second"):
        fascicle.index(work / name)
    return [fascicle.open(work / name).catalogue() for name in ("first", "second")]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_search_by_region_needs_no_server(peer, catalogues, work: Path) -> None:
    assert peer["region"] in ("AttributeError", "NotImplementedError")
    assert len(fascicle.find(region="TH", archives=work / "first")) > 0
    assert One(cache_dir=work / "first").search_insertions(atlas_acronym="TH")


def test_dataset_is_a_search_term(peer, catalogues, work: Path) -> None:
    assert "mbiguous" in peer["dataset="]
    assert One(cache_dir=work / "first").search(dataset="spikes.times")


def test_ids_stay_where_the_files_move(peer, catalogues) -> None:
    assert set(peer["eids"]) != set(peer["eids elsewhere"])
    first, second = ([str(e) for e in c.eids(range(c.n_sessions))] for c in catalogues)
    assert first == second


def test_no_two_datasets_share_an_id(peer, catalogues) -> None:
    assert len(set(peer["datasets"])) < len(peer["datasets"])
    catalogue = catalogues[0]
    ids = [did for row in range(catalogue.n_sessions) for did in catalogue.datasets(row).ids]
    assert len(set(ids)) == len(ids) == catalogue.n_datasets


def test_a_pickle_is_refused(peer, work: Path) -> None:
    assert peer["code ran"]
    with pytest.raises(UnsafeFileError):
        load_file(work / "pickle.npy")
    assert not (work / "ran").exists()


def test_integers_stay_integers(peer) -> None:
    assert peer["kind"] == "f"
    frame = pd.DataFrame({"whole": [1, 2], "part": [0.5, 1.5]})
    assert AlfBunch.from_df(frame)["whole"].dtype.kind == "i"
