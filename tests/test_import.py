"""What an import costs: nothing that is not used yet, and every public name is there."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import fascicle

HEAVY = {"click", "matplotlib", "numpy", "pandas", "pyarrow", "pycurl", "scipy", "tqdm", "yaml"}
#: What may be imported with a module beside the standard library.
ALLOWED = {
    "fascicle": set(),
    "fascicle.alf": set(),
    "fascicle.alf.spec": set(),
    "fascicle.analysis": set(),
    "fascicle.archives": set(),
    "fascicle.atlas": set(),
    "fascicle.catalogue": set(),
    "fascicle.cli": set(),
    "fascicle.cli.app": {"click"},
    "fascicle.demo": set(),
    "fascicle.errors": set(),
    "fascicle.formats": set(),
    "fascicle.load": {"numpy"},
    "fascicle.one": set(),
    "fascicle.one.api": set(),
    "fascicle.one.params": set(),
    "fascicle.projects": set(),
    "fascicle.projects.cache": set(),
    "fascicle.releases": set(),
    "fascicle.settings": set(),
    "fascicle.transfer": set(),
}


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh process has after a statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}


@pytest.mark.parametrize("module", ALLOWED)
def test_a_module_imports_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY <= ALLOWED[module]


@pytest.mark.parametrize("statement", ["fascicle.find", "fascicle.open", "fascicle.Regions()"])
def test_a_name_imports_nothing_heavy_before_it_is_used(statement: str) -> None:
    assert not loaded_by(f"import fascicle; {statement}") & HEAVY


@pytest.mark.parametrize("name", fascicle.__all__)
def test_each_public_name_resolves(name: str) -> None:
    assert getattr(fascicle, name) is not None
    assert name in dir(fascicle)


@pytest.mark.parametrize("module", [name for name in ALLOWED if name != "fascicle"])
def test_each_public_name_of_a_module_resolves(module: str) -> None:
    loaded = importlib.import_module(module)
    for name in getattr(loaded, "__all__", []):
        assert name in dir(loaded)
        assert getattr(loaded, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        fascicle.nothing_of_that_name
