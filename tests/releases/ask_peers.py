"""Runs in a peer's environment: what the real AllenSDK and ONE-api see of a release of ours.

Arguments: ``allen ENDPOINT BUCKET PROJECT FOLDER`` or ``one FOLDER``; prints JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def allen(endpoint: str, bucket: str, project: str, folder: str) -> dict:
    import boto3
    from allensdk.api.cloud_cache import cloud_cache
    from botocore import UNSIGNED
    from botocore.client import Config

    class Cache(cloud_cache.S3CloudCache):
        @property
        def s3_client(self):
            if self._s3_client is None:
                config = Config(signature_version=UNSIGNED, s3={"addressing_style": "path"})
                self._s3_client = boto3.client("s3", config=config, endpoint_url=endpoint)
            return self._s3_client

    cache = Cache(folder, bucket, project)
    names = sorted(cache.manifest_file_names)
    versions = {}
    for name in names:
        cache.load_manifest(name)
        tables = {
            key: hashlib.sha256(Path(cache.download_metadata(key)).read_bytes()).hexdigest()
            for key in cache.metadata_file_names
        }
        import pandas as pd

        table = pd.read_csv(cache.download_metadata("datasets"))
        files = {
            row.path: hashlib.sha256(
                Path(cache.download_data(str(row.file_id))).read_bytes()
            ).hexdigest()
            for row in table.itertuples()
        }
        versions[name] = {"tables": tables, "files": files, "version": cache.version}
    compared = cache.compare_manifests(names[0], names[-1])
    return {
        "names": names,
        "latest": cache.latest_manifest_file,
        "versions": versions,
        "compared": compared,
    }


def one(folder: str) -> dict:
    import numpy as np
    from one.api import One

    api = One(cache_dir=folder, mode="local")
    sessions = {str(eid): str(api.eid2path(eid).relative_to(folder)) for eid in api.search()}
    trials, arrays = {}, {}
    for eid in sorted(sessions):
        datasets = [str(d) for d in api.list_datasets(eid)]
        arrays[eid] = datasets
        if any("_ibl_trials.choice" in d for d in datasets):
            loaded = api.load_object(eid, "trials", collection="alf")
            trials[eid] = {
                key: hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
                for key, value in loaded.items()
            }
    hashes = [str(h) for h in api._cache["datasets"]["hash"]]
    return {
        "sessions": sessions,
        "datasets": arrays,
        "trials": trials,
        "hashes": len(set(hashes)),
        "with trials": sorted(map(str, api.search(datasets="_ibl_trials.choice.npy"))),
        "tables": sorted(k for k in api._cache if not k.startswith("_")),
    }


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    print("ANSWER" + json.dumps({"allen": allen, "one": one}[kind](*arguments)))
