"""What the tutorials of the field do on a local folder, as they write it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import UUID

import pytest

from fascicle.one import One

pytestmark = pytest.mark.usefixtures("no_warnings")


def test_releasing_data(lab_copy: Path) -> None:
    cache_dir = lab_copy
    shutil.rmtree(cache_dir / ".fascicle")
    for name in ("sessions.pqt", "datasets.pqt"):
        (cache_dir / name).unlink()
    from fascicle.one.alf.spec import is_valid
    from fascicle.one.api import One
    from fascicle.one.params import CACHE_DIR_DEFAULT

    assert Path(CACHE_DIR_DEFAULT, "my_example").name == "my_example"
    session_path = cache_dir.joinpath("zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001/alf")
    assert all(is_valid(x) for x in os.listdir(session_path))
    assert repr(One.setup(cache_dir, hash_files=False)) == f"One (offline, {cache_dir})"
    names = {"datasets.pqt", "sessions.pqt"}
    assert names <= set(os.listdir(cache_dir))
    one = One(cache_dir=cache_dir)
    subject = "NYU-01"
    eids = one.search(subject=subject, dataset=["trials.goCue_times", "trials.feedback_times"])
    assert eids
    trials = one.load_object(eids.pop(), "trials")
    assert (trials.feedback_times - trials.goCue_times).ndim == 1


def test_data_access(lab: One) -> None:
    one = lab
    sessions = one.search()
    assert isinstance(sessions[0], UUID)
    th = {"atlas_acronym": "TH", "datasets": "spikes.times.npy", "project": "brainwide"}
    insertions_rh = one.search_insertions(**{**th, "atlas_acronym": "RH"})
    insertions_th = one.search_insertions(**th)
    assert insertions_rh
    assert set(insertions_rh).issubset(set(insertions_th))
    assert one.search(project="brainwide", dataset="spikes.times")
    eid, *_ = one.search(project="brainwide", dataset="alf/")
    assert one.list_datasets(eid, collection="alf*")
    files = one.load_collection(eid, "alf", download_only=True)
    assert files[0].parent.name == "alf"
    eid, *_ = one.search(project="brainwide", dataset="spikes", task="ephys")
    datasets = one.list_datasets(eid, collection="alf/probe*")
    probe_labels = sorted({d.split("/")[1] for d in datasets})
    files = one.load_collection(eid, f"alf/{probe_labels[0]}/pykilosort", download_only=True)
    assert "pykilosort" in str(files[0].parent)
    assert one.load_object(eid, "trials", collection="alf").choice.ndim == 1
    assert one.load_dataset(eid, "_ibl_wheel.timestamps.npy").ndim == 1
    _, details = one.search(details=True)
    labs = {d["lab"] for d in details}
    assert len(labs) == 4
    assert one.search(dataset="spikes", lab=sorted(labs)[0])
    assert one.search(lab="mrsicflogellab")


def test_what_the_analysis_tools_of_the_field_do(lab: One) -> None:
    one = lab
    eid = one.search(dataset="spikes.times")[0]
    session_path = one.eid2path(eid)
    collections = {session_path.joinpath(d).collection for d in one.list_datasets(eid)}
    assert "alf" in collections
    pids, labels = one.eid2pid(eid)
    assert one.pid2eid(pids[0]) == (eid, labels[0])
    one.wildcards = False
    trials = one.load_object(
        eid, "trials", collection="alf", attribute=r"(?!itiDuration).*", namespace="ibl"
    )
    assert len(trials.to_df()) == len(trials.choice)
    one.wildcards = True
    assert one.eid2ref(eid, as_dict=False).endswith(one.get_details(eid)["subject"])
    assert one.list_revisions(eid)[-1] == "2024-05-06"
    details = one.list_datasets(eid, details=True, keep_eid_index=True)
    assert one.record2path(details.iloc[0]).exists()


def test_all_real_data_is_indexed_and_loads(shared: Path, tmp_path: Path) -> None:
    """Every folder of real recordings is searched, and every object of it loaded."""
    loaded = 0
    for source in (
        "alf_md5_exact",
        "alf_original/ibl_photometry",
        "alf_original/iblrig_rig_test",
        "alf_derived/ibllib_training_subject",
        "alf_derived/a2929_head_direction",
    ):
        folder = tmp_path / Path(source).name
        shutil.copytree(shared / "data" / source, folder)
        one = One.setup(folder, silent=True)
        eids = one.search()
        assert eids, source
        for eid in eids:
            for path in one.list_datasets(eid):
                one.load_dataset(eid, path)
                loaded += 1
    assert loaded > 240
