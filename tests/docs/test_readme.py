"""The examples of the README say what really happens: each is run, and its output compared."""

from __future__ import annotations

import doctest
import re
import shlex
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner

from fascicle.cli.app import fascicle

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_examples_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the demo's sessions without channel files
        result = doctest.testfile(
            str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
        )
        assert result.attempted > 5 and result.failed == 0
        # The shell's examples go on in the folder that those of Python made.
        for command, expected in shell_examples():
            run = CliRunner().invoke(fascicle, shlex.split(command)[1:])
            assert (run.exit_code, run.stdout.strip()) == (0, expected), command


def shell_examples() -> list[tuple[str, str]]:
    """Return commands and what the README says that they print."""
    text = "".join(re.findall(r"```console\n(.*?)```", README.read_text(), flags=re.DOTALL))
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    assert parts
    return [(command, out.strip()) for command, _, out in (p.partition("\n") for p in parts)]


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_it_tells_the_two_commands() -> None:
    text = README.read_text()
    assert "make demo" in text and "make test" in text
