"""Enter sessions, files, weights and water into a database: `RegistrationClient`.

It works with any ONE object that has an ``alyx``: fascicle's own, and the official one.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from uuid import UUID

from fascicle.alf import ALFPath
from fascicle.errors import ALFInvalid
from fascicle.one.filetypes import get_dataset_type
from fascicle.one.registrar import RegistrationError
from fascicle.one.registrar_files import FileRegistrar
from fascicle.one.registrar_subjects import SubjectRegistrar

__all__ = ["RegistrationClient", "RegistrationError", "get_dataset_type"]

_logger = logging.getLogger(__name__)
_PATH = str | PathLike[str]


class RegistrationClient(FileRegistrar, SubjectRegistrar):
    """Creates sessions and registers files, weights and water.

    Parameters
    ----------
    one : object, optional
        A ONE object with an ``alyx``; default: ``ONE()``.

    Attributes
    ----------
    one : object
    dtypes : list of dict
        Dataset types of the database.
    registration_patterns : list of str
        Patterns of file names that they have.
    file_extensions : list of str
        Extensions that the database knows.

    Examples
    --------
    >>> client = RegistrationClient(one)  # doctest: +SKIP
    >>> session, records = client.register_session(path)  # doctest: +SKIP
    """

    def create_sessions(
        self,
        root_data_folder: _PATH,
        glob_pattern: str = "**/create_me.flag",
        register_files: bool = False,
        dry: bool = False,
    ) -> tuple[list[ALFPath], list[Any]]:
        """Register each session in whose folder a flag file lies, and remove the flag.

        Parameters
        ----------
        root_data_folder : path
            Where to look.
        glob_pattern : str
            Pattern of the flag files.
        register_files : bool
            Also register the files of the sessions.
        dry : bool
            Only say which sessions these are.

        Returns
        -------
        list of ALFPath
            Folders of the sessions.
        list of dict
            Their records; None each if ``dry``.

        Raises
        ------
        Exception
            What the first session raises that cannot be registered, once the others are. Its flag
            stays, so that the next call tries it again.
        """
        paths: list[ALFPath] = []
        records: list[Any] = []
        failed: list[tuple[Path, Exception]] = []
        for flag in sorted(Path(root_data_folder).glob(glob_pattern)):
            path = ALFPath(flag.parent).session_path()
            if path is None:
                _logger.warning("%s is in no folder of a session: passed over", flag)
                continue
            if path in paths and dry:
                continue
            record = None
            if not dry:
                try:
                    record, _ = self.register_session(path, file_list=register_files)
                except Exception as error:  # noqa: BLE001 - raised once the others are registered
                    failed.append((flag, error))
                    continue
                flag.unlink()
            paths.append(path)
            records.append(record)
        if failed:
            first = failed[0][1]
            for flag, why in failed:
                first.add_note(f"{flag} was not registered: {why}")
            raise first
        return paths, records

    def create_new_session(
        self,
        subject: str,
        session_root: _PATH | None = None,
        date: str | dt.date | dt.datetime | None = None,
        register: bool = True,
        **kwargs: Any,
    ) -> tuple[ALFPath, UUID | None]:
        """Make the folder of a new session, and register the session.

        Parameters
        ----------
        subject : str
            Nickname of a subject that the database has.
        session_root : path, optional
            Folder of the subjects; default: the cache folder.
        date : str, datetime.date or datetime.datetime, optional
            When it began; default: now.
        register : bool
            Whether to register it.
        **kwargs
            For `register_session`.

        Returns
        -------
        ALFPath
            The folder, which nobody else has made.
        uuid.UUID or None
            Id of the session; None if it was not registered.
        """
        from fascicle.one.alf._folders import next_num_folder

        self.assert_exists(subject, "subjects")
        start = self.ensure_ISO8601(date)
        day = start[:10]
        root = Path(session_root if session_root is not None else self.one.cache_dir)
        taken = 0
        if register:
            taken = max((int(s["number"]) for s in self._on_day(subject, day)), default=0)
        folder = root / subject / day
        while True:
            path = ALFPath(folder, f"{max(int(next_num_folder(folder)), taken + 1):03d}")
            try:
                path.mkdir(parents=True)
                break
            except FileExistsError:  # another process made it
                continue
        if not register:
            return path, None
        kwargs.setdefault("file_list", False)
        kwargs.setdefault("start_time", start)
        session, _ = self.register_session(path, **kwargs)
        return path, UUID(session["url"][-36:])

    def _on_day(self, subject: str, day: str) -> list[Any]:
        found = self._rest("sessions", "list", subject=subject, date_range=[day, day])
        return [s for s in found if s["subject"] == subject]

    def register_session(
        self,
        ses_path: _PATH,
        users: str | Sequence[str] | None = None,
        file_list: bool | Sequence[_PATH] = True,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], list[Any] | None]:
        """Register a session, and its files; one that is known is brought up to date.

        Of a known session, only what is given here is changed.

        Parameters
        ----------
        ses_path : path
            Folder of the session.
        users : str or list of str, optional
            Who did it; default, for a new session: who is logged in.
        file_list : bool or list of path
            The files to register; True: all that are of a dataset type.
        **kwargs
            ``location``, ``procedures``, ``projects``, ``n_trials``, ``n_correct_trials``,
            ``json``, ``type``, ``task_protocol``, ``narrative``, ``lab``, ``start_time``,
            ``end_time``: as the database has them.

        Returns
        -------
        dict
            The session's record.
        list or None
            Records of the files; None if ``file_list`` is False.

        Raises
        ------
        AlyxSubjectNotFound
            The database has no such subject.
        ALFInvalid
            The path is that of no session.
        RegistrationError
            ``lab`` or ``start_time`` are others than those of the path; this is a ValueError and
            an AssertionError.
        HTTPError
            The database refuses.
        """
        path = ALFPath(ses_path).session_path()
        if path is None:
            raise ALFInvalid(
                f"{ses_path} is no folder of a session",
                hint="lab/Subjects/subject/yyyy-mm-dd/number, or subject/yyyy-mm-dd/number",
            )
        lab, subject, day, number = path.session_parts
        self.assert_exists(subject, "subjects")
        body = self._session_body(lab, day, kwargs)
        if users:
            body["users"] = [users] if isinstance(users, str) else list(users)
            self.assert_exists(body["users"], "users")
        known = [s for s in self._on_day(subject, day) if int(s["number"]) == int(number)]
        if "lab" in body:
            known = [s for s in known if s.get("lab") in (body["lab"], None)] or known
        if known:
            eid = known[0]["url"][-36:]
            change = {k: v for k, v in body.items() if k != "lab"}
            if change:
                session = self._rest("sessions", "partial_update", id=eid, data=change)
            else:
                session = self._rest("sessions", "read", id=eid)
        else:
            if not users:
                self.assert_exists(self.one.alyx.user, "users")
            start = body.pop("start_time", self.ensure_ISO8601(day))
            new = {
                "subject": subject,
                "users": body.pop("users", [self.one.alyx.user]),
                "type": body.pop("type", "Experiment"),
                "number": int(number),
                **body,
                "start_time": start,
            }
            session = self._rest("sessions", "create", data=new)
        _logger.info("%s %s", session["url"], path)
        if file_list is False:
            return session, None
        files = list(self.find_files(path)) if file_list is True else file_list
        more = {} if lab or not session.get("lab") else {"labs": session["lab"]}
        records = self.register_files(files, **more) if files else []
        records = records if isinstance(records, list) else [records]
        new_ids = {r["id"] for r in records if r}
        before = session.get("data_dataset_session_related") or []
        session["data_dataset_session_related"] = [
            *(d for d in before if d.get("id") not in new_ids),
            *(r for r in records if r),
        ]
        return session, records

    def _session_body(self, lab: str, day: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return what to send, checked against the path."""
        body = {k: v for k, v in given.items() if v is not None}
        for name in ("procedures", "projects"):
            if isinstance(body.get(name), str):
                body[name] = [body[name]]
        for name in ("start_time", "end_time"):
            if name in body:
                body[name] = self.ensure_ISO8601(body[name])
        if body.get("start_time", day)[:10] != day:
            raise RegistrationError(
                f"start_time {body['start_time']} is not on the day of the session's path, {day}",
                hint="leave start_time out, or correct the path",
            )
        if lab and body.setdefault("lab", lab) != lab:
            raise RegistrationError(
                f'lab "{body["lab"]}" is not the lab of the session\'s path, "{lab}"',
                hint="leave lab out, or correct the path",
            )
        return body
