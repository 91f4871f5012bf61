"""A public name or a command line option that the documentation leaves out fails here."""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
import warnings
from pathlib import Path
from types import ModuleType

import click
import pytest

import fascicle

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: Modules that are public beside those right under ``fascicle``.
DEEPER = (
    "fascicle.alf.spec",
    "fascicle.alyx.params",
    "fascicle.one.api",
    "fascicle.one.params",
    "fascicle.one.registration",
    "fascicle.one.alf.spec",
    "fascicle.one.alf.path",
    "fascicle.one.alf.io",
    "fascicle.one.alf.exceptions",
    "fascicle.oneibl.one",
    "fascicle.ibllib.misc",
)
NOT_FOR_IMPORT = {"fascicle.cli"}  # documented as commands


def public_modules() -> list[str]:
    below = (f"fascicle.{module.name}" for module in pkgutil.iter_modules(fascicle.__path__))
    named = {name for name in below if not name.rpartition(".")[2].startswith("_")}
    return sorted({"fascicle", *named, *DEEPER} - NOT_FOR_IMPORT)


def public_names(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        names = list(module.__all__)
    else:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
    return [n for n in names if not n.startswith("_") and not inspect.ismodule(getattr(module, n))]


def newest(*files: Path) -> float:
    return max(file.stat().st_mtime for file in files)


def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the inventory of `make docs` where nothing changed since, else that of a build."""
    from sphinx.application import Sphinx
    from sphinx.util.inventory import InventoryFile

    made = DOCS / "_build" / "html" / "objects.inv"
    pages = [f for f in DOCS.rglob("*") if f.is_file() and DOCS / "_build" not in f.parents]
    code = Path(fascicle.__file__).parent.rglob("*.py")
    if made.exists() and newest(made) > newest(*pages, *code):
        return made
    out = tmp_path_factory.mktemp("docs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of Sphinx and its extensions
        app = Sphinx(
            srcdir=DOCS,
            confdir=DOCS,
            outdir=out / "out",
            doctreedir=out / "doctrees",
            buildername="dummy",
            confoverrides={"nb_execution_mode": "off"},
            status=None,
            warning=io.StringIO(),
        )
        app.build()
    InventoryFile.dump(out / "objects.inv", app.env, app.builder)
    return out / "objects.inv"


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """Return the Python names and the command line options that a build of the docs defines."""
    from sphinx.util.inventory import InventoryFile

    found = InventoryFile.loads(inventory(tmp_path_factory).read_bytes(), uri="").data
    names = {name for kind in found if kind.startswith("py:") for name in found[kind]}
    # The command and its option: "fascicle-get.--to"
    return names, set(found["std:cmdoption"])


def is_on_another_page(module: ModuleType, name: str, documented: set[str]) -> bool:
    """Return whether the same thing is described under another module that offers it."""
    value = getattr(module, name)
    return any(
        f"{other}.{name}" in documented
        and getattr(importlib.import_module(other), name, None) is value
        for other in public_modules()
    )


@pytest.mark.parametrize("name", public_modules())
def test_each_public_name_is_in_the_reference(
    name: str, documented: tuple[set[str], set[str]]
) -> None:
    module = importlib.import_module(name)
    names, _ = documented
    missing = [
        n
        for n in public_names(module)
        if f"{name}.{n}" not in names and not is_on_another_page(module, n, names)
    ]
    assert not missing, f"{name}: not in docs/api: {missing}"


@pytest.mark.parametrize("name", public_modules())
def test_each_public_function_and_class_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    values = {n: getattr(module, n) for n in public_names(module)}
    bare = [
        n
        for n, value in values.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and not inspect.getdoc(value)
    ]
    assert not bare, f"{name}: no docstring: {bare}"


def commands() -> dict[str, click.Command]:
    from fascicle.cli.app import fascicle as group

    return {"fascicle": group} | {
        f"fascicle {name}": command for name, command in group.commands.items()
    }


@pytest.mark.parametrize("name", commands())
def test_each_option_is_in_the_reference(name: str, documented: tuple[set[str], set[str]]) -> None:
    _, options = documented
    program = name.replace(" ", "-")
    missing = [
        option
        for param in commands()[name].params
        if isinstance(param, click.Option)
        for option in param.opts
        if f"{program}.{option}" not in options
    ]
    assert not missing, f"docs/cli.md lacks {missing}; it has {sorted(options)}"


@pytest.mark.parametrize("name", commands())
def test_each_option_and_command_has_a_help_text(name: str) -> None:
    command = commands()[name]
    assert command.help and "Examples:" in command.help
    silent = [
        param.name for param in command.params if isinstance(param, click.Option) and not param.help
    ]
    assert not silent


def test_the_page_on_errors_names_every_kind_that_can_be_raised() -> None:
    from fascicle import errors

    page = (DOCS / "errors.md").read_text()
    kinds = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value)
        and issubclass(value, (errors.FascicleError, Warning))
        and not value.__subclasses__()
        and value is not errors.FascicleError
    ]
    missing = [name for name in kinds if name not in page]
    assert not missing, f"docs/errors.md does not say what to do about {missing}"


def test_the_table_of_search_terms_has_them_all() -> None:
    from fascicle.archives.base import SEARCH_TERMS
    from fascicle.one import terms

    page = (DOCS / "one.md").read_text()
    local = {*terms.SESSION_TERMS, *terms.INSERTION_TERMS} - {"session"}
    missing = [term for term in sorted(local) if f"`{term}`" not in page]
    assert not missing, f"docs/one.md does not say what these mean: {missing}"
    page = (DOCS / "find.md").read_text()
    missing = [term for term in sorted(SEARCH_TERMS) if f"`{term}`" not in page]
    assert not missing, f"docs/find.md does not say what these mean: {missing}"
