"""Asks a server the same by the official client, or by ours: run in either environment."""

from __future__ import annotations

import importlib
import json
import sys
import warnings


def main(module: str, url: str, password: str, folder: str, file: str) -> None:
    client = importlib.import_module(module).AlyxClient
    warnings.simplefilter("ignore")
    alyx = client(url, "test_user", password, cache_dir=folder, silent=True, cache_rest=None)
    with open(file) as f:
        asked = json.load(f)
    told = []
    for name, args, kwargs in asked:
        try:
            answer = getattr(alyx, name)(*args, **kwargs)
            if hasattr(answer, "populate"):
                answer = [answer[-1], answer[3], answer[4:9], len(answer)]
            told.append(answer)
        except Exception as error:  # noqa: BLE001 - of any kind
            response = getattr(error, "response", None)
            kinds = [k.__name__ for k in type(error).__mro__]
            told.append(
                {
                    "status": getattr(response, "status_code", None),
                    "value": "ValueError" in kinds and response is None,
                }
            )
    print("\n" + json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
