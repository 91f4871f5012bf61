"""Run the tutorials and write them back with their outputs: ``python docs/tutorials/execute.py``.

They run in a home of their own, so that nothing of the user's is touched; in the outputs that home
is written as ``~``. Real files come from the folder of shared data: ``../shared`` beside the
checkout, or where ``FASCICLE_SHARED`` says.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared"
TIMEOUT = 300  # seconds for any one cell


def tutorials() -> list[Path]:
    """Return the notebooks of this folder."""
    return sorted(HERE.glob("*.ipynb"))


def run(path: Path, home: Path) -> NotebookNode:
    """Return a notebook as it is after running every cell.

    Parameters
    ----------
    path : pathlib.Path
        The notebook; it is not changed.
    home : pathlib.Path
        What the code sees as the user's home.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    env = (
        {"FASCICLE_SHARED": str(SHARED)}
        | os.environ
        | {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "FASCICLE_CACHE": str(home / "cache"),
        }
    )
    for name in ("FASCICLE_PROGRESS", "TQDM_DISABLE"):  # bars are shown
        env.pop(name, None)
    NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3").execute(cwd=home, env=env)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran: noise in every diff
        for output in cell.get("outputs", []):
            _hide_home(output, home)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _hide_home(output: NotebookNode, home: Path) -> None:
    def plain(text: str) -> str:
        # A warning names the file that a cell was compiled from, another one in each run.
        text = re.sub(r"\S*ipykernel_\d+\S*\.py:", "line ", text.replace(str(home), "~"))
        # A hub listens at a port that is free, also another one in each run.
        return re.sub(r"127\.0\.0\.1([:_])\d+", r"127.0.0.1\g<1>8000", text)

    if "text" in output:
        output.text = plain(output.text)
    for kind, data in output.get("data", {}).items():
        if isinstance(data, str) and kind.startswith("text/"):
            output.data[kind] = plain(data)


def text_of(cell: NotebookNode) -> str:
    """Return what a cell printed and returned, without figures and warnings."""
    parts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", [])
        if output.get("name") != "stderr"
    ]
    return re.sub(r"0x[0-9a-f]+", "0x…", "".join(parts))


def main() -> None:
    """Run tutorials, those that are named or else all, and save them."""
    for path in [Path(name) for name in sys.argv[1:]] or tutorials():
        with tempfile.TemporaryDirectory() as home:
            notebook = run(path, Path(home))
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
