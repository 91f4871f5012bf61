"""Folders to search: the synthetic lab, and small ones made for one test."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fascicle.one import One, revisions

Make = Callable[..., One]


@pytest.fixture(scope="session")
def lab_folder(tiny_lab: Path) -> Path:
    """Return the synthetic lab, indexed; tests must not change it."""
    return tiny_lab


@pytest.fixture
def lab(lab_folder: Path) -> One:
    """Return the synthetic lab, opened."""
    return One(cache_dir=lab_folder)


@pytest.fixture
def lab_copy(lab_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the synthetic lab that may be changed."""
    return Path(shutil.copytree(lab_folder, tmp_path / "copy"))


@pytest.fixture(autouse=True)
def _tell_again() -> Iterator[None]:
    """Let each test be told of revisions anew."""
    revisions.forget()
    yield
    revisions.forget()


@pytest.fixture
def no_warnings() -> Iterator[None]:
    """Keep quiet about revisions where a test is about something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write(path: Path, content: Any) -> Path:
    """Write a file by what its content is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, np.asarray(content))
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        content.to_parquet(path)
    return path


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes, indexes and opens a folder of files."""

    def make_folder(files: Mapping[str, Any], name: str = "data", **kwargs: Any) -> One:
        root = tmp_path / name
        for path, content in files.items():
            write(root / path, content)
        return One.setup(root, silent=True, **kwargs)

    return make_folder


@pytest.fixture
def set_rows() -> Callable[..., One]:
    """Return a function that sets columns of the datasets table and opens the folder anew."""

    def set_columns(one: One, **columns: Callable[[str], Any]) -> One:
        table = one._cache["datasets"]
        for column, of in columns.items():
            values = [of(path) for path in table["rel_path"]]
            if column == "qc":
                names = table["qc"].cat.categories
                table[column] = pd.Categorical(values, categories=names, ordered=True)
            else:
                table[column] = values
        one.save_cache()
        return One(one.cache_dir)

    return set_columns
