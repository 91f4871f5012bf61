"""What is switched off in the metadata is nowhere in the file."""

from __future__ import annotations

import warnings
from pathlib import Path

from fascicle.archives import open_archive
from fascicle.errors import ConversionWarning
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.nwb import SessionMetadata, convert


def test_a_metric_that_is_switched_off_is_nowhere_in_the_file(
    tiny_lab: Path, tmp_path: Path
) -> None:
    session = open_archive(tiny_lab).open("churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001")
    document = SessionMetadata.from_archive(session.archive, session.eid)
    for entry in document.objects:
        entry.on = entry.nwb in ("units", "general/extracellular_ephys/electrodes") or (
            entry.part == "probes"
        )
        for item in entry.items:
            item.on = item.on and item.source != "clusters.metrics:noise_cutoff"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        report = convert(document, tmp_path / "a.nwb", check="readback")
    path = "alf/probe00/pykilosort/#2024-05-06#/clusters.metrics.pqt"
    assert path in {one.dataset for one in report.took}
    with NwbFile(tmp_path / "a.nwb") as file:
        assert not file.has("units/noise_cutoff")
        assert not file.has("scratch/probe00_clusters.metrics")
        given = AlfView(file).read(path)
    source = session.read(path)
    assert list(given) == [name for name in source if name != "noise_cutoff"]
