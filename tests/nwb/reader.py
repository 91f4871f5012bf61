"""Read files in a process of its own, so that one that goes down with libhdf5 is seen.

Run as a program it takes paths from its standard input, one a line, reads all that a session has of
each, and answers with a line of JSON: what went well, and the errors that were fascicle's.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

PATIENCE = 60.0


class Reader:
    """The process; it is started anew after it went down."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> dict[str, Any]:
        """Return what came of reading a file; fails where the process goes down or hangs."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if ready else ""
        if not line:
            process.kill()
            self._process = None
            code = process.wait()
            raise AssertionError(f"{'hangs' if not ready else f'goes down with {code}'}: {path}")
        answer: dict[str, Any] = json.loads(line)
        assert "escaped" not in answer, answer["escaped"]
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process.stdin.close()
            self._process = None


def look(path: str) -> dict[str, Any]:
    """Read all of a file as sessions give it."""
    from fascicle import nwb
    from fascicle.errors import FascicleError

    done, errors = [], {}

    def attempt(what: str, read: Any) -> Any:
        try:
            value = read()
        except FascicleError as error:
            errors[what] = [type(error).__name__, str(error)]
            return None
        done.append(what)
        return value

    session = attempt("open", lambda: nwb.read(path))
    if session is None:
        return {"done": done, "errors": errors}
    with session:
        attempt("metadata", lambda: session.metadata)
        attempt("subject", lambda: session.subject)
        tables = ["units", "electrodes", "trials", "epochs", "flashes_presentations"]
        for table in tables:
            attempt(table, lambda table=table: session.table(table))
            place = attempt(f"{table} columns", lambda table=table: session.columns(table)) or []
            for column in place:
                attempt(
                    f"{table}.{column}",
                    lambda table=table, column=column: session.column(column, table).all(),
                )
        for name in attempt("series", lambda: list(session.series)) or []:
            attempt(f"{name} times", lambda name=name: session.series[name].timestamps)
            attempt(f"{name} unit", lambda name=name: session.series[name].unit)
            attempt(name, lambda name=name: session.series[name].between(0, 50))
        attempt("images", lambda: dict(session.images))
        attempt("page", session._repr_html_)
    return {"done": done, "errors": errors, "peak_mb": peak_mb()}


def peak_mb() -> int:
    """Return the most memory that this process had; ``ru_maxrss`` begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    for line in sys.stdin:
        try:
            answer = look(line.strip())
        except BaseException:  # noqa: BLE001 - the test says what
            answer = {"escaped": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
