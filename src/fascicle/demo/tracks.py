"""Where a probe lies in the brain: channels, their coordinates and their regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.atlas import Regions

Array = NDArray[Any]

CHANNELS = 384
VOID = 0


@dataclass(frozen=True, slots=True)
class Track:
    """A way into the brain: where it enters, its tilt, and the layers from the surface down.

    Attributes
    ----------
    ml, ap, dv : float
        Entry point in µm from bregma; ml is positive on the right, ap forward, dv upward.
    tilt : float
        Angle from the vertical in degrees, in the coronal plane; the tip goes towards midline.
    layers : str
        ``acronym thickness`` pairs, in µm, from the surface down.
    beyond : float
        How much of the recording sites stays above the brain, in µm.
    """

    ml: float
    ap: float
    dv: float
    tilt: float
    layers: str
    beyond: float = 0.0


TRACKS: dict[str, Track] = {
    # The site that every lab of the tutorials' reproducibility release went to.
    "repeated-site": Track(
        -2243, -2000, -350, 15,
        "VISa1 110 VISa2/3 230 VISa4 130 VISa5 290 VISa6a 200 VISa6b 60 ccb 130 alv 60 CA1 560 "
        "DG-mo 260 DG-sg 90 DG-po 150 DG-sg 70 LP 780 PO 700 VPM 200",
    ),
    "visual": Track(
        -2500, -2700, -400, 5,
        "VISp1 110 VISp2/3 240 VISp4 140 VISp5 260 VISp6a 220 VISp6b 60 ccb 140 CA1 480 "
        "DG-mo 210 DG-sg 80 DG-po 120 LGd-co 420 LP 560 PO 380 ZI 500",
        beyond=120,
    ),
    "midline": Track(
        -320, -1150, -520, 2,
        "MOs1 120 MOs2/3 230 MOs5 420 MOs6a 300 ccb 240 PVT 260 MD 480 IMD 130 CM 330 RH 290 "
        "RE 420 PVH 420",
    ),
    "barrel": Track(
        2900, -1300, -450, 8,
        "SSp-bfd1 110 SSp-bfd2/3 260 SSp-bfd4 190 SSp-bfd5 330 SSp-bfd6a 260 SSp-bfd6b 60 "
        "ccb 180 CP 420 RT 330 VPM 800 ZI 420 or 200",
        beyond=200,
    ),
    "frontal": Track(
        -350, 1900, -600, 4,
        "MOs1 130 MOs2/3 250 MOs5 450 ACAd5 420 ACAd6a 260 PL5 700 ILA5 520 ILA6a 260 ACB 700",
    ),
    "striatum": Track(
        -1700, 700, -500, 6,
        "MOs1 120 MOs2/3 250 MOs5 400 MOs6a 330 ccb 220 CP 1900 ACB 620",
    ),
    "colliculus": Track(
        900, -3700, -600, 0,
        "RSPd1 120 RSPd2/3 210 RSPd5 330 RSPd6a 160 dhc 130 SCsg 210 SCop 210 SCig 560 SCiw 240 "
        "PAG 560 MRN 900",
        beyond=80,
    ),
}  # fmt: skip


def make_channels(
    rng: np.random.Generator, track: str | Track, *, signed: bool = False
) -> dict[str, Array]:
    """Place the 384 recording sites of a Neuropixels 1.0 probe in the brain.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance: layers vary by a tenth, the entry point by 100 µm.
    track : str or Track
        A name among `TRACKS`, or a track of your own.
    signed : bool
        Give the left hemisphere negative region ids. As served publicly, all are positive.

    Returns
    -------
    dict of str to numpy.ndarray
        ``localCoordinates`` (384, 2) float32, µm from the tip (across, along); ``mlapdv``
        (384, 3) int32, µm from bregma; ``brainLocationIds_ccf_2017`` (384,) int64, 0 above the
        brain; ``rawInd`` (384,) int64; ``labels`` (384,) int8, 0 where the channel is good.
    """
    track = TRACKS[track] if isinstance(track, str) else track
    regions = Regions()
    words = track.layers.split()
    ids = np.array([regions.resolve(acronym) for acronym in words[::2]])
    thickness = np.array(words[1::2], float) * rng.normal(1, 0.08, ids.size).clip(0.75, 1.25)

    site = np.arange(CHANNELS)
    along = 20.0 * (site // 2 + 1)
    across = np.array([43.0, 11.0, 59.0, 27.0])[site % 4]
    depth = along.max() - track.beyond - along  # below the surface
    layer = np.searchsorted(np.cumsum(thickness), depth, side="right").clip(max=ids.size - 1)
    where = np.where(depth < 0, VOID, ids[layer])

    entry = np.array([track.ml, track.ap, track.dv]) + rng.normal(0, 60, 3)
    tilt = np.deg2rad(track.tilt + rng.normal(0, 1.5))
    down = np.array([-np.sign(entry[0]) * np.sin(tilt), 0.0, -np.cos(tilt)])
    mlapdv = entry + depth[:, None] * down
    side = np.sign(entry[0])
    mlapdv[:, 0] = side * np.maximum(side * mlapdv[:, 0], 5)  # no track crosses the midline
    if signed:
        where = np.where(mlapdv[:, 0] < 0, -where, where)
    labels = np.zeros(CHANNELS, np.int8)
    labels[191] = 1  # the reference site
    labels[where == VOID] = 3
    return {
        "localCoordinates": np.column_stack([across, along]).astype(np.float32),
        "mlapdv": mlapdv.round().astype(np.int32),
        "brainLocationIds_ccf_2017": where.astype(np.int64),
        "rawInd": site.astype(np.int64),
        "labels": labels,
    }
