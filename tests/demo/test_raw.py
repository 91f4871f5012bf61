"""The short raw recording and the film are what other programs expect of such files."""

from __future__ import annotations

import struct

import mtscomp
import numpy as np
import pytest

from fascicle.demo.raw import VOLTS, waveforms, write_cbin
from fascicle.demo.video import make_frames, write_mp4
from fascicle.load import load_file, open_cbin

STEM = "_spikeglx_ephysData_g0_t0.imec0"
BEST = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"


@pytest.mark.parametrize(
    ("samples", "channels", "seconds"), [(1000, 7, 0.3), (900, 3, 0.3), (5, 1, 1)]
)
@pytest.mark.parametrize("kind", [np.int16, np.uint8])
def test_mtscomp_reads_what_we_write(tmp_path, samples, channels, seconds, kind):
    limits = np.iinfo(kind)
    rng = np.random.default_rng(0)
    data = rng.integers(limits.min, limits.max, (samples, channels), endpoint=True, dtype=kind)
    cbin, ch = write_cbin(tmp_path / "a.cbin", data, sample_rate=1000.0, chunk_seconds=seconds)
    reader = mtscomp.decompress(cbin, ch)
    assert np.array_equal(reader[:], data)
    reader.close()
    assert np.array_equal(open_cbin(cbin)[:], data)


def test_the_recording_holds_the_sorted_spikes(tiny):
    folder = tiny / BEST / "raw_ephys_data/probe00"
    recording = open_cbin(folder / f"{STEM}.ap.cbin")
    assert recording.shape[1] == 385
    assert recording.sample_rate == 30_000
    sorting = tiny / BEST / "alf/probe00/pykilosort/#2024-05-06#"
    samples = load_file(sorting / "spikes.samples.npy")
    clusters = load_file(sorting / "spikes.clusters.npy").astype(int)
    channel = load_file(sorting / "clusters.channels.npy")
    amps = load_file(sorting / "clusters.amps.npy")
    inside = (samples > 30) & (samples < recording.shape[0] - 70)
    assert inside.sum() >= 5
    data = recording[:]
    troughs = data[samples[inside], channel[clusters[inside]]] * VOLTS
    assert np.corrcoef(troughs, amps[clusters[inside]])[0, 1] < -0.5
    assert np.median(troughs) < -40e-6


def test_the_clock_of_the_probe_is_noted(tiny):
    folder = tiny / BEST / "raw_ephys_data/probe00"
    stamps = load_file(folder / f"{STEM}.timestamps.npy")
    sync = load_file(folder / f"{STEM}.sync.npy")
    assert np.allclose(stamps[:, 0], sync[:, 0] * 30_000)
    sorting = tiny / BEST / "alf/probe00/pykilosort/#2024-05-06#"
    samples = load_file(sorting / "spikes.samples.npy")
    times = load_file(sorting / "spikes.times.npy")
    assert np.allclose(np.interp(samples, stamps[:, 0], stamps[:, 1]), times, atol=2e-5)


def test_waveforms_are_largest_on_the_units_own_channel():
    from fascicle.demo.tracks import make_channels
    from fascicle.demo.units import make_units

    rng = np.random.default_rng(1)
    units = make_units(rng, make_channels(rng, "striatum"), 40)
    wave, channels = waveforms(units)
    assert wave.shape == (40, 82, 32)
    best = np.take_along_axis(channels, wave.min(1).argmin(1)[:, None], 1)[:, 0]
    assert np.array_equal(best, units.channel)
    assert np.all(wave[:, 20].min(1) == wave.min((1, 2)))


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> dict[str, tuple[int, int]]:
    found, stop = {}, len(data) if stop is None else stop
    while start < stop:
        size, name = struct.unpack_from(">I4s", data, start)
        found[name.decode()] = (start + 8, start + size)
        start += size
    assert start == stop
    return found


def test_the_film_holds_its_pictures(tmp_path):
    frames = make_frames(np.linspace(24, 34, 5), np.linspace(0, 1.5, 5))
    assert frames.min() >= 16
    assert frames.max() <= 235
    data = write_mp4(tmp_path / "a.mp4", frames, rate=25).read_bytes()
    top = boxes(data)
    assert list(top) == ["ftyp", "mdat", "moov"]
    place = top["moov"]
    for name in ("trak", "mdia", "minf", "stbl"):
        place = boxes(data, *place)[name]
    tables = boxes(data, *place)
    count = struct.unpack_from(">I", data, tables["stsz"][0] + 8)[0]
    sizes = struct.unpack_from(f">{count}I", data, tables["stsz"][0] + 12)
    (offset,) = struct.unpack_from(">I", data, tables["stco"][0] + 8)
    assert (count, offset) == (5, top["mdat"][0])
    assert offset + sum(sizes) == top["mdat"][1]
    for frame, size in zip(frames, sizes, strict=True):
        unit = data[offset + 4 : offset + size]
        assert struct.unpack_from(">I", data, offset)[0] == len(unit)
        assert unit[0] & 0x1F == 5  # a picture that needs no other
        assert unit[-1] == 0x80
        # Plain macroblocks of 384 bytes, two bytes of type between them; the last is whole.
        last = np.frombuffer(unit[-1 - 384 : -1 - 128], np.uint8).reshape(16, 16)
        assert np.array_equal(last, frame[-16:, -16:])
        assert b"\0\0\0" not in unit
        offset += size
