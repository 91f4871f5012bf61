"""Requests whose statements run long, or find the database busy."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from .world import run_endless


def limits(get_response: Any, seconds: float) -> Any:
    from fascicle.hub.rest.limits import Limits

    made = Limits(get_response)
    made.seconds = seconds
    return made


def test_a_request_that_takes_too_long_is_stopped_and_told(tables: Any) -> None:
    from django.db import OperationalError, connection

    def endless(request: Any) -> Any:
        with connection.cursor() as cursor:
            run_endless(cursor, 0.2)

    made = limits(endless, 0.2)
    began = time.perf_counter()
    with pytest.raises(OperationalError) as caught:
        made(None)
    assert time.perf_counter() - began < 5
    answer = made.process_exception(None, caught.value)
    assert answer.status_code == 400
    assert b"longer than 0.2 s" in answer.content


def test_postgresql_stops_statements_after_the_time_of_the_settings(tables: Any) -> None:
    from django.db import connection

    from fascicle.hub.settings import database

    told = database(replace(tables, database="postgresql://h/d", query_seconds=7.5))
    assert "-c statement_timeout=7500" in told["OPTIONS"]["options"]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == (f"{tables.query_seconds:.0f}s",)


def test_a_statement_that_postgresql_stopped_is_told(tables: Any) -> None:
    from django.db import OperationalError

    error = OperationalError("canceling statement due to statement timeout")
    assert limits(None, 30).process_exception(None, error).status_code == 400


def test_a_busy_database_is_asked_again_later(tables: Any) -> None:
    from django.db import OperationalError

    answer = limits(None, 30).process_exception(None, OperationalError("database is locked"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


def test_faults_of_the_program_are_none_of_the_databases(tables: Any) -> None:
    from django.db import OperationalError

    made = limits(None, 30)
    assert made.process_exception(None, ValueError("x")) is None
    assert made.process_exception(None, OperationalError("no such table: x")) is None


def test_a_limit_within_one_only_shortens(tables: Any) -> None:
    from fascicle.hub.rest import lookups

    with lookups.time_limit(0):
        assert lookups._limit.deadline is None
    with lookups.time_limit(0.5):
        outer = lookups._limit.deadline
        with lookups.time_limit(60):
            assert lookups._limit.deadline == outer
        with lookups.time_limit(0.1):
            assert lookups._limit.deadline < outer
        with lookups.time_limit(0):
            assert lookups._limit.deadline == outer
        assert lookups._limit.deadline == outer
    assert lookups._limit.deadline is None
