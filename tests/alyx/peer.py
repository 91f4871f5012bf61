"""Answers questions about one.webclient, or fascicle.one.webclient: run in either environment."""

from __future__ import annotations

import importlib
import inspect
import json
import sys


def ask(scheme, endpoint, action):
    try:
        names = scheme.field_names(endpoint, action)
        return [scheme.url(endpoint, action), names, scheme.fields(endpoint, action)]
    except KeyError:  # the official client wants fields, below a reference
        return None


def main(module: str, file: str) -> None:
    wc = importlib.import_module(module)
    with open(file) as f:
        asked = json.load(f)
    told = {"schemes": {}, "urls": [], "signatures": {}}
    for name, document in asked["documents"].items():
        kind = wc.RestSchemeOpenApi if "paths" in document else wc.RestSchemeCoreApi
        scheme = kind(document)
        found = {}
        for endpoint in scheme.endpoints:
            actions = scheme.actions(endpoint)
            found[endpoint] = {action: ask(scheme, endpoint, action) for action in actions}
        told["schemes"][name] = [scheme.backend, scheme.endpoints, found]
    for url, params in asked["urls"]:
        told["urls"].append(wc.update_url_params(url, params))
    for name in asked["names"]:
        place = wc
        for part in name.split("."):
            place = getattr(place, part)
        if callable(place):
            told["signatures"][name] = list(inspect.signature(place).parameters)
        else:
            told["signatures"][name] = ["value"]
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
