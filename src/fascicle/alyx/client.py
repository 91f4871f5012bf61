"""The client: asks a server by REST, and keeps for a while what it answered."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fascicle import settings
from fascicle.alyx import credentials, params
from fascicle.alyx.download import DownloadMixin
from fascicle.alyx.fields import FieldsMixin
from fascicle.alyx.http import Bounds, Wire, is_same_server
from fascicle.alyx.notices import Notices
from fascicle.alyx.pages import Pages
from fascicle.alyx.response import Response, failure
from fascicle.alyx.responses import Responses
from fascicle.alyx.secret import Secret
from fascicle.alyx.sending import encode
from fascicle.alyx.urls import tidy_query
from fascicle.errors import ConfigurationError, HTTPError, OfflineError, ServerError

logger = logging.getLogger(__name__)

_PAGE = {"count", "next", "previous", "results"}
_DOWN = (502, 503, 504)


class AlyxClient(FieldsMixin, DownloadMixin):
    """A client of one server.

    Nothing is asked before it is needed, but for a login with what is given here.

    Parameters
    ----------
    base_url : str, optional
        Address of the server; default: ``FASCICLE_ALYX_URL``, else the default one of ONE's
        settings, else the public one.
    username, password : str, optional
    cache_dir : path-like, optional
        Where files and answers are kept; default: as the settings say.
    silent : bool
        Print nothing, and ask nobody.
    cache_rest : {'GET', None}
        Whether answers are kept.
    token : str or mapping, optional
        In place of a password.
    stay_logged_in : bool
        Keep the token in the settings, for later programs.

    Attributes
    ----------
    base_url : str
    user : str or None
        Who is logged in.
    cache_mode : str or None
        As ``cache_rest``; may be changed.
    default_expiry : datetime.timedelta
        How long an answer is good for.
    rest_cache_dir : pathlib.Path
        Where answers are kept.
    bounds : fascicle.alyx.http.Bounds
        How long to wait, and how often to ask.

    Examples
    --------
    >>> alyx = AlyxClient("https://alyx.mylab.org")                      # doctest: +SKIP
    >>> alyx.rest("sessions", "list", subject="flowers", limit=10)[0]    # doctest: +SKIP
    """

    def __init__(
        self,
        base_url: str | None = None,
        username: str | None = None,
        password: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        silent: bool = False,
        cache_rest: str | None = "GET",
        token: Any = None,
        stay_logged_in: bool = True,
    ) -> None:
        secret, own_token = Secret.of(password), _token_of(token)
        del password, token
        self.silent = silent
        self._stay = stay_logged_in
        given = base_url or credentials.default_url()
        self._par = params.get(given, silent=True, username=username)
        self.base_url = (given or str(self._par.ALYX_URL)).rstrip("/")
        if "://" not in self.base_url:
            self.base_url = f"https://{self.base_url}"
        if cache_dir:
            self._par = self._par.set("CACHE_DIR", str(Path(cache_dir).expanduser()))
        self.default_expiry: timedelta | None = timedelta(minutes=5)
        self.cache_mode = cache_rest
        self.rest_cache_dir = self.cache_dir / ".rest"
        self._make_parts(Bounds())
        if username or secret or own_token:
            self.authenticate(username, secret, token=own_token)

    def _make_parts(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._wire = Wire(self.base_url, bounds)
        self._notices = Notices()
        self._login_lock = threading.RLock()
        self._rest_schemes = None

    def __repr__(self) -> str:
        who = f'as user "{self.user}"' if self.is_logged_in else "not logged in"
        return f"{type(self).__name__}({self.base_url!r}, {who})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what another process has to make, or to know, for itself."""
        own = ("_wire", "_notices", "_login_lock", "_rest_schemes", "_token", "_password")
        state = {k: v for k, v in self.__dict__.items() if k not in own}
        hidden = ("TOKEN", "ALYX_PWD", "HTTP_DATA_SERVER_PWD")
        state["_par"] = {k: v for k, v in self._par.items() if k not in hidden}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._par = params.Params({**params.get(self.base_url), **state["_par"]})
        self._make_parts(state["bounds"])

    # -- what may be set ---------------------------------------------------------------------------

    @property
    def cache_dir(self) -> Path:
        """Where files are kept."""
        return Path(self._par.CACHE_DIR)

    @cache_dir.setter
    def cache_dir(self, cache_dir: str | os.PathLike[str]) -> None:
        folder = Path(cache_dir).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        self._par = self._par.set("CACHE_DIR", str(folder))

    @property
    def max_retry_attempts(self) -> int:
        """How often a server that is busy is asked again."""
        return self.bounds.attempts

    @max_retry_attempts.setter
    def max_retry_attempts(self, n: int) -> None:
        self.bounds.attempts = n

    @property
    def max_retry_wait_seconds(self) -> float:
        """The longest pause before a server is asked again."""
        return self.bounds.wait

    @max_retry_wait_seconds.setter
    def max_retry_wait_seconds(self, seconds: float) -> None:
        self.bounds.wait = seconds

    # -- questions ---------------------------------------------------------------------------------

    def get(self, rest_query: str, **kwargs: Any) -> Any:
        """Return what the server answers to a query.

        Parameters
        ----------
        rest_query : str
            Such as ``/sessions?lab=mylab``, or a whole URL of this server.
        **kwargs
            ``expires``, for how long the answer is good, a timedelta or True for not at all;
            ``clobber``, to use no answer that was kept; ``data``, to be sent along.

        Returns
        -------
        list, Pages or dict
            A list that comes in pages fetches them when they are looked at.

        Raises
        ------
        HTTPError
            If the server answers with an error.
        ServerError
            If it does not answer, and no earlier answer was kept.
        """
        query = self._relative(rest_query)
        answer = self._fetch(query, **kwargs)
        if not (isinstance(answer, dict) and answer.keys() >= _PAGE):
            return answer
        if detail := answer.get("detail"):
            logger.warning("the server says of %s: %s", query.partition("?")[0], detail)
        ask = partial(self._fetch, **{k: v for k, v in kwargs.items() if k != "data"})
        pages = Pages(ask, query, answer)
        return pages if len(answer["results"]) < pages.count else answer["results"]

    def post(self, rest_query: str, data: Any = None, files: Any = None) -> Any:
        """Write a new record.

        Parameters
        ----------
        rest_query : str
        data : dict, list or str
        files : mapping, optional

        Returns
        -------
        dict or list
        """
        return self._send("POST", rest_query, data, files)

    def put(self, rest_query: str, data: Any = None, files: Any = None) -> Any:
        """Write a record anew.

        Parameters
        ----------
        rest_query : str
        data : dict or str
        files : mapping, optional

        Returns
        -------
        dict
        """
        return self._send("PUT", rest_query, data, files)

    def patch(self, rest_query: str, data: Any = None, files: Any = None) -> Any:
        """Change fields of a record.

        Parameters
        ----------
        rest_query : str
        data : dict or str
        files : mapping, optional

        Returns
        -------
        dict
        """
        return self._send("PATCH", rest_query, data, files)

    def delete(self, rest_query: str) -> Any:
        """Delete a record.

        Parameters
        ----------
        rest_query : str

        Returns
        -------
        None
        """
        return self._send("DELETE", rest_query, None, None)

    def logout(self) -> None:
        """Forget the login and all answers that were kept."""
        if not self.is_logged_in:
            return
        user = self.user
        self._forget()
        self.clear_rest_cache()
        if not self.silent:
            print(f"{user} logged out from {self.base_url}")

    def clear_rest_cache(self) -> None:
        """Forget all answers of this server that were kept."""
        self._responses().clear()

    # -- how they are asked ------------------------------------------------------------------------

    def _responses(self) -> Responses:
        user = self.user or self._known_user()
        return Responses(Path(self.rest_cache_dir), self.base_url, user or "")

    def _relative(self, query: str) -> str:
        """Return a query without the server's address, as it goes over the wire."""
        if query.startswith(("http://", "https://")):
            if query.startswith(f"{self.base_url}/"):
                query = query[len(self.base_url) :]
            elif is_same_server(query, self.base_url):
                query = "/" + query.split("/", 3)[3] if query.count("/") > 2 else "/"
            else:
                raise ConfigurationError(
                    f"{query!r} is not below {self.base_url}",
                    hint=f"AlyxClient({query.split('/', 3)[2]!r}) asks that server",
                )
        return tidy_query(query if query.startswith("/") else f"/{query}")

    def _fetch(
        self, query: str, *, data: Any = None, expires: Any = None, clobber: bool = False
    ) -> Any:
        """Return the decoded answer to a GET, from what was kept if that is good still."""
        mode = str(self.cache_mode or "").upper()
        if mode not in ("GET", "*") or data is not None or not (expires or self.default_expiry):
            return self._ask("GET", query, data)
        store = self._responses()
        kept = None if clobber else store.find(query)
        if kept is not None and kept.is_fresh:
            return kept.answer
        asked = time.time()
        try:
            answer = self._ask("GET", query, hasty=kept is not None)
        except (ServerError, OfflineError, HTTPError) as error:
            is_down = not isinstance(error, HTTPError) or error.status in _DOWN
            if kept is None or not is_down:
                raise
            warnings.warn(
                f"{self.base_url} cannot be asked, so that an earlier answer of it is used: "
                f"{error.message}",
                RuntimeWarning,
                stacklevel=4,
            )
            return kept.answer
        lasting = self.default_expiry if expires is None else expires
        seconds = lasting.total_seconds() if isinstance(lasting, timedelta) else 0.0
        self._responses().keep(query, answer, asked=asked, seconds=seconds)
        return answer

    def _send(self, method: str, rest_query: str, data: Any, files: Any) -> Any:
        try:
            return self._ask(method, self._relative(rest_query), data, files)
        finally:
            self._responses().note_write()  # also after an error: it may have been done

    def _ask(
        self, method: str, query: str, data: Any = None, files: Any = None, *, hasty: bool = False
    ) -> Any:
        """Return the decoded answer to a question, with a login."""
        body, kind = encode(data, files)
        for attempt in range(2):
            if not settings.offline():
                self._ensure_login(hasty=hasty)
            used = self._used_token()
            headers = {**self._headers, "Content-Type": kind}
            if query.startswith("/docs"):
                headers["Accept"] = "application/coreapi+json"
            elif query.startswith("/api/schema"):
                headers |= {"Accept": "application/vnd.oai.openapi+json", "Accept-Version": "3.0"}
            response = self._wire.ask(method, query, headers=headers, body=body, hasty=hasty)
            self._notices.look(response.headers, query.partition("?")[0])
            if response.status_code in (200, 201, 202, 204):
                return response.json()
            if attempt or not _is_stale_login(response) or not self._log_in_again(used):
                break
        raise failure(method, query, response)


def _is_stale_login(response: Response) -> bool:
    return response.status_code in (401, 403) and "invalid token" in response.text[:4096].lower()


def _token_of(given: Any) -> Secret | None:
    if isinstance(given, dict):
        given = given.get("token")
    return Secret.of(given)


@contextlib.contextmanager
def no_cache(ac: AlyxClient | None = None) -> Iterator[AlyxClient]:
    """Have a client ask the server in any case, for the length of a ``with`` block.

    Parameters
    ----------
    ac : AlyxClient, optional
        By default one for the default server.

    Yields
    ------
    AlyxClient
    """
    client = ac if ac is not None else AlyxClient()
    mode, client.cache_mode = client.cache_mode, None
    try:
        yield client
    finally:
        client.cache_mode = mode
