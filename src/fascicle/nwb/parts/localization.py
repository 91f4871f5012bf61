"""Places of the electrodes as tables of coordinates, each in a space that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fascicle.nwb.parts import places
from fascicle.nwb.parts.electrodes import sites_of

if TYPE_CHECKING:
    from fascicle.nwb.parts.sortings import ProbeFiles
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry


def build_localization(draft: Draft, entry: Entry, probes: Sequence[ProbeFiles]) -> None:
    """Build both tables, of the electrodes whose place is known."""
    import numpy as np

    rows, mlapdv, names = [], [], []
    for probe in probes:
        sites = sites_of(draft, probe)
        if sites.mlapdv is None or probe.label not in draft.electrodes:
            continue
        known = np.isfinite(sites.mlapdv.astype(np.float64)).all(axis=1)
        rows.append(np.flatnonzero(known) + draft.electrodes[probe.label].start)
        mlapdv.append(sites.mlapdv[known].astype(np.float64))
        found = np.full(sites.n, "unknown", dtype=object)
        if sites.ids is not None:
            found = places.names_of(sites.ids)[0]
        names.append(found[known])
    if not rows or not sum(map(len, rows)):
        return
    _add(draft, np.concatenate(rows), np.concatenate(mlapdv), np.concatenate(names))


def _add(draft: Draft, rows: Any, mlapdv: Any, names: Any) -> None:
    try:
        from ndx_anatomical_localization import (
            AllenCCFv3Space,
            AnatomicalCoordinatesTable,
            Localization,
            Space,
        )
    except ImportError:
        draft.warn(
            "the tables of places are left out: they need pip install ndx-anatomical-localization; "
            "the table of electrodes has the same places"
        )
        return
    atlas = AllenCCFv3Space()
    bregma = Space(
        name="IBLBregma", space_name="IBLBregma", origin="bregma", units="um", orientation="RAS"
    )
    tables = [
        _table(
            draft,
            AnatomicalCoordinatesTable,
            ("ElectrodesCCFv3", atlas, "Places of electrodes in the Allen atlas (um)"),
            places.in_ccf(mlapdv),
            rows,
            names,
        ),
        _table(
            draft,
            AnatomicalCoordinatesTable,
            ("ElectrodesIBLBregma", bregma, "Places of electrodes from bregma (um)"),
            mlapdv,
            rows,
            names,
        ),
    ]
    # The tables refer to that of the electrodes, which they have to be in one file with.
    found = Localization()
    draft.nwb.add_lab_meta_data(found)
    found.add_spaces([atlas, bregma])
    found.add_anatomical_coordinates_tables(tables)


def _table(
    draft: Draft,
    of: Any,
    named: tuple[str, Any, str],
    xyz: Any,
    rows: Any,
    names: Any,
) -> Any:
    from hdmf.common import DynamicTableRegion, VectorData

    name, space, about = named
    axes = zip("xyz", xyz.T, strict=True)
    columns = [
        VectorData(name=axis, description=f"{axis} of {space.orientation} (um)", data=values.copy())
        for axis, values in axes
    ]
    columns += [
        DynamicTableRegion(
            name="localized_entity",
            description="The electrode",
            data=rows,
            table=draft.nwb.electrodes,
        ),
        VectorData(
            name="brain_region",
            description="Acronym of the region in the Allen atlas",
            data=names.tolist(),
        ),
    ]
    method = "As the session's channels have it (channels.mlapdv, electrodeSites.mlapdv)"
    return of(name=name, description=about, space=space, method=method, columns=columns)
