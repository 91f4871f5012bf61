"""Files of a server, and of the data server that it names."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fascicle.alyx.files import Headers, basic, bring, bring_range, make_room, md5_of, unpack
from fascicle.alyx.http import Bounds, is_same_server
from fascicle.alyx.login import LoginMixin
from fascicle.alyx.secret import Secret, joined
from fascicle.errors import AccessDenied, ConfigurationError, OfflineError


class DownloadMixin(LoginMixin):
    """Brings files here, from the data server or from the server itself."""

    bounds: Bounds

    @property
    def _data_server(self) -> str:
        return str(self._par.get("HTTP_DATA_SERVER") or "").rstrip("/")

    def rel_path2url(self, path: str | os.PathLike[str]) -> str:
        """Return the URL that a file has at the data server.

        Parameters
        ----------
        path : str or path-like
            Relative: ``lab/Subjects/subject/date/number/…``.

        Raises
        ------
        ConfigurationError
            If it is a URL already, or no data server is known.
        """
        text = os.fspath(path).replace("\\", "/").strip("/")
        if "://" in text:
            raise ConfigurationError(f"{text!r} is no relative path", hint="lab/Subjects/…")
        if not self._data_server:
            raise ConfigurationError(
                f"no data server of {self.base_url} is known",
                hint="HTTP_DATA_SERVER in the settings names it",
            )
        return f"{self._data_server}/{text}"

    def _url_of(self, url: str | os.PathLike[str]) -> str:
        text = os.fspath(url)
        return text if "://" in text else self.rel_path2url(text)

    def _is_own(self, url: str) -> bool:
        return is_same_server(url, self.base_url)

    def _file_headers(self, login: str | None, password: str | None) -> Headers:
        """Return what says which login goes along to which server; to others none goes."""
        user = login or self._par.get("HTTP_DATA_SERVER_LOGIN")
        secret = password or self._par.get("HTTP_DATA_SERVER_PWD")
        place = self._data_server

        def headers(url: str) -> dict[str, str]:
            at_data_server = bool(place) and is_same_server(url, place)
            if user and secret and (at_data_server or login):
                return {"Authorization": basic(user, secret)}
            token = self._used_token()
            if token is not None and self._is_own(url):
                return {"Authorization": joined("Token ", token)}
            return {}

        return headers

    def download_file(
        self,
        url: Any,
        *,
        target_dir: Any = None,
        cache_dir: str | os.PathLike[str] | None = None,
        clobber: bool = False,
        chunks: Sequence[int] | None = None,
        return_md5: bool = False,
        silent: bool | None = None,
        offline: bool | None = None,
        username: str | None = None,
        password: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Bring files here.

        The data server gets the login that the settings have for it, this server its token, and
        no other server gets either.

        Parameters
        ----------
        url : str or list of str
            URLs, or paths at the data server.
        target_dir : path-like or list, optional
            Where to; default: ``cache_dir``.
        cache_dir : path-like, optional
            Default: the client's.
        clobber : bool
            Fetch a file that is there, too.
        chunks : pair of int, optional
            First byte and number of bytes, to have a part of the file alone.
        return_md5 : bool
            Return checksums too.
        silent : bool, optional
            Show no bar; default: as the client.
        offline : bool, optional
            Fetch nothing; default: as ``FASCICLE_OFFLINE`` says.
        username, password : str, optional
            For the data server, in place of those of the settings.
        headers : mapping, optional
            Further headers.

        Returns
        -------
        pathlib.Path, or list of pathlib.Path
            With ``return_md5`` a path and its checksum, or a list of each.

        Raises
        ------
        TransferError
            If a file cannot be had.
        """
        single = isinstance(url, str | os.PathLike)
        given = [url] if single else list(url)
        urls = [self._url_of(one) for one in given if one]
        folders = _one_for_each(target_dir or cache_dir or self._par.CACHE_DIR, given)
        login = self._file_headers(username, Secret.of(password))
        further = dict(headers or {})
        del password, headers

        def sent(place: str) -> dict[str, str]:
            return {**login(place), **further}

        if urls and not offline and any(self._is_own(one) for one in urls):
            with contextlib.suppress(OfflineError):  # what is here needs no server
                self._ensure_login()
        try:
            paths = self._bring(
                urls,
                [folder for one, folder in zip(given, folders, strict=True) if one],
                headers=sent,
                chunks=chunks,
                clobber=clobber,
                silent=self.silent if silent is None else silent,
                offline=offline,
            )
        except AccessDenied as error:
            error.hint = (
                "HTTP_DATA_SERVER_LOGIN and HTTP_DATA_SERVER_PWD in the settings, or username= and "
                "password=, say who you are at the data server"
            )
            raise
        found = iter(paths)
        places = [next(found) if one else None for one in given]
        if not return_md5:
            return places[0] if single else places
        sums = [None if path is None else md5_of(path) for path in places]
        return (places[0], sums[0]) if single else [tuple(places), tuple(sums)]

    def _bring(
        self,
        urls: list[str],
        folders: list[Path],
        *,
        headers: Headers,
        chunks: Sequence[int] | None,
        clobber: bool,
        silent: bool,
        offline: bool | None,
    ) -> list[Path]:
        for attempt in range(2):
            used = self._used_token()
            try:
                if chunks is None:
                    return bring(
                        urls,
                        folders,
                        headers=headers,
                        clobber=clobber,
                        silent=silent,
                        offline=offline,
                    )
                known = replace(self.bounds)
                return [
                    bring_range(url, folder, chunks, headers=headers, clobber=clobber, bounds=known)
                    for url, folder in zip(urls, folders, strict=True)
                ]
            except OSError as error:
                denied = getattr(error, "status", None) in (401, 403)
                denied = denied or isinstance(error, AccessDenied) or bool(_denied_in(error))
                own = any(self._is_own(url) for url in urls)
                if attempt or not (denied and own and self._is_refused()):
                    raise
                if not self._log_in_again(used):
                    raise
        raise AssertionError("unreachable")

    def _is_refused(self) -> bool:
        """Return whether the server does not take the token any more."""
        answer = self._wire.ask("GET", "/me", headers=self._headers, as_json=False, hasty=True)
        return answer.status_code in (401, 403)

    def download_cache_tables(
        self, source: Any = None, destination: str | os.PathLike[str] | None = None
    ) -> list[Path]:
        """Bring the server's tables of sessions and datasets here.

        Parameters
        ----------
        source : str, optional
            Address of the ZIP file; default: ``cache.zip`` of the server.
        destination : path-like, optional
            Default: the client's cache folder.

        Returns
        -------
        list of pathlib.Path
            The tables; each was put in place whole.

        Raises
        ------
        TransferError
            If the file cannot be had.
        BadFileError
            If it is no ZIP file of tables.
        """
        place = str(source or f"{self.base_url}/cache.zip")
        folder = Path(destination or self._par.CACHE_DIR)
        make_room(folder)
        store = Path(tempfile.mkdtemp(prefix=".tables-", dir=folder))
        try:
            file = self.download_file(place, target_dir=store)
            return unpack(file, store, folder)
        finally:
            shutil.rmtree(store, ignore_errors=True)


def _denied_in(error: BaseException) -> bool:
    """Return whether some of many files were refused."""
    return isinstance(error.__cause__, AccessDenied)


def _one_for_each(target: Any, urls: Sequence[Any]) -> list[Path]:
    """Return a folder for each URL."""
    if isinstance(target, str | os.PathLike):
        return [Path(target).expanduser()] * len(urls)
    folders = [Path(one).expanduser() for one in target]
    if len(folders) != len(urls):
        raise ConfigurationError(
            f"{len(folders)} folders for {len(urls)} files", hint="one folder, or one for each"
        )
    return folders
