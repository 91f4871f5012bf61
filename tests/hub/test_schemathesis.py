"""Requests made up from the hub's own OpenAPI document: none is answered with an error of ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from fascicle.testing.hub import HubServer
from fascicle.testing.postgres import PostgresServer


@pytest.fixture(scope="module")
def own_hub(hub_lab: Path, made_hub: HubServer) -> Iterator[HubServer]:
    """Return a hub that may be spoilt: rows are changed and deleted."""
    with HubServer(hub_lab, like=made_hub, arguments=["--no-watch"]) as server:
        yield server


@pytest.fixture(scope="module")
def own_hub_pg(hub_lab: Path, postgres: PostgresServer) -> Iterator[HubServer]:
    """Return the same on PostgreSQL."""
    arguments = ["--no-watch"]
    with HubServer(hub_lab, database=postgres.make_database(), arguments=arguments) as server:
        yield server


def operations(hub: HubServer) -> list[Any]:
    """Return what can be asked, the deleting of rows last."""
    document = hub.get("/api/schema").json
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda o: (o.method.upper() == "DELETE", o.path, o.method))


def ask_all(hub: HubServer, examples: int, start: int, every: int = 1) -> int:
    """Ask made-up requests of each, or of every n-th, operation; return how many were answered."""
    headers = {"Authorization": f"Token {hub.token('boss')}"}
    asked = 0
    wrong: dict[str, str] = {}
    for operation in operations(hub)[::every]:
        if operation.path == "/users/{username}":
            continue  # or nobody is left to ask
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except Exception as error:  # nothing wrong can be made up for it
                if "negat" in str(error).lower():
                    continue
                raise

            @seed(start)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def ask(case: Any) -> None:
                nonlocal asked
                answer = case.call(base_url=hub.url, headers=headers, timeout=30)
                asked += 1
                if answer.status_code >= 500:
                    name = f"{case.method.upper()} {case.operation.path}"
                    wrong.setdefault(name, f"{case.as_curl_command()}\n   {answer.text[:300]}")

            try:
                ask()
            except Exception as error:
                if type(error).__name__ != "Unsatisfiable":
                    raise
    assert not wrong, "\n".join(f"{k}: {v}" for k, v in wrong.items())
    return asked


def test_made_up_requests_are_answered(own_hub: HubServer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of schemathesis about itself
        assert ask_all(own_hub, examples=1, start=1, every=4) > 40


@pytest.mark.long
@pytest.mark.parametrize("name", ["own_hub", "own_hub_pg"])
def test_many_made_up_requests_are_answered(request: pytest.FixtureRequest, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ask_all(request.getfixturevalue(name), examples=50, start=7) > 5000
