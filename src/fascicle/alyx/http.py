"""One pool of connections to a server: timeouts on all of them, asked again where that is safe."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

from fascicle import settings
from fascicle.alyx.response import Response, catchable, failure
from fascicle.errors import ConfigurationError, OfflineError, ServerError
from fascicle.transfer.answers import retry_after
from fascicle.transfer.client import Head, ca_files

if TYPE_CHECKING:
    import urllib3

logger = logging.getLogger(__name__)

_SAFE = {"GET", "HEAD", "OPTIONS"}
_REDIRECTS = {301, 302, 303, 307, 308}
_BLOCK = 64 << 10
_IDLE = 1.0  # seconds after which a server may be about to close a connection


@dataclass(slots=True)
class Bounds:
    """How long to wait, and how often to ask.

    Attributes
    ----------
    connect, stall : float
        Seconds until a connection that is not made, or that brings nothing, is given up.
    answer : float
        Seconds that one answer may take as a whole.
    patience : float
        Seconds after which nothing is asked again.
    attempts : int
        How often a server that is busy is asked again.
    wait : float
        Longest pause in seconds; a server that asks for a longer one is not asked again.
    at_most : int
        Bytes of an answer.
    """

    connect: float = 20.0
    stall: float = 120.0
    answer: float = 900.0
    patience: float = 300.0
    attempts: int = 8
    wait: float = 300.0
    at_most: int = 1 << 30


class Trouble(NamedTuple):
    """Why there is no answer.

    Attributes
    ----------
    kind : str
        ``refused`` and ``unreachable``: no request was sent; ``tls``; ``cut`` and ``stalled``: one
        was, and may have been seen to; ``large``.
    reason : str
    """

    kind: Literal["refused", "unreachable", "tls", "cut", "stalled", "large"]
    reason: str


#: How often to ask again after each kind of trouble: a server that restarts is back within seconds.
_AGAIN = {"refused": 6, "unreachable": 1, "cut": 4, "stalled": 1, "tls": 0, "large": 0}


class Wire:
    """Asks one server, over connections that are kept.

    Parameters
    ----------
    base_url : str
        Without a slash at its end.
    bounds : Bounds

    Attributes
    ----------
    answered : bool
        Whether an answer came so far that is no web page.
    """

    def __init__(self, base_url: str, bounds: Bounds) -> None:
        self.base_url = base_url
        self.bounds = bounds
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None
        self._process = os.getpid()
        self._used = 0.0
        self.answered = False

    def ask(
        self,
        method: str,
        query: str,
        *,
        headers: Mapping[str, str],
        body: bytes | str | None = None,
        safe: bool = False,
        hasty: bool = False,
        as_json: bool = True,
    ) -> Response:
        """Return the answer to a request, whatever its status.

        Parameters
        ----------
        method, query : str
            What is asked for, below the base URL; or a whole URL of this server.
        headers : mapping
            Secrets among them go to this server alone.
        body : bytes or str, optional
        safe : bool
            Whether asking twice does no harm; of GET, HEAD and OPTIONS it is known.
        hasty : bool
            Whether there is something to go on with if no answer comes soon.
        as_json : bool
            Whether an answer of success has to be JSON.

        Raises
        ------
        OfflineError
            If nothing may be fetched.
        ServerError
            If no answer comes, or none that is whole.
        BadAnswerError
            If it is no JSON, and should be.
        """
        if settings.offline():
            raise catchable(
                OfflineError(
                    f"{self.base_url} cannot be asked: FASCICLE_OFFLINE is set",
                    hint="unset FASCICLE_OFFLINE to go online",
                )
            )
        safe = safe or method in _SAFE
        url = query if query.startswith(f"{self.base_url}/") else self.base_url + query
        deadline = time.monotonic() + self.bounds.patience
        attempts = 0
        while True:
            response, trouble = self._follow(method, url, headers, body, safe=safe)
            broken = False
            if response is not None:
                broken = as_json and not _is_sound(response)
                pause = _pause(method, response, attempts, broken=broken, safe=safe)
                most = 2 if broken else self.bounds.attempts if pause is not None else 0
            else:
                unsent = trouble.kind in ("refused", "unreachable")
                most = _AGAIN[trouble.kind] if safe or unsent else 0
                pause = _backoff(attempts, 0.3)
            most = min(most, 1) if hasty else most
            left = deadline - time.monotonic()
            if pause is None or attempts >= most or pause > min(left, self.bounds.wait):
                break
            attempts += 1
            why = trouble.reason if response is None else f"status {response.status_code}"
            logger.log(
                logging.WARNING if pause > 1 else logging.DEBUG,
                "%s %s: %s; asking again in %.1f s",
                method,
                _plain(query),
                why,
                pause,
            )
            time.sleep(pause)
        if response is None:
            raise catchable(self._unanswered(method, query, trouble, attempts))
        if broken:
            raise failure(method, query, response)
        return response

    def _unanswered(self, method: str, query: str, trouble: Trouble, tried: int) -> ServerError:
        sent = trouble.kind in ("cut", "stalled") and method not in _SAFE
        error = ServerError(
            f"no answer from {self.base_url} to {method} {_plain(query)}: {trouble.reason}"
            + (f" (asked {tried + 1} times)" if tried else "")
            + ("; the server may have done what was asked, or not" if sent else ""),
            hint="look whether it was done before you ask again"
            if sent
            else _tls_hint(self.base_url, trouble.reason)
            if trouble.kind == "tls"
            else "is the address right, and the server up? FASCICLE_OFFLINE=1 works with what is "
            "here",
        )
        error.url = self.base_url
        return error

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | str | None,
        *,
        safe: bool,
    ) -> tuple[Response | None, Trouble]:
        """Ask once, and where the server sends us; a login does not go along to another one."""
        for _ in range(5):
            response, trouble = self._once(method, url, headers, body)
            if response is None or response.status_code not in _REDIRECTS or not safe or body:
                break
            target = urljoin(url, response.headers.get("location", ""))
            if target == url or urlsplit(target).scheme not in ("http", "https"):
                break
            if not is_same_server(target, url) and not _is_upgrade(url, target):
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = target
        return response, trouble

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | str | None
    ) -> tuple[Response | None, Trouble]:
        """Ask once. Errors of the library end here: their frames know the headers."""
        import urllib3
        import urllib3.exceptions as problems

        pool = self._connections(url, fresh=method not in _SAFE)
        kind: Literal["refused", "unreachable", "tls", "cut", "stalled", "large"] = "cut"
        until = time.monotonic() + self.bounds.answer
        parts: list[bytes] = []
        try:
            answer = pool.request(
                method,
                url,
                headers=headers,
                body=body,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=self.bounds.connect, read=self.bounds.stall),
            )
            try:
                n_bytes = 0
                read = getattr(answer, "read1", answer.read)  # what is there, if it can do that
                while part := read(_BLOCK, decode_content=True):
                    parts.append(part)
                    n_bytes += len(part)
                    if n_bytes > self.bounds.at_most:
                        return None, Trouble("large", f"the answer has over {n_bytes} bytes")
                    if time.monotonic() > until:
                        return None, Trouble("stalled", "the answer comes too slowly")
                answer.release_conn()
                names = {k.lower(): v for k, v in answer.headers.items()}
                self._used = time.monotonic()
                response = Response(answer.status, _Headers(names), b"".join(parts), url)
                self.answered = self.answered or not response.is_page
                return response, _NONE
            finally:
                answer.close()
        except (problems.LocationValueError, problems.URLSchemeUnknown) as error:
            wrong = str(error)
        except problems.NameResolutionError:
            return None, Trouble("unreachable", f"the name {urlsplit(url).hostname} is not known")
        except (problems.NewConnectionError, problems.ProxyError) as error:
            cause = str(error).rpartition(": ")[2]
            kind = "refused" if "refused" in cause or "reset" in cause else "unreachable"
            return None, Trouble(kind, cause)
        except problems.ConnectTimeoutError:
            return None, Trouble("unreachable", f"no connection in {self.bounds.connect:g} s")
        except problems.SSLError as error:
            return None, Trouble("tls", f"no trusted connection: {error}")
        except problems.ReadTimeoutError:
            return None, Trouble("stalled", f"nothing came in {self.bounds.stall:g} s")
        except (problems.HTTPError, OSError) as error:
            reason = str(error) or type(error).__name__
            cut = "the connection ended before the answer did"
            return None, Trouble(kind, f"{cut} ({reason.splitlines()[0][:200]})")
        raise ConfigurationError(
            f"{url.partition('?')[0]!r} is no address of a server: {wrong}",
            hint="base_url='https://alyx.mylab.org'",
        )

    def _connections(self, url: str, *, fresh: bool) -> urllib3.PoolManager:
        """Return the pool: a new one in a forked process, where the old one's are not ours."""
        with self._lock:
            idle = time.monotonic() - self._used > _IDLE
            if self._pool is None or self._process != os.getpid() or (fresh and idle):
                # A server that just closes an idle connection would leave it unknown whether it
                # took the request; on a new one that cannot happen. Other threads keep the old
                # pool as long as they need it.
                self._pool, self._process = _make_pool(url), os.getpid()
                self._used = time.monotonic()
            return self._pool

    def close(self) -> None:
        """Drop all connections."""
        with self._lock:
            if self._pool is not None and self._process == os.getpid():
                self._pool.clear()
            self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {"base_url": self.base_url, "bounds": self.bounds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


_NONE = Trouble("cut", "")


class _Headers(dict[str, str]):
    """Headers by name, in any case of letters."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())


def _tls_hint(base_url: str, reason: str) -> str:
    if "WRONG_VERSION_NUMBER" in reason:  # it answers in the clear
        return f"does it speak http? base_url={base_url.replace('https://', 'http://', 1)!r}"
    return "is a certificate of your own needed? SSL_CERT_FILE=/path/to/ca.pem names it"


def _make_pool(url: str) -> urllib3.PoolManager:
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    file, folder = ca_files()
    known: dict[str, Any] = {
        "maxsize": 16,
        "ca_certs": file or None,
        "ca_cert_dir": folder or None,
        "socket_options": [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ],
    }
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme) or getproxies().get("all")
    if proxy and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", **known)
    return urllib3.PoolManager(**known)


def _is_sound(response: Response) -> bool:
    """Return whether an answer is an error, or JSON."""
    if not 200 <= response.status_code < 300 or response.status_code == 204:
        return True
    try:
        response.json()
    except ValueError:
        return False
    return True


def _pause(
    method: str, response: Response, attempts: int, *, broken: bool, safe: bool
) -> float | None:
    """Return how long to wait before asking again, None where that will not help or may harm."""
    status = response.status_code
    if broken:
        meant = "json" in response.headers.get("content-type", "").lower()
        return _backoff(attempts, 0.5) if safe and meant else None
    asked = retry_after(Head(status, {"retry-after": response.headers.get("retry-after", "")}))
    told = bool(response.headers.get("retry-after"))
    if status == 429 or (status == 503 and (safe or told)):
        # so that many that were sent away together do not come back together
        return asked + _backoff(attempts, 0.5)
    gateway = status in (502, 504) or (status == 500 and response.is_page)
    if gateway and safe and attempts < 5:
        return _backoff(attempts, 0.5)
    return None


def _backoff(attempts: int, first: float) -> float:
    return min(30.0, first * 2.0**attempts) * random.uniform(0.75, 1.25)  # noqa: S311


def _plain(query: str) -> str:
    return query if len(query) <= 200 else f"{query[:200]}…"


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, "localhost" if host in ("127.0.0.1", "::1") else host, port


def is_same_server(url: str, other: str) -> bool:
    """Return whether two URLs name one server: protocol, name and port."""
    try:
        return _origin(url) == _origin(other)
    except ValueError:  # no port that can be
        return False


def _is_upgrade(url: str, target: str) -> bool:
    """Return whether a server sends us from HTTP to its own HTTPS."""
    old, new = urlsplit(url), urlsplit(target)
    usual = new.port in (None, 443) and old.port in (None, 80)
    return old.scheme == "http" and new.scheme == "https" and old.hostname == new.hostname and usual
