"""Files of one version of a release: brought to where they belong, or held to the manifest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle import settings
from fascicle.errors import HashMismatch, NotHereError, OfflineError

if TYPE_CHECKING:
    from fascicle.archives.adapters.base import Form
    from fascicle.formats.manifest import FileEntry, Manifest
    from fascicle.transfer.bars import Shown


class Bringer:
    """Brings files of a version, and remembers which of them were found whole.

    Parameters
    ----------
    form : Form
    manifest : Manifest
    label : str
        How messages call the release.
    """

    def __init__(self, form: Form, manifest: Manifest, label: str) -> None:
        self.form, self.manifest, self.label = form, manifest, label
        self._whole: dict[Path, tuple[int, int, int]] = {}

    def bring(self, entries: Sequence[FileEntry], *, progress: Shown = None) -> list[Path]:
        """Return files: here, whole, and as the manifest says; what is not here in one batch.

        Raises
        ------
        OfflineError, NotHereError
            If files are not here, and nothing may be fetched.
        TransferError, HashMismatch
            If one cannot be fetched, or is not what the manifest says.
        """
        paths = [self.form.target(self.manifest, entry) for entry in entries]
        todo = {
            path: entry
            for path, entry in zip(paths, entries, strict=True)
            if not self._is_known(path)
        }
        if todo:
            if self.form.in_place:
                self._check(todo)
            else:
                self._fetch(todo, progress)
            for path in todo:
                self._whole[path] = _looks(path)
        return paths

    def _is_known(self, path: Path) -> bool:
        """Return whether a file was found whole before, and looks the same."""
        seen = self._whole.get(path)
        try:
            return seen is not None and seen == _looks(path)
        except OSError:
            return False

    def _check(self, files: dict[Path, FileEntry]) -> None:
        """Hold files of a folder to the manifest."""
        from fascicle.archives.contents import digest_of

        if missing := [entry.path for path, entry in files.items() if not path.is_file()]:
            raise NotHereError(
                f"{_some(missing)} of {self.label} {'is' if len(missing) == 1 else 'are'} not in "
                f"{self.form.home}",
                hint="the folder is incomplete: copy it anew, or open where it was copied from",
            )
        for path, entry in files.items():
            if not entry.algorithm:
                raise HashMismatch(f"the manifest has no usable checksum for {entry.path}")
            if digest_of(path, entry.algorithm) != entry.file_hash.lower():
                raise HashMismatch(
                    f"{path} is not what the manifest of {self.label} says: cut short, or changed",
                    hint="copy it anew from where the release is",
                )

    def _fetch(self, files: dict[Path, FileEntry], progress: Shown) -> None:
        """Bring files into the store."""
        from fascicle.archives.layout import Store
        from fascicle.transfer import make_plan

        form, manifest = self.form, self.manifest
        store = Store(form.home, form.project)
        pairs = []
        for path, entry in files.items():
            store.check_target(path)
            if not path.is_file() and form.home.is_dir():
                store.learn_copy(entry)
            pairs.append((form.source(manifest, entry), path))
        plan = make_plan(pairs, store=form.home)
        if settings.offline():
            coming = [
                item.target.name
                for item in plan.to_fetch
                if item.state != "known" and not item.source.url.startswith(("file:", "zip:"))
            ]
            if coming:
                raise OfflineError(
                    f"{_some(coming)} of {self.label} {'is' if len(coming) == 1 else 'are'} not in "
                    f"{form.home}, and FASCICLE_OFFLINE is set",
                    hint="unset FASCICLE_OFFLINE to fetch what is missing",
                )
        if not plan.to_fetch:
            return
        result = plan.run(progress=progress, access=form.place.access)
        here = {outcome.item.target for outcome in result.ok}
        form.brought(manifest, [pair for pair in files.items() if pair[0] in here])
        result.raise_for_failed()


def _looks(path: Path) -> tuple[int, int, int]:
    seen = os.stat(path)
    return seen.st_size, seen.st_mtime_ns, seen.st_ino


def _some(names: Sequence[str]) -> str:
    """Return names as a sentence has them: the first ones, and how many more."""
    if len(names) == 1:
        return names[0]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{len(names)} files ({', '.join(names[:3])}{more})"
