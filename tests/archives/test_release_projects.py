"""The projects that are described: real tables, and how their rows become sessions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

import fascicle
from fascicle.archives.release import ReleaseArchive
from fascicle.cli.app import fascicle as command
from fascicle.errors import BadFileError, IncompleteWarning

from .publisher import into_folder


def mirror(
    root: Path, project: str, tables: Mapping[str, bytes], files: Mapping[str, tuple[str, bytes]]
) -> Path:
    """Write a copy of a project's bucket: one version, with these tables and data files."""
    put = into_folder(root)

    def entry(path: str, content: bytes) -> dict[str, str]:
        put(path, content)
        return {
            "url": f"https://{project}-data.s3.us-west-2.amazonaws.com/{project}/{path}",
            "version_id": "",
            "file_hash": hashlib.blake2b(content).hexdigest(),
        }

    document = {
        "project_name": project,
        "manifest_version": "1.0.0",
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [],
        "metadata_files": {
            name: entry(f"project_metadata/{name}.csv", content) for name, content in tables.items()
        },
        "data_files": {key: entry(path, content) for key, (path, content) in files.items()},
    }
    put(f"manifests/{project}_project_manifest_v1.0.0.json", json.dumps(document).encode())
    return root


@pytest.fixture(scope="module")
def ophys(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a mirror of Visual Behavior Ophys: its real tables, and stand-ins for its files."""
    folder = shared / "data/allen/visual_behavior_ophys/project_metadata"
    tables = {file.stem: file.read_bytes() for file in folder.glob("*.csv")}
    files = {}
    planes = pd.read_csv(folder / "ophys_experiment_table.csv")
    for key, plane in zip(planes["file_id"], planes["ophys_experiment_id"], strict=True):
        files[str(key)] = f"behavior_ophys_experiments/behavior_ophys_experiment_{plane}.nwb", b"x"
    training = pd.read_csv(folder / "behavior_session_table.csv").query("file_id >= 0")
    for key, session in zip(training["file_id"], training["behavior_session_id"], strict=True):
        files[str(key)] = f"behavior_sessions/behavior_session_{session}.nwb", b"y"
    root = tmp_path_factory.mktemp("mirror") / "visual-behavior-ophys"
    return mirror(root, "visual-behavior-ophys", tables, files)


def test_imaging_sessions_and_their_planes(ophys: Path) -> None:
    release = fascicle.open(ophys)
    assert isinstance(release, ReleaseArchive)
    imaging, planes = release.table("ophys_session_table"), release.table("ophys_experiment_table")
    every = release.table("behavior_session_table")
    cat = release.catalogue()
    assert cat.n_sessions == len(imaging) + every["ophys_session_id"].isna().sum()
    assert cat.n_insertions == len(planes)
    assert cat.n_datasets == len(release.manifest.data_files)
    session = release.open("951410079")
    assert release.open("951520319") == session  # by its behaviour's id
    row = imaging.loc[951410079]
    assert session.subject == row["mouse_id"] and str(session.date) == "2019-09-20"
    assert session.record.task_protocol == row["session_type"] == "OPHYS_1_images_A"
    own = planes[planes["ophys_session_id"] == 951410079]
    assert [p.name for p in session.insertions] == sorted(map(str, own.index))
    assert session.list() == sorted(f"behavior_ophys_experiment_{n}.nwb" for n in own.index)
    assert session.file(session.list()[0]).read_bytes() == b"x"
    for region in ("VISp", "VISl"):
        found = fascicle.find(region=region, archives=release)
        natives = planes.loc[planes["targeted_structure"] == region, "ophys_session_id"]
        assert set(found.frame["native_id"]) == set(natives.astype(str))
    training = fascicle.find(session_type="TRAINING_0*", archives=release)
    assert len(training) == every["session_type"].str.startswith("TRAINING_0").sum()
    assert "units" not in release.tables
    with pytest.warns(IncompleteWarning, match="no sorted spikes"):
        assert fascicle.units(training[:2]).empty


def test_a_table_of_experiments_alone(tmp_path: Path) -> None:
    table = b"ophys_experiment_id,file_id\n501,0\n502,1\n503,-999\n"
    files = {"0": ("eyes/501.npy", b"a"), "1": ("eyes/502.npy", b"b")}
    root = mirror(tmp_path, "visual-coding-ophys", {"metadata": table}, files)
    release = fascicle.open(root)
    assert release.catalogue().n_sessions == 3
    session = release.open("502")
    assert session.list() == ["502.npy"] and session.file("502.npy").read_bytes() == b"b"
    assert release.open("503").list() == []
    assert "region" not in release.capabilities.search_terms


def test_probes_with_files_of_their_own(tmp_path: Path) -> None:
    tables = {
        "ecephys_sessions": b"ecephys_session_id,mouse_id,date_of_acquisition,session_type,"
        b"file_id\n7,1,2020-01-02 10:00:00,EPHYS,0\n8,1,2020-01-02 09:00:00,EPHYS,-999\n",
        "probes": b"ecephys_probe_id,ecephys_session_id,name,file_id\n"
        b"70,7,probeA,1\n71,7,probeA,-999\n",
        "channels": b"ecephys_channel_id,ecephys_probe_id,structure_acronym\n"
        b"1,70,VISp\n2,70,VISp\n3,70,nowhere\n4,70,root\n5,70,\n6,71,CA1\n",
    }
    files = {"0": ("s/7/session.nwb", b"a"), "1": ("s/7/lfp/probe_70_lfp.nwb", b"b")}
    root = mirror(tmp_path / "vbn", "visual-behavior-neuropixels", tables, files)
    with pytest.warns(IncompleteWarning, match="1 recording sites .*nowhere"):
        release = fascicle.open(root)
    session = release.open("7")
    assert session.list() == ["lfp/probe_70_lfp.nwb", "session.nwb"]
    assert session.path == root / "s" / "7" and session.number == 2
    assert [p.name for p in session.insertions] == ["probeA", "probeA_71"]
    with pytest.warns(IncompleteWarning, match="nowhere"):
        found = fascicle.find(region="VISp", archives=release)
    assert found.frame["n_channels"].tolist() == [2]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'"open'])
def test_tables_that_are_none(content: bytes, tmp_path: Path) -> None:
    tables = {"ecephys_sessions": content}
    root = mirror(tmp_path / "vbn", "visual-behavior-neuropixels", tables, {})
    with pytest.raises(BadFileError):
        fascicle.open(root)


def test_a_project_that_nobody_described(tmp_path: Path) -> None:
    table = b"session,mouse,file_id\n5,m5,0\n"
    files = {"0": ("data/5.npy", b"a")}
    root = mirror(tmp_path / "mine", "mine", {"sessions": table}, files)
    release = fascicle.open(root)
    assert release.catalogue().n_sessions == 0
    about = tmp_path / "mine.toml"
    about.write_text(
        'project = "mine"\ntitle = "Mine"\nbucket = "mine"\n'
        '[tables.sessions]\nindex = "session"\n'
        '[catalogue]\nsessions = ["sessions"]\nsubject = "mouse"\n'
    )
    described = ReleaseArchive(root, project=about)
    assert described.open("5").subject == "m5"
    assert len(release.files()) == 2  # its files can be had all the same


def test_the_command_line_reads_releases(ophys: Path) -> None:
    from click.testing import CliRunner

    def run(*words: str) -> str:
        result = CliRunner().invoke(command, [*words, "--in", f"{ophys}@1.0.0"])
        assert result.exit_code == 0, result.output
        return result.output

    ids = run("find", "--session-type", "OPHYS_1_images_A", "--region", "VISl", "--ids").split()
    (first, *_) = json.loads(run("find", "--subject", "457841", "--region", "VISp", "--json"))
    assert ids and first["native_id"].isdecimal()
    assert "behavior_ophys_experiment_951980471.nwb" in run("ls", "951410079")
    (row, *_) = json.loads(run("ls", "951410079", "--json"))
    assert len(row["hash"]) == 128
    facts = json.loads(run("info", "951410079", "--json"))
    assert facts["native_id"] == "951410079" and facts["insertions"][0]["regions"]
    said = run("info", "951410079")
    assert "native_id     951410079" in said and "size not known" in said
    named = CliRunner().invoke(command, ["info", f"s3://{ophys.name}@1.0.0"])
    assert named.exit_code == 2 and f"fascicle find --in s3://{ophys.name}@1.0.0" in named.output
    (item, *_) = json.loads(run("get", "951410079", "--dry-run", "--json"))["items"]
    assert item["target"].endswith("behavior_ophys_experiment_951980471.nwb")


def test_unknown_sessions_are_said_at_each_search(tmp_path: Path) -> None:
    """Its files and tables are there; that its sessions are not known is said at each search."""
    place = mirror(
        tmp_path / "own-data", "own-data", {"runs": b"run_id\n1\n"}, {"0": ("a.npy", b"x")}
    )
    for _ in range(2):  # made, and kept from then on
        with pytest.warns(IncompleteWarning, match=r"nobody has described .*own-data.*project="):
            assert len(fascicle.find(archives=place)) == 0
    assert ReleaseArchive(place).table("runs").shape[0] == 1
