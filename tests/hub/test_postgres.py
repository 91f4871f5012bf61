"""A database of our own beside whatever the machine has."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from fascicle.testing import PostgresServer


def test_it_serves_and_leaves_nothing() -> None:
    with PostgresServer() as server:
        urls = [server.make_database(), server.make_database(), server.make_database("lab")]
        assert len(set(urls)) == 3
        with psycopg.connect(urls[0]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        assert Path(folder).is_dir()
    assert not Path(folder).parent.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(urls[0])


def test_a_stranger_is_refused() -> None:
    with PostgresServer() as server:
        url = f"postgresql://fascicle@127.0.0.1:{server.port}/postgres"
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(url)
