"""AlfBunch: a dictionary with dots that becomes a table and comes back without loss."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fascicle.errors import ALFInvalid, ALFWarning
from fascicle.load import AlfBunch


@pytest.fixture
def trials() -> AlfBunch:
    return AlfBunch(
        choice=np.array([1, -1, 2**60 + 1]),
        correct=np.array([True, False, True]),
        contrast=np.array([0.5, np.nan, 1], np.float32),
        intervals=np.arange(6.0).reshape(3, 2),
        phase=np.array(["a", "b", "c"]),
    )


def test_attributes(trials: AlfBunch) -> None:
    assert trials.choice is trials["choice"]
    trials.extra = 3
    assert trials["extra"] == 3
    assert "extra" in dir(trials)
    del trials.extra
    assert "extra" not in trials
    with pytest.raises(
        AttributeError, match=r"no attribute 'choise' here; there is: choice, correct"
    ):
        _ = trials.choise
    with pytest.raises(AttributeError):
        del trials.choise
    assert not hasattr(trials, "_repr_png_")
    trials["values"] = 1
    assert len(list(trials.values())) == 6  # methods stay what they are


def test_copies_and_pickles(trials: AlfBunch) -> None:
    for twin in (copy.copy(trials), trials.copy(), pickle.loads(pickle.dumps(trials))):
        assert type(twin) is AlfBunch
        assert list(twin) == list(trials)
        twin.new = 1
        assert "new" not in trials
    assert trials.copy().choice is trials.choice
    for deep in (copy.deepcopy(trials), trials.copy(deep=True)):
        deep.choice[0] = 99
        assert trials.choice[0] == 1


def test_union(trials: AlfBunch) -> None:
    both = trials | {"choice": 5, "more": 6}
    assert type(both) is AlfBunch
    assert (both.choice, both.more) == (5, 6)
    assert trials.choice is not both.choice
    assert ({"choice": 5} | trials).choice is trials.choice
    assert type({} | trials) is AlfBunch
    trials |= {"more": 1}
    assert type(trials) is AlfBunch
    with pytest.raises(TypeError):
        _ = trials | 3


def test_table_keeps_types(trials: AlfBunch) -> None:
    table = trials.to_df()
    assert list(table) == ["choice", "correct", "contrast", "intervals_0", "intervals_1", "phase"]
    assert table["choice"].dtype == np.int64
    assert table["choice"][2] == 2**60 + 1
    assert table["correct"].dtype == bool
    assert table["contrast"].dtype == np.float32
    back = AlfBunch.from_df(table)
    assert back.keys() == trials.keys()
    for key in ("choice", "correct", "contrast", "intervals"):
        assert back[key].dtype == trials[key].dtype
        np.testing.assert_array_equal(back[key], trials[key])
        back[key][:] = 0  # of its own
    assert table["choice"][0] == 1
    assert back.phase.tolist() == ["a", "b", "c"]


kinds = st.sampled_from([np.int64, np.uint8, np.float32, np.float64, bool, "datetime64[ns]"])


@settings(deadline=None)
@given(data=st.data(), rows=st.integers(0, 4), names=st.sets(st.sampled_from("abcd"), min_size=1))
def test_there_and_back(data: st.DataObject, rows: int, names: set[str]) -> None:
    bunch = AlfBunch()
    for name in sorted(names):
        width = data.draw(st.sampled_from([0, 2, 3, 12]))
        shape = (rows, width) if width else (rows,)
        bunch[name] = data.draw(hnp.arrays(np.dtype(data.draw(kinds)), shape))
    back = AlfBunch.from_df(bunch.to_df())
    assert back.keys() == bunch.keys()
    for name, array in bunch.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back[name], array)


def test_runs_of_columns() -> None:
    names = ["x_0", "x_1", "x_3", "y_1", "z_0", "z_01", "w_1", "w_0", "v", "v_0", "v_1", 5]
    table = pd.DataFrame([range(len(names))], columns=names)
    bunch = AlfBunch.from_df(table)
    assert bunch.x.tolist() == [[0, 1]]
    assert bunch.w.tolist() == [[7, 6]]
    assert set(bunch) == {"x", "x_3", "y_1", "z_0", "z_01", "w", "v", "v_0", "v_1", "5"}


def test_columns_of_pandas_own_types() -> None:
    table = pd.DataFrame(
        {
            "i": pd.array([1, 2**60 + 1], "Int64"),
            "n": pd.array([1, None], "Int64"),
            "b": pd.array([True, False], "boolean"),
            "c": pd.Categorical(["x", "y"]),
            "s": pd.array(["x", None], "string"),
        }
    )
    bunch = AlfBunch.from_df(table)
    assert bunch.i.dtype == np.int64
    assert bunch.i[1] == 2**60 + 1
    assert bunch.n.dtype == float
    assert np.isnan(bunch.n[1])
    assert bunch.b.dtype == bool
    assert bunch.c.tolist() == ["x", "y"]
    assert bunch.s.dtype == object


def test_what_does_not_fit_a_table() -> None:
    bunch = AlfBunch(a=np.zeros(3), waves=np.zeros((3, 2, 2)), note={"unit": "s"})
    with pytest.warns(ALFWarning, match="waves has 3 dimensions"):
        table = bunch.to_df()
    assert list(table) == ["a"]
    bunch = AlfBunch(a=np.zeros(3), b=np.zeros((2, 2)))
    with pytest.raises(ALFInvalid, match=r"a \(3,\), b \(2, 2\)"):
        bunch.to_df()
    assert isinstance(ALFInvalid(), ValueError)
    bunch = AlfBunch(a=np.zeros(3), timestamps=np.zeros((2, 2)))
    with pytest.raises(ALFInvalid):
        bunch.to_df()


def test_tables_of_odd_content() -> None:
    bunch = AlfBunch(
        a=np.arange(3),
        one=np.array([7]),
        column=np.arange(3)[:, None],
        items=[{}, 1, None],
        table=pd.DataFrame({"x": [1, 2, 3]}, index=[9, 8, 7]),
        series=pd.Series([1, 2, 3], index=[9, 8, 7]),
    )
    table = bunch.to_df()
    assert table["one"].tolist() == [7, 7, 7]
    assert table["column"].tolist() == [0, 1, 2]
    assert table["items"].tolist() == [{}, 1, None]
    assert table["table_x"].tolist() == [1, 2, 3]
    assert table["series"].tolist() == [1, 2, 3]
    assert AlfBunch().to_df().shape == (0, 0)
    assert AlfBunch(note={}).to_df().shape == (0, 0)
    assert AlfBunch(wide=np.zeros((2, 15))).to_df().shape == (2, 15)
    assert AlfBunch(wide=np.zeros((2, 15))).to_df(max_columns=10).shape == (2, 10)


@pytest.mark.parametrize(
    ("shapes", "consistent"),
    [
        ({}, True),
        ({"a": (3,), "b": (3, 2), "c": (1,), "d": (1, 3)}, True),
        ({"a": (3,), "b": (2,)}, False),
        ({"a": (3,), "timestamps": (2, 2)}, True),
        ({"a": (3,), "timestamps_bpod": (3, 1)}, True),
        ({"a": (3,), "timestamps": (4,)}, False),
        ({"a": (3,), "timestamps": (3, 2)}, False),
        ({"a": (3,), "b": ()}, True),
        ({"a": (0,), "b": (0,)}, True),
    ],
)
def test_dimensions(shapes: dict, consistent: bool) -> None:
    bunch = AlfBunch({k: np.zeros(s) for k, s in shapes.items()})
    assert bunch.check_dimensions == (0 if consistent else 1)


def test_append(trials: AlfBunch) -> None:
    trials.note = [1]
    trials.table = pd.DataFrame({"x": [1, 2, 3]})
    trials.unit = "s"
    first = trials.choice
    with pytest.warns(ALFWarning, match="unit is a str"):
        longer = trials.append(trials)
    assert longer.choice.tolist() == first.tolist() * 2
    assert longer.note == [1, 1]
    assert longer.table["x"].tolist() == [1, 2, 3] * 2
    assert trials.choice is first
    assert trials.note == [1]
    del trials.unit
    assert trials.append(trials, inplace=True) is trials
    assert len(trials.choice) == 6
    assert AlfBunch().append(trials).keys() == trials.keys()
    assert trials.append({}).keys() == trials.keys()
    with pytest.raises(ALFInvalid, match=r"differ in: more"):
        trials.append({**trials, "more": 1})
    with pytest.raises(ALFInvalid, match="intervals cannot be appended"):
        AlfBunch(intervals=np.zeros((3, 2))).append({"intervals": np.zeros(3)})
    with pytest.warns(ALFWarning, match="after append"):
        AlfBunch(a=np.zeros(3), b=np.zeros(3)).append({"a": np.zeros(3), "b": np.zeros(2)})


def test_representations(trials: AlfBunch) -> None:
    trials["<b>"] = [1, 2]
    text = repr(trials)
    assert text.splitlines()[0] == "AlfBunch"
    assert "intervals  float64  (3, 2)" in text
    html = trials._repr_html_()
    assert "<td><b>choice</b></td><td>int64</td><td>(3,)</td>" in html
    assert "&lt;b&gt;" in html
    assert "2 items" in html
    assert repr(AlfBunch()) == "AlfBunch()"
    assert trials._ipython_key_completions_() == list(trials)
