"""Register files as datasets; what is protected gets a revision and is never replaced."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fascicle.alf import ALFPath
from fascicle.alf.names import parse_name
from fascicle.one import filegroups, revising
from fascicle.one.filetypes import fitting
from fascicle.one.registrar import Registrar, answer_of, status_of, uncached

_logger = logging.getLogger(__name__)


class FileRegistrar(Registrar):
    """Registers files."""

    _next_revision = staticmethod(revising.next_revision)

    def find_files(self, session_path: str | PathLike[str]) -> Iterator[ALFPath]:
        """Yield the files of a session that are of a dataset type of the database.

        Parameters
        ----------
        session_path : path

        Yields
        ------
        ALFPath
            Each file, in the order of their paths.
        """
        for file in ALFPath(session_path).iter_datasets(recursive=True):
            if not self._problem(file, "session"):
                yield file

    def _problem(self, file: ALFPath, content_type: str) -> str:
        """Say why a file cannot be registered; '' if it can."""
        if filegroups.place_of(file, content_type) is None:
            return f"it is in no {content_type}"
        parts = parse_name(file.name)
        if parts is None:
            return "its name is not one of the ALF convention"
        if f".{parts.extension}" not in self.file_extensions:
            return f"the database knows no files that end with .{parts.extension}"
        n = len(fitting(file.name, self.dtypes))
        if n != 1:
            return "no dataset type fits it" if not n else "several dataset types fit it"
        return ""

    def _fit(self, files: Sequence[ALFPath], content_type: str) -> list[tuple[int, ALFPath]]:
        """Return the files that can be registered, each with its position."""
        fit = []
        for i, file in enumerate(files):
            if problem := self._problem(file, content_type):
                _logger.warning("%s is left out: %s", file, problem)
            else:
                fit.append((i, file))
        return fit

    def prepare_files(
        self, file_list: Any, versions: Any = None, content_type: str = "session"
    ) -> tuple[dict[Path, list[ALFPath]], dict[Path, list[Any]], list[ALFPath], bool]:
        """Return files by session; those that cannot be registered are left out.

        Parameters
        ----------
        file_list : path or list of path
        versions : str or list of str, optional
            Version of each file, or of all.
        content_type : str
            What the files belong to; if it is no session, paths begin with its folder.

        Returns
        -------
        dict of path to list of ALFPath
            Files relative to their session.
        dict of path to list
            Their versions.
        list of ALFPath
            All files that were given.
        bool
            Whether a single file was given.
        """
        files, single = filegroups.listed(file_list)
        version = filegroups.one_each(versions, len(files), "versions")
        by_session: dict[Path, list[ALFPath]] = defaultdict(list)
        their_versions: dict[Path, list[Any]] = defaultdict(list)
        for i, file in self._fit(files, content_type):
            place = filegroups.place_of(file, content_type)
            assert place is not None
            by_session[place[0]].append(file.relative_to(place[0]))
            their_versions[place[0]].append(version[i])
        return by_session, their_versions, files, single

    def check_protected_files(
        self, file_list: Any, created_by: str | None = None, **kwargs: Any
    ) -> Any:
        """Ask whether datasets are protected from being replaced.

        Parameters
        ----------
        file_list : path or list of path
        created_by : str, optional
            Who asks; default: who is logged in.
        **kwargs
            For the database: ``content_type``, ``object_id`` and ``name`` of what is no session.

        Returns
        -------
        dict, or list of dict
            For each session: ``status_code`` (200, or 403 if any is protected), ``error``,
            ``details`` (for each file its revisions, and whether each is protected),
            ``shared_path`` and ``files``.
        """
        files, single = filegroups.listed(file_list)
        content_type = kwargs.get("content_type", "session")
        answers = []
        for group in filegroups.groups_of(self._fit(files, content_type), content_type):
            body = {
                "created_by": created_by or self.one.alyx.user,
                "path": group.path,
                "filenames": group.names,
                **kwargs,
            }
            with uncached(self.one.alyx):
                answer = dict(self.one.alyx.get("/check-protected", data=body))
            answer["shared_path"] = ALFPath(group.folder)
            answer["files"] = [ALFPath(name) for name in group.names]
            answers.append(answer)
        return answers[0] if single and answers else answers

    def register_files(
        self,
        file_list: Any,
        versions: Any = None,
        default: bool = True,
        created_by: str | None = None,
        server_only: bool = False,
        repository: str | None = None,
        exists: bool = True,
        dry: bool = False,
        max_md5_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Register files of sessions, or of other things, as datasets.

        A file that would replace a protected dataset becomes a revision of it: it moves into the
        folder ``#today#`` beside it (or ``#todaya#``, …; for a file that is a revision already,
        the next letter). No file is ever replaced or lost: if the database refuses the revision,
        the file is where it was; if it does not answer, the error says where the file is.

        Parameters
        ----------
        file_list : path or list of path
            Files that are of no dataset type are left out, and logged.
        versions : str or list of str, optional
            Version of the software of each file, or of all.
        default : bool
            Make them the default revisions.
        created_by : str, optional
            Default: who is logged in.
        server_only : bool
            Record copies on servers alone, not on the machines of the lab.
        repository : str, optional
            Name of the data repository that the files are in; default: those of the lab.
        exists : bool
            Whether the files are in the repository already.
        dry : bool
            Return what would be sent.
        max_md5_size : int, optional
            Make no md5 of files that are larger.
        **kwargs
            For the database: ``qc`` (of all, or a list), ``labs``; ``content_type`` and
            ``object_id`` of what is no session.

        Returns
        -------
        dict, or list of dict
            Record of each file, None for one that was left out; if ``dry``, a body for each
            session. Where a file was moved, its record has the new ``revision``.

        Raises
        ------
        FileNotFoundError
            A file is not there; nothing has been sent then.
        ChangedFile
            A file changed while its md5 was made.
        HTTPError
            The database refuses.
        """
        files, single = filegroups.listed(file_list)
        version = filegroups.one_each(versions, len(files), "versions")
        qc = kwargs.pop("qc", None)
        many_qc = filegroups.one_each(qc, len(files), "qc") if isinstance(qc, list | tuple) else []
        content_type = kwargs.get("content_type", "session")
        fit = sorted({f: (i, f) for i, f in reversed(self._fit(files, content_type))}.values())
        sizes, hashes = filegroups.sizes_and_hashes([f for _, f in fit], max_size=max_md5_size)
        looks = {i: look for (i, _), *look in zip(fit, sizes, hashes, strict=True)}
        groups = filegroups.groups_of(fit, content_type)
        bodies = []
        for group in groups:
            body: dict[str, Any] = {
                "created_by": created_by or self.one.alyx.user,
                "path": group.path,
                "filenames": group.names,
                "hashes": [looks[i][1] for i in group.positions],
                "filesizes": [looks[i][0] for i in group.positions],
                "name": repository,
                "exists": exists,
                "server_only": server_only,
                "default": default,
                "versions": [version[i] for i in group.positions],
                "check_protected": True,
                **kwargs,
            }
            if qc is not None:
                body["qc"] = [many_qc[i] for i in group.positions] if many_qc else qc
            if group.lab and "labs" not in kwargs:
                body["labs"] = group.lab
            bodies.append(body)
        if dry:
            return bodies[0] if single and bodies else bodies
        records: dict[ALFPath, Any] = {}
        for n, (group, body) in enumerate(zip(groups, bodies, strict=True)):
            try:
                answer = self._post(group.folder, body)
            except Exception as error:
                if len(groups) > 1:
                    done = ", ".join(g.path for g in groups[:n]) or "none"
                    error.add_note(f"of {group.path} no file was registered; of these, all: {done}")
                raise
            records |= zip((files[i] for i in group.positions), answer, strict=True)
        found = [records.get(file) for file in files]
        return found[0] if single else found

    def _post(self, folder: Path, body: dict[str, Any]) -> list[Any]:
        """Send the files of one session; give protected ones a revision and send them again."""
        try:
            return self._register(body)
        except Exception as error:
            known = _revisions(error)
            # Sent again, nothing is checked: it must be clear which files were meant.
            if not known or not set(known) <= set(body["filenames"]):
                raise
        moves: list[revising.Move] = []
        sent = False
        try:
            names = _place(folder, body["filenames"], known, moves)
            sent = True
            answer = self._register({**body, "filenames": names, "check_protected": False})
        except BaseException as error:
            if sent and not 400 <= status_of(error) < 500:
                _say_where(error, moves)
            else:
                for move in moves:
                    revising.take_back(move)
                error.add_note(f"no file was moved: all are where they were, in {folder}")
            raise
        for move in moves:
            revising.settle(move)
            _logger.warning("%s is protected: moved to %s", move.source, move.target)
        return answer

    def _register(self, body: dict[str, Any]) -> list[Any]:
        answer = self.one.alyx.rest("register-file", "create", data=body)
        return list(answer) if isinstance(answer, list) else [answer]


def _place(
    folder: Path,
    names: Sequence[str],
    known: dict[str, dict[str, bool]],
    moves: list[revising.Move],
) -> list[str]:
    """Put what is protected where a new revision goes; note the moves; return names by then."""
    today = dt.date.today().isoformat()
    found = []
    for name in names:
        move = revising.plan_move(folder, name, known.get(name, {}), today)
        if move is None:
            found.append(name)
            continue
        revising.place(move)
        moves.append(move)
        found.append(move.target.relative_to(folder).as_posix())
    return found


def _say_where(error: BaseException, moves: Sequence[revising.Move]) -> None:
    """Note where files are of which nobody knows whether the database has them."""
    for move in moves:
        where = "and at" if move.source.exists() else "and no longer at"
        error.add_note(f"{move.target} is the file, {where} {move.source}")
    error.add_note(
        "the server broke off, and may have registered the files or not: register them again "
        "under these names once it answers"
    )


def _revisions(error: BaseException) -> dict[str, dict[str, bool]] | None:
    """Return for each file its revisions and whether each is protected, as a refusal says.

    Returns
    -------
    dict or None
        None where the error is another one.
    """
    answer = answer_of(error)
    if status_of(error) != 403 or "protected" not in str(answer.get("error", "")):
        return None
    found: dict[str, dict[str, bool]] = {}
    for entry in answer.get("details") or []:
        for name, revisions in entry.items():
            listed = revisions if isinstance(revisions, list) else [revisions]
            found.setdefault(name, {}).update({k: v for r in listed for k, v in r.items()})
    return found
