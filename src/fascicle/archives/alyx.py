"""A lab's database as an archive: an Alyx, or a hub of fascicle's own."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from fascicle import settings
from fascicle.archives import offered
from fascicle.archives.base import Source
from fascicle.archives.keeping import kept_catalogue
from fascicle.archives.served import Held, ServedArchive, web_path
from fascicle.catalogue.remote import Gone, RemoteStore
from fascicle.errors import (
    ConfigurationError,
    FascicleError,
    HTTPError,
    IncompleteWarning,
    LoginError,
    OfflineError,
    RemoteNotFound,
    ServerError,
)

if TYPE_CHECKING:
    from fascicle.alyx import AlyxClient
    from fascicle.catalogue import Catalogue

_MANY = 100


class AlyxArchive(ServedArchive):
    """The recordings of a server.

    A hub's catalogue is fetched once, and then what changed; of another Alyx the tables are that it
    offers. Searches then need no network.

    Parameters
    ----------
    base_url : str
        Its address; ``@TAG`` behind it means the datasets of a tag alone.
    tag : str, optional
        The same.
    store : path-like, optional
        The folder that files are brought into; default: the one that was set up for the server,
        which ONE uses too.

    Examples
    --------
    >>> archive = AlyxArchive("https://alyx.mylab.org")  # doctest: +SKIP
    >>> fascicle.find(region="TH", archives=archive)  # doctest: +SKIP
    """

    _needs_login = True

    def __init__(
        self,
        base_url: str,
        *,
        tag: str | None = None,
        store: str | os.PathLike[str] | None = None,
    ) -> None:
        from fascicle.alyx import params

        url, named = split_tag(base_url)
        if tag and named and tag != named:
            raise ConfigurationError(f"{base_url} names another tag than {tag!r}")
        self.base_url = url.rstrip("/")
        self.version = tag or named
        self._client: AlyxClient | None = None
        self._prefixes: dict[str, str | None] = {}
        super().__init__(store or params.get(self.base_url).CACHE_DIR)

    @property
    def name(self) -> str:
        """The address, with the tag."""
        return f"{self.base_url}@{self.version}" if self.version else self.base_url

    @property
    def alyx(self) -> AlyxClient:
        """The client of the server."""
        if self._client is None:
            from fascicle.alyx import AlyxClient

            self._client = AlyxClient(self.base_url, silent=True, cache_dir=self._store)
        return self._client

    # -- what there is -----------------------------------------------------------------------------

    def _load(self) -> Catalogue:
        user = self.alyx.user or self.alyx._known_user() or ""
        key = sha256(f"{self.base_url}\n{user}".encode()).hexdigest()[:24]
        folder = settings.cache_dir() / "alyx" / key
        if self.version:
            return self._from_tables(folder)
        server = Reader(self.alyx)
        server.hasty = (folder / "catalogue").exists()
        try:
            return RemoteStore(folder / "catalogue", server).refresh()
        except Gone:
            return self._from_tables(folder)
        except (ServerError, OfflineError) as error:
            kept = RemoteStore(folder / "catalogue", server).open()
            if kept is None:
                return self._from_tables(folder, silence=error)
            warnings.warn(
                f"{self.base_url} cannot be asked what has changed; its catalogue is as it was "
                f"fetched last: {error.message}",
                IncompleteWarning,
                stacklevel=4,
            )
            return kept
        except HTTPError as error:
            raise self._is_none(error) from error
        finally:
            server.hasty = False

    def _is_none(self, error: HTTPError) -> Exception:
        """Return the error for an address at which there is no database."""
        if isinstance(error, LoginError) or error.status not in (0, 200, 404, 405):
            return error
        return ConfigurationError(
            f"{self.base_url} is neither a lab's database nor the address of a manifest: "
            f"{error.message}",
            hint="https://alyx.mylab.org opens a database, "
            "https://…/manifests/NAME_project_manifest_v1.0.0.json a release",
        )

    def _from_tables(self, folder: Path, silence: FascicleError | None = None) -> Catalogue:
        """Return the catalogue of the tables that the server offers.

        Parameters
        ----------
        folder : pathlib.Path
            Where it is kept.
        silence : FascicleError, optional
            Why the server is not to be asked: the tables are those of last time.
        """
        note = folder / f"newest-{sha256(self.version.encode()).hexdigest()[:16]}.txt"
        info: dict[str, Any] = {}
        try:
            if silence is not None:
                raise silence
            info = offered.info_of(self.alyx, self.version or None)
            made = f"{self.base_url} {self.version} {info.get('date_created')} {info.get('origin')}"
        except HTTPError as error:
            raise self._is_none(error) from error
        except (ServerError, OfflineError) as error:
            if not note.is_file():
                raise
            silence = error
            made = note.read_text(encoding="utf-8")
            warnings.warn(
                f"{self.base_url} cannot be asked for newer tables: {error.message}",
                IncompleteWarning,
                stacklevel=5,
            )

        def columns() -> Any:
            from fascicle.catalogue.tables import read

            if silence is not None:
                raise silence  # what was kept is gone
            place = folder / "tables"
            offered.bring(self.alyx, info, place, self.version or None)
            return read(place)

        found = kept_catalogue(made.encode(), "alyx tables", [folder], columns, root=self._store)
        if silence is None:
            part = note.with_name(f".{uuid4().hex}.part")
            part.write_text(made, encoding="utf-8")
            os.replace(part, note)
        return found

    # -- where the files are -----------------------------------------------------------------------

    def _urls(self, held: Sequence[Held]) -> list[str]:
        out: dict[UUID, str] = {}
        loose = []
        for h in held:
            prefix = self._prefix(h)
            if prefix is None:
                loose.append(h)
            else:
                out[h.id] = prefix + web_path(h.served)
        for h, urls in zip(loose, self._other_urls(loose), strict=True):
            if not urls:
                raise RemoteNotFound(
                    f"{self.base_url} lists {h.place}, and no server that has it",
                    hint="ask who looks after the database",
                )
            out[h.id] = urls[0]
        return [out[h.id] for h in held]

    def _prefix(self, h: Held) -> str | None:
        """Return what the addresses of a lab's files begin with; None where each is to be asked."""
        if h.lab not in self._prefixes:
            plain = [unquote(url) for url in (self._other_urls([h]) or [[]])[0]]
            fitting = [url[: -len(h.served)] for url in plain if url.endswith(f"/{h.served}")]
            self._prefixes[h.lab] = fitting[0] if fitting else None
        return self._prefixes[h.lab]

    def _other_urls(self, held: Sequence[Held]) -> list[list[str]]:
        found: dict[UUID, list[str]] = {}
        ids = [str(h.id) for h in held]
        for i in range(0, len(ids), _MANY):
            query = f"id__in,{ids[i : i + _MANY]}"
            for record in self.alyx.rest("datasets", "list", exists=True, django=query):
                found[UUID(record["url"].rstrip("/")[-36:])] = addresses(record)
        return [found.get(h.id, []) for h in held]

    def headers(self, source: Source) -> Mapping[str, str]:
        """Return the headers that say who asks for a source, none for those of other servers."""
        from fascicle.alyx.http import is_same_server

        if is_same_server(source.url, self.base_url):
            self.alyx._ensure_login()
        return offered.headers_of(self.alyx, source.url)

    def _log_in_again(self, urls: Sequence[str]) -> bool:
        from fascicle.alyx.http import is_same_server

        token = self.alyx._token["token"] if self.alyx._token else None
        own = any(is_same_server(url, self.base_url) for url in urls)
        return own and self.alyx._log_in_again(token)


class Reader:
    """Reads a hub's catalogue, whole or ranges of it.

    Parameters
    ----------
    client : AlyxClient

    Attributes
    ----------
    hasty : bool
        Whether there is something to go on with if no answer comes soon.
    """

    def __init__(self, client: AlyxClient) -> None:
        self.client = client
        self.hasty = False

    def get(self, path: str, *, start: int | None = None, stop: int | None = None) -> bytes:
        """Return the body of an answer, or a range of it.

        Parameters
        ----------
        path : str
            Below the server's address.
        start, stop : int, optional
            First byte, and the one after the last.

        Raises
        ------
        Gone
            The server does not have it.
        HTTPError, ServerError
            It does not answer as it should.
        """
        from fascicle.alyx.response import failure

        query = f"/{path.lstrip('/')}"
        for attempt in range(2):
            if not settings.offline():
                self.client._ensure_login(hasty=self.hasty)
            used = self.client._token["token"] if self.client._token else None
            headers = {**self.client._headers, "Accept": "*/*", "Accept-Encoding": "identity"}
            if start is not None and stop is not None:
                headers["Range"] = f"bytes={start}-{stop - 1}"
            answer = self.client._wire.ask(
                "GET", query, headers=headers, as_json=False, hasty=self.hasty
            )
            if answer.status_code in (200, 206):
                return whole_or_range(answer.content, answer.status_code, start, stop)
            if answer.status_code in (404, 410, 416):
                raise Gone(f"{self.client.base_url} has no {path.partition('?')[0]}")
            if attempt or answer.status_code not in (401, 403):
                break
            if not self.client._log_in_again(used):
                break
        raise failure("GET", query, answer)


def whole_or_range(content: bytes, status: int, start: int | None, stop: int | None) -> bytes:
    """Return the range that was asked for, also of a server that sent everything."""
    return content[start:stop] if status == 200 and start is not None else content


def addresses(record: Mapping[str, Any]) -> list[str]:
    """Return where a dataset's file is on the web, by the server's record of it: buckets first."""
    rows = [r for r in record.get("file_records") or () if r.get("data_url") and r.get("exists")]
    rows.sort(key=lambda r: not str(r["data_repository"]).startswith("aws"))
    return [r["data_url"].replace("#", "%23") for r in rows]


def split_tag(name: str) -> tuple[str, str]:
    """Take ``https://alyx.mylab.org@TAG`` apart.

    Examples
    --------
    >>> split_tag("https://alyx.mylab.org@2022_Q2_IBL_et_al_RepeatedSite")
    ('https://alyx.mylab.org', '2022_Q2_IBL_et_al_RepeatedSite')
    """
    before, at, tag = name.rpartition("@")
    if at and not set(tag) & set("/:.") and urlsplit(before).netloc:
        return before, tag
    return name, ""
