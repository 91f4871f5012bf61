"""Where electrodes are in the brain: coordinates of the Common Coordinate Framework, regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.rules import BREGMA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Acronym of the whole brain: what stands for a region where none is known, or where an electrode
#: is outside. Validators take a term of the Allen atlas alone, and ``void`` is none.
NOWHERE = "root"
#: Acronyms that are no terms of the Allen atlas as validators know it, to the term that is.
_TERMS = {f"CUL4 5{layer}": f"CUL4, 5{layer}" for layer in ("", "mo", "pu", "gr")}
_TERMS |= dict.fromkeys(("Mmme", "Mml", "Mmm", "Mmp", "Mmd"), "MM")
_TERMS |= {"void": NOWHERE}
#: Parcellations that the table of electrodes has beside the finest.
COARSER = ("Beryl", "Cosmos")


def in_ccf(mlapdv: NDArray[Any]) -> NDArray[np.float64]:
    """Return places in the Common Coordinate Framework.

    Parameters
    ----------
    mlapdv : ndarray, shape (n, 3)
        From bregma to the right, front and top, um.

    Returns
    -------
    ndarray, shape (n, 3)
        To the back, down and to the right from the corner of the atlas, um: the axes of NWB.
    """
    import numpy as np

    given = np.asarray(mlapdv, dtype=np.float64)
    ml, ap, dv = BREGMA
    return np.stack([ap - given[:, 1], dv - given[:, 2], ml + given[:, 0]], axis=1)


def from_ccf(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what `in_ccf` made its places of: the rule by which files are read."""
    import numpy as np

    x, y, z = places.T
    ml, ap, dv = z - BREGMA[0], BREGMA[1] - x, BREGMA[2] - y
    found = np.stack([ml, ap, dv], axis=1)
    found[(x < 0) | (y < 0) | (z < 0)] = np.nan
    return found


def gives_back(mlapdv: NDArray[Any]) -> bool:
    """Return whether the places in the framework give back the very numbers that they are of."""
    import numpy as np

    back = from_ccf(in_ccf(mlapdv))
    if mlapdv.dtype.kind in "iu":
        return bool(np.isfinite(back).all()) and np.array_equal(back, mlapdv.astype(np.float64))
    return np.array_equal(back, np.asarray(mlapdv, dtype=np.float64), equal_nan=True)


def in_metres(mlapdv: NDArray[Any]) -> bool:
    """Return whether coordinates are in m: no brain is a tenth of a micrometre wide."""
    import numpy as np

    if mlapdv.dtype.kind != "f" or not np.isfinite(mlapdv).any():
        return False
    return 0 < float(np.nanmax(np.abs(mlapdv))) < 0.1


def whole_ids(ids: NDArray[Any]) -> NDArray[np.int64]:
    """Return region ids as whole numbers, 0 where there is none."""
    import numpy as np

    if ids.dtype.kind == "f":
        ids = np.where(np.isfinite(ids), ids, 0)
    return ids.astype(np.int64)


def names_of(ids: NDArray[np.int64], mapping: str = "Allen") -> tuple[NDArray[Any], list[int]]:
    """Return the acronym of each region in a parcellation.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        Of either sign.
    mapping : str

    Returns
    -------
    names : ndarray of str, shape (n,)
        ``void`` outside the brain and for ids that the atlas does not have.
    unknown : list of int
        These ids.
    """
    import numpy as np

    from fascicle.atlas import Regions

    regions = Regions()
    unique, inverse = np.unique(np.abs(ids), return_inverse=True)
    unknown = [one for one in unique.tolist() if one not in regions]
    known = np.where(np.isin(unique, unknown), 0, unique)
    found = regions.acronyms(regions.remap(known, mapping)).astype(object)
    return found[inverse], unknown


def hemisphere(ids: NDArray[np.int64] | None, mlapdv: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return ``left``, ``right`` or ``unknown`` for each electrode; None where nothing tells.

    The sign of ML decides, negative is left; a negative id is the left too.
    """
    import numpy as np

    if mlapdv is None and (ids is None or not (ids < 0).any()):
        return None
    given = mlapdv if mlapdv is not None else ids
    assert given is not None
    out = np.full(len(given), "unknown", dtype=object)
    if mlapdv is not None:
        ml = np.asarray(mlapdv)[:, 0].astype(np.float64)
        out[ml < 0] = "left"
        out[ml > 0] = "right"
    if ids is not None:
        out[ids < 0] = "left"
    return out


def terms(names: NDArray[Any]) -> NDArray[Any]:
    """Return acronyms as the terms that validators take; `NOWHERE` for the void."""
    import numpy as np

    return np.array([_TERMS.get(name, name) for name in names.tolist()], dtype=object)
