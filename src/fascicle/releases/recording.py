"""What an analysis loads, recorded: a table to look at, and what a lock file is made of."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from fascicle.archives.record import Use, forget, read_uses
from fascicle.archives.watch import RECORD

if TYPE_CHECKING:
    import pandas as pd


class Record:
    """What was loaded while it was recorded: by `recording`, or read from a folder.

    Parameters
    ----------
    folder : path-like
        Where processes wrote what they loaded.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._uses: list[Use] | None = None

    @property
    def uses(self) -> list[Use]:
        """Each file once, in no order that means anything.

        Raises
        ------
        LockError
            If the folder has what no process of fascicle wrote.
        """
        return self._uses if self._uses is not None else read_uses(self.folder)

    def __len__(self) -> int:
        return len(self.uses)

    def frame(self) -> pd.DataFrame:
        """Return a table with a row for each file: archive, version, session, path, hash, ids."""
        import pandas as pd

        columns = [name for name in Use._fields if name not in ("sure", "seen")]
        rows = [[getattr(use, name) for name in columns] for use in self.uses]
        table = pd.DataFrame(rows, columns=columns)
        return table.sort_values(["archive", "version", "session", "path"], ignore_index=True)

    def lock(self, path: str | os.PathLike[str]) -> Path:
        """Write what was loaded as a lock file.

        Files without a checksum on record are read for one.

        Parameters
        ----------
        path : path-like
            Such as ``fascicle.lock``.

        Returns
        -------
        pathlib.Path
            The file that was written.

        Raises
        ------
        LockError
            If a file changed since it was loaded, so that nobody can say what was used.
        """
        from fascicle.releases.lock import write_lock

        return write_lock(self.uses, Path(path))

    def __repr__(self) -> str:
        return f"<record of {len(self)} files>"

    def _repr_html_(self) -> str:
        table = self.frame()[["archive", "version", "session", "path", "size"]]
        return str(table.to_html(index=False, max_rows=50))


class _Recording:
    """Notes what is loaded while it is open."""

    def __init__(self) -> None:
        self._folder = ""
        self.record = Record(".")

    def __enter__(self) -> Record:
        self._folder = tempfile.mkdtemp(prefix="fascicle-record-")
        self.record = Record(self._folder)
        given = os.environ.get(RECORD)
        os.environ[RECORD] = f"{self._folder}{os.pathsep}{given}" if given else self._folder
        return self.record

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        rest = [p for p in os.environ.get(RECORD, "").split(os.pathsep) if p and p != self._folder]
        if rest:
            os.environ[RECORD] = os.pathsep.join(rest)
        else:
            os.environ.pop(RECORD, None)
        forget(self._folder)
        self.record._uses = read_uses(Path(self._folder))
        shutil.rmtree(self._folder, ignore_errors=True)


def recording() -> AbstractContextManager[Record]:
    """Note what is loaded while the block runs, by this process and by those that it starts.

    Returns
    -------
    context manager
        Gives a `Record`, which can be looked at in the block and after it.

    Examples
    --------
    >>> with recording() as used:  # doctest: +SKIP
    ...     trials = session.load("trials")
    >>> used.lock("fascicle.lock")  # doctest: +SKIP
    """
    return _Recording()
