"""What to say where nothing is found: why, and what is nearest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from fascicle.alf.spec import QC
from fascicle.errors import ALFObjectNotFound, nearest
from fascicle.one import match, revisions
from fascicle.one.base import Contents
from fascicle.one.listing import ListingMixin

_LIMIT = int(QC.FAIL)


class MissingMixin(ListingMixin):
    """Explains why something was not found."""

    def _absent(self, contents: Contents, paths: Sequence[str], what: str) -> ALFObjectNotFound:
        folder = os.path.join(self.cache_dir, contents.folder)
        listed = ", ".join(paths[:5]) + (", …" if len(paths) > 5 else "")
        return ALFObjectNotFound(
            f"{what} not found on disk: the index lists {listed}, but not one is in {folder}",
            hint="fetch the files, or index the folder as it is now: One.setup(cache_dir)",
        )

    def _not_found(
        self,
        contents: Contents,
        what: Any,
        question: match.FileName,
        collection: match.Text,
        revision: str | None,
    ) -> ALFObjectNotFound:
        """Return the error that says why nothing was found, and what is nearest."""
        if isinstance(question, dict):
            given = ", ".join(f"{k}={v!r}" for k, v in question.items() if v is not None)
            subject = f'Object "{what}"' if set(question) <= {"object"} else f"Dataset with {given}"
        else:
            subject = f'Dataset "{what}"'
        where = "" if collection is None else f' in collection "{collection}"'
        message = f"{subject} not found{where} for session {contents.eid}"
        ask = match.ask(question, collection, wildcards=self.wildcards)
        hidden = [i for i in ask.select(contents.paths) if contents.qc[i] > _LIMIT]
        if hidden:
            name = contents.paths[hidden[0]]
            identifier = contents.datasets.record(hidden[0])[0]
            more = f" (and {len(hidden) - 1} more)" if len(hidden) > 1 else ""
            return ALFObjectNotFound(
                f"{message}: {name}{more} is there, but its QC is CRITICAL, and such datasets "
                "are hidden",
                hint="to see it, one.list_datasets(eid, qc='CRITICAL'); to load it all the same, "
                f"one.load_dataset_from_id('{identifier}')",
            )
        positions = self._listed(contents, ask, QC.FAIL)
        if positions:  # all that matches is later than the revision
            there = revisions.quoted(match.folders_of(contents.paths[i])[1] for i in positions)
            asked = revision or revisions.last_before_setting()
            return ALFObjectNotFound(
                f'{message}: no revision of it is at or before "{asked}"',
                hint=f"there is: {there}",
            )
        return ALFObjectNotFound(message, hint=self._hint(contents, what, question, collection))

    def _hint(
        self, contents: Contents, what: Any, question: match.FileName, collection: match.Text
    ) -> str:
        _, paths = contents.visible(_LIMIT)
        if collection is not None:
            elsewhere = match.ask(question, wildcards=self.wildcards).select(paths)
            if elsewhere:
                folders = sorted({match.folders_of(paths[i])[0] for i in elsewhere})
                return f"it is in collection {' or '.join(map(repr, folders))}"
        if isinstance(question, dict):
            some = {"object": question.get("object")}
            others = match.ask(some, collection, wildcards=self.wildcards).select(paths)
            if some["object"] is not None and others:  # the object is right, another part is not
                return f"of it there is: {_few(paths[i].rpartition('/')[2] for i in others)}"
            known = {match.object_of(p) for p in paths}
            word = str(question.get("object") or what)
        else:
            known = {p.rpartition("/")[2] for p in paths}
            known |= {".".join(k.split(".")[:2]) for k in known}
            word = str(what).rpartition("/")[2]
        there = f"there is: {_few(known)}" if known else "the session has no datasets"
        return nearest(word, known) or there


def _few(names: Iterable[str]) -> str:
    known = sorted(set(names))
    return ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
