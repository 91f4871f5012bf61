"""The official client opens the synthetic lab and loads the same numbers."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from fascicle.demo import index_lab, make_lab, plan_lab
from fascicle.load import load_object

SCRIPT = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
import numpy as np
from one.api import One
one = One(cache_dir=sys.argv[1])
out = {}
for task, folder, names in json.loads(sys.argv[2]):
    (eid,) = one.search(task=task, number=1)
    for name in names:
        loaded = one.load_object(eid, name, collection=folder)
        out[f"{folder}/{name}"] = {
            key: [list(np.shape(value)), float(np.nansum(value))]
            for key, value in loaded.items()
            if getattr(value, "dtype", None) is not None and value.dtype.kind in "iuf"
        }
print(json.dumps(out))
"""


@pytest.mark.peer
def test_official_client_loads_the_same(tmp_path, one_python):
    plans = [p for p in plan_lab("tiny") if p.subject in ("MFD_09", "clns0730")]
    plans = [p for p in plans if p.kind in ("ephys", "legacy")]
    lab = make_lab(tmp_path / "lab", size="tiny", sessions=plans)
    index_lab(lab)
    best = next(p for p in plans if p.kind == "ephys")
    old = next(p for p in plans if p.kind == "legacy")
    seen = ["trials", "wheel", "wheelMoves", "licks", "leftCamera", "passiveGabor"]
    asked = [
        ["ephys", "alf", seen],
        ["ephys", "alf/probe01/pykilosort", ["spikes", "clusters", "channels"]],
        ["ephys", "raw_behavior_data", ["audioSpectrogram"]],
        ["SparseNoise", "alf", ["eye"]],
    ]
    run = subprocess.run(
        [str(one_python), "-c", SCRIPT, str(lab), json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    answer = json.loads(run.stdout.splitlines()[-1])
    for task, folder, names in asked:
        session = lab / (old if task == "SparseNoise" else best).path
        for name in names:
            files = [p for p in (session / folder).rglob("*") if p.is_file()]
            newest = {p.name: p for p in sorted(files, key=lambda p: "#" in str(p))}
            ours = load_object(list(newest.values()), name)
            theirs = answer[f"{folder}/{name}"]
            assert theirs
            for key, (shape, total) in theirs.items():
                assert list(np.shape(ours[key])) == shape, (name, key)
                assert float(np.nansum(ours[key])) == pytest.approx(total, rel=1e-9), (name, key)
