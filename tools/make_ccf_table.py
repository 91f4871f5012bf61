"""Make the table of brain regions that the package ships, from the Allen structure tree.

Usage: ``python tools/make_ccf_table.py [SHARED_DATA/ccf] [OUT]``

The input folder holds the Allen Institute's mouse CCF 2017 structure tree as CSV and the lists of
regions that make up the Beryl, Cosmos and Swanson parcellations. The output is one line per
structure in depth-first order: a structure's descendants follow it, so that its depth alone says
who its parent is, and one letter per parcellation says whether it is a member of it.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PARCELLATIONS = {"B": "beryl.npy", "C": "cosmos.npy", "S": "swanson_regions.npy"}
VOID = "0"


def make(source: Path) -> str:
    """Return the text of the table made from the folder ``source``."""
    with (source / "allen_structure_tree.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] != VOID]
    rows.sort(key=lambda row: int(row["graph_order"]))
    members = {
        letter: {int(i) for i in np.load(source / name).ravel()}
        for letter, name in PARCELLATIONS.items()
    }
    lines = ["id\tdepth\tcolour\tparcellations\tacronym\tname"]
    parents: list[str] = []
    for row in rows:
        depth = int(float(row["depth"]))
        del parents[depth:]
        path = [part for part in row["structure_id_path"].split("/") if part]
        if path != [*parents, row["id"]]:
            raise SystemExit(f"structure {row['id']} does not follow its parent in graph order")
        parents.append(row["id"])
        letters = "".join(k for k, ids in members.items() if int(row["id"]) in ids)
        colour = row["color_hex_triplet"].zfill(6).upper()
        cells = [row["id"], str(depth), colour, letters, row["acronym"], row["name"].strip()]
        if any("\t" in cell or "\n" in cell for cell in cells):
            raise SystemExit(f"structure {row['id']} has a tab or a line break in a cell")
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table."""
    given = [Path(a) for a in sys.argv[1:]]
    source = given[0] if given else ROOT.parent / "shared" / "data" / "ccf"
    out = given[1] if len(given) > 1 else ROOT / "src" / "fascicle" / "atlas" / "ccf2017.tsv"
    out.write_text(make(source), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
