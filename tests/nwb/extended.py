"""Write an NWB file with an extension, in a process that nobody else learns it from.

Run as a program: ``extended.py FOLDER`` writes ``FOLDER/extended.nwb``.
"""

from __future__ import annotations

import datetime
import sys
import warnings
from pathlib import Path


def main(folder: Path) -> None:
    from pynwb import NWBHDF5IO, NWBFile, get_class, load_namespaces
    from pynwb.spec import NWBAttributeSpec, NWBDatasetSpec, NWBGroupSpec, NWBNamespaceBuilder

    builder = NWBNamespaceBuilder(
        "for a test", "ndx-of-a-test", version="0.1.0", author="a", contact="c"
    )
    builder.include_type("TimeSeries", namespace="core")
    builder.include_type("LabMetaData", namespace="core")
    series = NWBGroupSpec(
        "a series with more",
        neurodata_type_def="BlinkSeries",
        neurodata_type_inc="TimeSeries",
        datasets=[NWBDatasetSpec("the area", name="area", dtype="float", shape=(None,))],
    )
    lab = NWBGroupSpec(
        "words of the lab",
        neurodata_type_def="RigMetaData",
        neurodata_type_inc="LabMetaData",
        attributes=[NWBAttributeSpec("rig", "its name", "text")],
    )
    for spec in (series, lab):
        builder.add_spec("ndx-of-a-test.extensions.yaml", spec)
    builder.export("ndx-of-a-test.namespace.yaml", outdir=str(folder))
    load_namespaces(str(folder / "ndx-of-a-test.namespace.yaml"))
    start = datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)
    nwb = NWBFile("d", "extended", start)
    blinks = get_class("BlinkSeries", "ndx-of-a-test")(
        name="blinks", data=[1.0, 2.0], timestamps=[0.0, 1.0], unit="a.u.", area=[5.0, 6.0]
    )
    nwb.add_acquisition(blinks)
    nwb.add_lab_meta_data(get_class("RigMetaData", "ndx-of-a-test")(name="rig", rig="NP.1"))
    with NWBHDF5IO(folder / "extended.nwb", "w") as io:
        io.write(nwb)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
