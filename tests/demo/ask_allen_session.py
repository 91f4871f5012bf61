"""Runs in the peer's environment: opens a file with AllenSDK, and describes all that it reads.

Arguments: ``ecephys`` or ``behavior``, the file, and the file of one probe's LFP.
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pandas as pd


def kind(values):
    name = str(values.dtype)
    if name != "object":
        return name
    names = {
        type(v).__name__ for v in values if not (np.isscalar(v) and pd.isna(v)) and v is not None
    }
    return f"object<{', '.join(sorted(names)) or 'empty'}>"


def describe(value):
    if isinstance(value, pd.DataFrame):
        return {
            "shape": list(value.shape),
            "index": f"{value.index.name}:{value.index.dtype}",
            "index values": [str(v) for v in value.index[:3]],
            "columns": {c: kind(value[c]) for c in value.columns},
            "mean": {c: float(value[c].mean()) for c in value.columns if value[c].dtype == float},
        }
    if hasattr(value, "dims"):
        return {
            "shape": list(value.shape),
            "dims": list(value.dims),
            "dtype": str(value.dtype),
        }
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, dict):
        return {str(k): describe(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def main(which, path, lfp=None):
    from allensdk.brain_observatory.behavior.behavior_session import BehaviorSession
    from allensdk.brain_observatory.ecephys._probe import ProbeWithLFPMeta
    from allensdk.brain_observatory.ecephys.behavior_ecephys_session import BehaviorEcephysSession

    if which == "behavior":
        session = BehaviorSession.from_nwb_path(path)
    else:
        meta = {"probeA": ProbeWithLFPMeta(lfp_csd_filepath=lfp, lfp_sampling_rate=1250.0)}
        session = BehaviorEcephysSession.from_nwb_path(path, probe_meta=meta)
    names = session.list_data_attributes_and_methods()
    answers = {"list_data_attributes_and_methods": names}
    for name in names:
        try:
            value = getattr(session, name)
            if name in ("get_lfp", "get_current_source_density"):
                value = value(session.probes.index[0])
            elif name.startswith("get_") or name == "behavior_data_class":
                value = value()
            answers[name] = describe(value)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            answers[name] = f"failed: {error!r}"
    print("ANSWERS" + json.dumps(answers))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
