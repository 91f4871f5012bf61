"""The tutorials run as they stand, and say what their committed outputs say."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"


def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute_tutorials", TUTORIALS / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def lines(text: str) -> list[object]:
    """Return lines; those that are a list, such as that of a folder, in sorted order."""

    def plain(line: str) -> object:
        try:
            value = ast.literal_eval(line)
        except (SyntaxError, ValueError):
            return line
        return sorted(value) if isinstance(value, list) else line

    return [plain(line) for line in text.splitlines()]


def kinds(outputs: list[nbformat.NotebookNode]) -> list[str]:
    """Return what kinds of outputs there are; bars on stderr cut a text into several."""
    found = [output.output_type for output in outputs if output.get("name") != "stderr"]
    return [kind for kind, _ in itertools.groupby(found)]


@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own packages
@pytest.mark.parametrize("path", sorted(TUTORIALS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_tutorial_runs_and_says_what_is_committed(path: Path, tmp_path: Path) -> None:
    tools = runner()
    committed = nbformat.read(path, as_version=4)
    executed = tools.run(path, tmp_path)
    for before, after in zip(committed.cells, executed.cells, strict=True):
        if before.cell_type != "code":
            continue
        assert before.execution_count, f"{path.name}: a cell was committed without being run"
        assert lines(tools.text_of(after)) == lines(tools.text_of(before)), before.source
        assert kinds(after.outputs) == kinds(before.outputs), before.source


def test_there_are_tutorials() -> None:
    names = {path.stem for path in TUTORIALS.glob("*.ipynb")}
    assert names >= {"releasing_data", "data_access", "visual_behavior_neuropixels"}
    assert names >= {"ibl_public_data", "oneibl_tutorial"}
