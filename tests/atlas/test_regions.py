"""Every structure against the source, and the answers that a search by region rests on."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.atlas import Regions
from fascicle.errors import RegionNotFound, SearchTermError

ROOT = Path(__file__).resolve().parents[2]
R = Regions()


@pytest.fixture(scope="module")
def tree(shared: Path) -> pd.DataFrame:
    types = {"color_hex_triplet": str}
    return pd.read_csv(shared / "data/ccf/allen_structure_tree.csv", dtype=types)


def test_table_is_what_the_script_makes(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.tsv"
    script = ROOT / "tools" / "make_ccf_table.py"
    subprocess.run([sys.executable, script, shared / "data/ccf", out], check=True)
    shipped = ROOT / "src/fascicle/atlas/ccf2017.tsv"
    assert out.read_bytes() == shipped.read_bytes()


def test_every_structure_is_as_in_the_source(tree: pd.DataFrame) -> None:
    assert list(R) == tree.id.tolist()
    for row in tree.itertuples():
        assert R.acronym(row.id) == row.acronym
        assert R.name(row.id) == row.name == R.name(-row.id)
        assert R.resolve(row.acronym) == R.resolve(row.id) == R.resolve(-row.id) == row.id
        assert R.resolve(str(row.id)) == row.id
        if row.id:
            path = tuple(int(p) for p in row.structure_id_path.split("/") if p)
            assert R.ancestors(row.id) == path
            assert R.parent(row.id) == (path[-2] if len(path) > 1 else None)
            assert R.level(row.id) == row.depth
            assert R.colour(row.id) == "#" + row.color_hex_triplet.zfill(6).lower()


def test_every_name_resolves_in_any_case(tree: pd.DataFrame) -> None:
    for row in tree.itertuples():
        if row.name.lower() not in {"cm", "ipf"}:
            assert R.resolve(row.name.upper()) == row.id


def test_every_set_of_descendants(tree: pd.DataFrame) -> None:
    below: dict[int, set[int]] = {i: {i} for i in tree.id}
    for path in tree.structure_id_path.dropna():
        ids = [int(p) for p in path.split("/") if p]
        for above in ids:
            below[above].add(ids[-1])
    for identity, expected in below.items():
        assert R.descendants(identity) == expected
        children = {i for i in expected if R.parent(i) == identity}
        assert set(R.children(identity)) == children


@pytest.mark.parametrize("mapping", ["Allen", "Beryl", "Cosmos", "Swanson"])
def test_every_mapping_of_either_hemisphere(shared: Path, tree: pd.DataFrame, mapping: str) -> None:
    """The source maps row numbers: the right hemisphere's rows, then the left's without void."""
    maps = pd.read_parquet(shared / "data/ccf/mappings.pqt")
    ids = tree.id.to_numpy()
    both = np.concatenate([ids, -ids[1:]])
    unsigned = both[maps[mapping].to_numpy()]
    assert np.array_equal(R.remap(np.abs(both), mapping), np.abs(unsigned))
    assert R.map(both.tolist(), mapping) == (np.sign(both) * np.abs(unsigned)).tolist()
    # The source's two-sided map agrees, but for regions of the left that have no member above
    # them: it sends them to the root of the right, and we keep them on the left.
    signed = both[maps[mapping + "-lr"].to_numpy()]
    differ = R.remap(both, mapping) != signed
    assert np.all(signed[differ] == 997) and np.all(both[differ] < 0)


@pytest.mark.parametrize("name", ["beryl", "cosmos", "swanson_regions"])
def test_members_map_to_themselves(shared: Path, name: str) -> None:
    members = np.load(shared / f"data/ccf/{name}.npy").ravel()
    mapping = name.split("_")[0]
    assert np.array_equal(R.remap(members, mapping), members)


def test_arrays_keep_their_shape_and_sign() -> None:
    ids = np.array([[549, -549], [0, -385]], dtype=np.int32)
    assert R.acronyms(ids).tolist() == [["TH", "TH"], ["void", "VISp"]]
    assert R.remap(ids, "cosmos").tolist() == [[549, -549], [0, -315]]
    assert R.remap(ids.astype(float), "Allen").tolist() == ids.tolist()
    assert R.acronyms([]).shape == (0,) == R.remap([], "Beryl").shape
    with pytest.raises(RegionNotFound, match="whole numbers"):
        R.acronyms([549.0, np.nan])


def test_signs() -> None:
    assert R.parent(-549) == -1129
    assert R.parent("TH") == 1129
    assert R.parent(0) is None
    assert R.ancestors(-549)[-1] == 549


def test_what_was_meant_is_said() -> None:
    with pytest.raises(RegionNotFound, match="did you mean 'Thalamus'"):
        R.resolve("thalamsu")
    with pytest.raises(RegionNotFound, match=r"'CM' \(Central medial.*'cm'"):
        R.resolve("Cm")
    with pytest.raises(RegionNotFound, match=r"'LGd' \(Dorsal part of the lateral geniculate"):
        R.resolve("lateral geniculate")
    with pytest.raises(RegionNotFound, match="no brain region has the id 999999"):
        R.map([549, 999999], "Beryl")
    with pytest.raises(SearchTermError, match="Beryl, Cosmos"):
        R.map([549], "beril")
    assert R.resolve("th") == 549
    assert R.resolve("CM") == 599 and R.resolve("cm") == 967


def test_membership_and_copies() -> None:
    assert "TH" in R and -549 in R and "no such" not in R and 1.5 not in R
    assert len(R) == 1328 and "1328" in repr(R)
    assert pickle.loads(pickle.dumps(R)).resolve("TH") == 549


def test_frame() -> None:
    frame = R.frame()
    assert frame.loc[181, "acronym"] == "RE"
    assert frame.loc[181, "cosmos"] == 549
    assert len(frame) == 1328


@given(st.text(max_size=12))
def test_any_text_is_found_or_refused(text: str) -> None:
    try:
        assert R.resolve(text) in set(R)
    except RegionNotFound as error:
        assert error.hint


def test_look_up_needs_neither_numpy_nor_pandas() -> None:
    code = (
        "import sys; from fascicle.atlas import Regions; r = Regions();"
        "r.map(list(r.descendants('TH')), 'Beryl');"
        "sys.exit(bool({'numpy', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
