"""SpikeGLX's meta files: real ones of several probes, and the rules for the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fascicle.errors import BadFileError, EmptyFileError
from fascicle.load import load_file
from fascicle.load.sglx import n_channels, n_sync, read_meta, sample_rate, volts_per_bit

# file -> sample rate, channels, sync words, volts per count (SpikeGLX's own arithmetic)
REAL = {
    "sample3B_g0_t0.imec1.ap.meta": (30000.390639481, 385, 1, 0.6 / 512 / 500),
    "sample3B_g0_t0.nidq.meta": (30003.0003, 2, 1, 5 / 32768),
    "sampleNP2.1_g0_t0.imec.ap.meta": (30000, 385, 1, 0.5 / 8192 / 80),
    "sampleNP2.4_4shanks_g0_t0.imec.ap.meta": (29999.757983, 385, 1, 0.5 / 8192 / 80),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(shared: Path, name: str) -> None:
    rate, channels, words, step = REAL[name]
    meta = read_meta(shared / "data" / "spikeglx_meta" / name)
    assert sample_rate(meta) == rate
    assert n_channels(meta) == channels
    assert n_sync(meta) == words
    factor = volts_per_bit(meta)
    assert factor.shape == (channels - words,)
    np.testing.assert_allclose(factor, step)
    assert load_file(shared / "data" / "spikeglx_meta" / name) == meta


def test_all_real_files_are_readable(shared: Path) -> None:
    files = sorted((shared / "data" / "spikeglx_meta").glob("*.meta"))
    assert files
    for file in files:
        meta = read_meta(file)
        assert len(volts_per_bit(meta)) == n_channels(meta) - n_sync(meta)
        assert isinstance(meta["fileCreateTime"], str)


def made(**changes: object) -> dict:
    meta = {
        "typeThis": "imec",
        "acqApLfSy": [4, 4, 1],
        "snsApLfSy": [4, 0, 1],
        "snsSaveChanSubset": "0:3,8",
        "nSavedChans": 5,
        "imAiRangeMax": 0.6,
        "imDatPrb_type": 0,
        "imroTbl": "(0,4)"
        + "".join(f"({i} 0 0 {100 * (i + 1)} {10 * (i + 1)} 1)" for i in range(4)),
    }
    return {k: v for k, v in {**meta, **changes}.items() if v is not None}


LSB = 0.6 / 512
AP = [LSB / 100, LSB / 200, LSB / 300, LSB / 400]
LF = [LSB / 10, LSB / 20, LSB / 30, LSB / 40]
LF_ONLY = {"snsApLfSy": [0, 4, 1], "snsSaveChanSubset": "4:8"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, AP),
        ({"snsSaveChanSubset": "all"}, AP),
        (LF_ONLY, LF),
        ({**LF_ONLY, "snsSaveChanSubset": "all"}, LF),
        ({"snsApLfSy": [2, 1, 1], "snsSaveChanSubset": "3,1,6,8", "nSavedChans": 4},
         [AP[3], AP[1], LF[2]]),
        # 3A: the head of its table has a serial number and an option
        ({"imroTbl": made()["imroTbl"].replace("(0,4)", "(641251510,3,4)"), "imDatPrb_type": None},
         AP),
        # Ultra, 1100: a table as that of 1.0
        ({"imDatPrb_type": 1100}, AP),
        # Ultra, 1110: groups, and one gain for all at the head
        ({"imDatPrb_type": 1110, "imroTbl": "(1110,2,0,500,250,1)(0 0 0)(1 0 0)"}, [LSB / 500] * 4),
        ({"imDatPrb_type": 1110, "imroTbl": "(1110,2,0,500,250,1)(0 0 0)", **LF_ONLY},
         [LSB / 250] * 4),
        # 2.0, of the test phase and as sold
        ({"imDatPrb_type": 24, "imAiRangeMax": 0.5, "imMaxInt": 8192}, [0.5 / 8192 / 80] * 4),
        ({"imDatPrb_type": 2013, "imAiRangeMax": 0.62, "imMaxInt": 2048, "imChan0apGain": 100},
         [0.62 / 2048 / 100] * 4),
        ({"imDatPrb_type": 2014, "imAiRangeMax": 0.62}, [0.62 / 2048 / 100] * 4),
        # one that is not known yet says its gain
        ({"imDatPrb_type": 9999, "imChan0apGain": 77, "imroTbl": "(9999,4)(0 0)(1 0)",
          "imMaxInt": 1024}, [0.6 / 1024 / 77] * 4),
    ],
)  # fmt: skip
def test_gains(changes: dict, expected: list[float]) -> None:
    np.testing.assert_allclose(volts_per_bit(made(**changes)), expected)


def test_other_streams() -> None:
    nidq = {
        "typeThis": "nidq",
        "snsMnMaXaDw": [1, 1, 2, 1],
        "niAiRangeMax": 5,
        "niMNGain": 200,
        "niMAGain": 2,
        "niMaxInt": 8192,
    }
    step = 5 / 8192
    np.testing.assert_allclose(volts_per_bit(nidq), [step / 200, step / 2, step, step])
    assert n_sync(nidq) == 1
    onebox = {"typeThis": "obx", "snsXaDwSy": [3, 1, 1], "obAiRangeMax": 5, "obMaxInt": 32768}
    np.testing.assert_allclose(volts_per_bit(onebox), [5 / 32768] * 3)
    assert n_sync(onebox) == 2
    assert sample_rate({"obSampRate": 30303.0}) == 30303.0


@pytest.mark.parametrize(
    "changes",
    [
        {"imAiRangeMax": None},
        {"imroTbl": None},
        {"imroTbl": "(0,4)"},
        {"imroTbl": "(0,4)(0 0 0 0 0 1)(1 0 0 0 0 1)(2 0 0 0 0 1)(3 0 0 0 0 1)"},
        {"snsSaveChanSubset": "0:4000000000"},
        {"snsSaveChanSubset": "0:3"},
        {"snsSaveChanSubset": "a"},
        {"snsApLfSy": "many"},
        {"acqApLfSy": None},
    ],
)
def test_gains_that_cannot_be_known(changes: dict) -> None:
    with pytest.raises(BadFileError, match=r"the \.meta file does not"):
        volts_per_bit(made(**changes))


def test_what_is_no_meta_file(tmp_path: Path) -> None:
    path = tmp_path / "a.b.meta"
    path.touch()
    with pytest.raises(EmptyFileError):
        read_meta(path)
    path.write_text("one line\n")
    with pytest.raises(BadFileError, match=r"a\.b\.meta is no SpikeGLX meta file: line 1"):
        read_meta(path)
    path.write_text("a=b\n")
    with pytest.raises(BadFileError, match="typeThis"):
        read_meta(path)
    path.write_text("typeThis=imec\n")
    with pytest.raises(BadFileError, match=r"a\.b\.meta gives no sample rate"):
        sample_rate(read_meta(path))
    with pytest.raises(BadFileError, match="number of channels"):
        n_channels(read_meta(path))
