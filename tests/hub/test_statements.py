"""How many SQL statements an answer takes: as many for a few rows as for all."""

from __future__ import annotations

from typing import Any

import pytest

from .asking import Asker

#: The most that any list may take, with the one that finds out who asks.
MOST = 6
MOST_OF_ONE = 10
#: Searches by region ask for the region first; those by dataset types for the types.
SEARCHES = {
    "/sessions": {
        "atlas_acronym": "TH",
        "dataset_types": "spikes.times",
        "datasets": "spikes.times.npy",
        "tag": "BWM",
        "users": "test_user",
        "lab": "angelakilab",
    },
    "/insertions": {"atlas_acronym": "TH", "datasets": "spikes.times.npy", "project": "ibl"},
    "/datasets": {"exists": "True", "tag": "2022_Q4_IBL_et_al_BWM"},
}


@pytest.fixture
def ask(django_hub: Any) -> Asker:
    asker = Asker()
    asker.get("/me")  # the first use of a token is noted
    return asker


def test_no_list_takes_more_statements_for_more_rows(ask: Asker) -> None:
    from fascicle.hub.rest.resources import resources

    for resource in resources():
        if "list" not in resource.actions:
            continue
        ask.json(f"/{resource.name}", limit=1)
        few = len(ask.statements)
        ask.json(f"/{resource.name}", limit=1000)
        # Fewer where the page is the last one, which needs no count.
        assert len(ask.statements) <= min(few, MOST), (resource.name, ask.statements)


def test_searches_take_few_statements(ask: Asker) -> None:
    for path, query in SEARCHES.items():
        for name, value in query.items():
            ask.json(path, limit=2, **{name: value})
            assert len(ask.statements) <= MOST + 1, (name, ask.statements)


def test_a_session_takes_eight_statements_however_much_belongs_to_it(ask: Asker) -> None:
    taken = {}
    for key in ask.ids("/sessions"):
        detail = ask.json(f"/sessions/{key}")
        taken[len(detail["data_dataset_session_related"]), len(detail["probe_insertion"])] = len(
            ask.statements
        )
    assert max(taken.values()) <= 8, taken
    assert len({datasets for datasets, _ in taken}) > 3  # they differ
    with_probes = {count for (_, probes), count in taken.items() if probes}
    assert len(with_probes) == 1


def test_one_row_takes_few_statements(ask: Asker) -> None:
    from fascicle.hub.rest.resources import resources

    for resource in resources():
        if not {"list", "read"} <= resource.actions or resource.name == "sessions":
            continue
        rows = ask.json(f"/{resource.name}", limit=5)["results"]
        for row in rows:
            ask.json(row.get("url") or f"/{resource.name}/{row[resource.lookup]}")
            assert len(ask.statements) <= MOST_OF_ONE, (resource.name, ask.statements)


def test_a_count_that_took_long_is_kept_until_something_changes(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fascicle.hub.generation import touched
    from fascicle.hub.models import Session
    from fascicle.hub.rest import paging

    monkeypatch.setattr(paging, "SLOW", -1.0)
    paging._counts.clear()

    def counted() -> bool:
        ask.json("/datasets", limit=1)
        return any("COUNT(" in sql for sql in ask.statements)

    assert [counted(), counted(), counted()] == [True, False, False]
    touched([Session.objects.values_list("pk", flat=True)[0]])
    assert [counted(), counted()] == [True, False]
    paging._counts.clear()
