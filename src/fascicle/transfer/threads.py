"""Requests by urllib3, a thread for each: where libcurl cannot be had."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from fascicle.errors import MissingExtraError
from fascicle.transfer.client import Answer, Head, Request, Trouble, ca_files
from fascicle.transfer.limits import Limits

if TYPE_CHECKING:
    import urllib3

_BLOCK = 64 << 10
_REDIRECTS = {301, 302, 303, 307, 308}
_AHEAD = 4  # blocks that a thread may be ahead of whoever reads


class ThreadTransport:
    """A pool of urllib3, with a thread for each request under way.

    What a request brings is handed on in the thread that calls `step`, as libcurl does.

    Attributes
    ----------
    n_running : int
        Requests under way.
    n_bytes : int
        Bytes of bodies that came in.
    """

    def __init__(self, limits: Limits) -> None:
        try:
            import urllib3
        except ImportError as error:
            raise MissingExtraError(
                "neither pycurl nor urllib3 is installed", hint="pip install pycurl"
            ) from error
        self.n_running = 0
        self.n_bytes = 0
        self._limits = limits
        file, folder = ca_files()
        self._pool = urllib3.PoolManager(
            maxsize=limits.parallel + limits.streams,
            retries=False,
            timeout=urllib3.Timeout(connect=limits.connect_timeout, read=limits.stall_timeout),
            ca_certs=file or None,
            ca_cert_dir=folder or None,
        )
        self._done: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._tasks: set[_Task] = set()

    def submit(self, request: Request) -> None:
        """Begin a request."""
        if request.signing is not None:
            raise MissingExtraError(
                "signed requests need libcurl, and urllib3 is in use", hint="pip install pycurl"
            )
        task = _Task(request, self._pool, self._done)
        self._tasks.add(task)
        self.n_running += 1
        threading.Thread(target=task.run, name="fascicle-request", daemon=True).start()

    def step(self, timeout: float) -> list[tuple[Request, Answer]]:
        """Hand on what came in for up to ``timeout`` seconds; return what has finished."""
        finished: list[tuple[Request, Answer]] = []
        wait = timeout
        begun, bandwidth = self.n_bytes, self._limits.bandwidth
        while not bandwidth or self.n_bytes - begun < bandwidth / 8:  # the rest after a pause
            try:
                task = self._done.get(timeout=wait) if wait > 0 else self._done.get_nowait()
            except queue.Empty:
                return finished
            wait = 0.0
            if task not in self._tasks:
                continue
            item = task.box.get()
            if isinstance(item, bytes):
                self.n_bytes += len(item)
            if task.take(item):
                self._tasks.discard(task)
                self.n_running -= 1
                finished.append((task.request, task.answer))
        return finished

    def is_fit(self) -> bool:
        """Return whether its connections are worth keeping, which these are not."""
        return False

    def close(self) -> None:
        """Drop everything that is under way, and all connections."""
        for task in self._tasks:
            task.stop()
        self._tasks.clear()
        self.n_running = 0
        self._pool.clear()


class _Task:
    """One request in its thread."""

    def __init__(self, request: Request, pool: urllib3.PoolManager, done: Any) -> None:
        self.request = request
        self.box: queue.Queue[Head | bytes | tuple[Trouble, str]] = queue.Queue(_AHEAD)
        self.answer = Answer()
        self._pool = pool
        self._done = done
        self._stopped = threading.Event()
        self._body = bytearray()
        self._begun = False

    # -- in the thread of the request -----------------------------------------------------------

    def run(self) -> None:
        """Do the request."""
        import urllib3.exceptions as problems

        trouble: Trouble = ""
        reason = ""
        try:
            self._fetch()
        except problems.LocationValueError as error:
            trouble, reason = "never", str(error)
        except (problems.SSLError, problems.NewConnectionError, problems.ConnectTimeoutError) as e:
            trouble, reason = ("tls" if "CERTIFICATE" in str(e) else "refused"), str(e)
        except problems.ReadTimeoutError as error:
            trouble, reason = "stalled", str(error)
        except (problems.HTTPError, OSError, ValueError) as error:
            trouble, reason = "cut", str(error)
        self._put((trouble, reason))

    def _fetch(self) -> None:
        import urllib3.exceptions as problems

        url = self.request.url
        fields = (header.partition(":") for header in self.request.headers)
        headers = {name: value.strip() for name, _, value in fields}
        headers["User-Agent"] = "fascicle"
        for _ in range(11):
            response = self._pool.request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                redirect=False,
                decode_content=False,
            )
            place = response.headers.get("location")
            if response.status not in _REDIRECTS or not place:
                break
            response.drain_conn()
            new = urljoin(url, place)
            if urlsplit(url).scheme == "https" and urlsplit(new).scheme != "https":
                raise problems.LocationValueError(f"a redirect leads down to {new}")
            if urlsplit(new).netloc != urlsplit(url).netloc:
                headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            url = new
        else:
            raise problems.LocationValueError("too many redirects")
        head = Head(response.status, {k.lower(): v for k, v in response.headers.items()})
        self._put(head)
        whole = False
        try:
            while not self._stopped.is_set():
                data = response.read(_BLOCK, decode_content=False)
                if not data:
                    whole = True
                    break
                self._put(data)
        finally:
            if whole:
                response.release_conn()
            else:
                response.close()

    def _put(self, item: Head | bytes | tuple[Trouble, str]) -> None:
        while not self._stopped.is_set():
            try:
                self.box.put(item, timeout=0.5)
            except queue.Full:
                continue
            self._done.put(self)
            return

    # -- in the thread of whoever calls step ----------------------------------------------------

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped.set()

    def take(self, item: Head | bytes | tuple[Trouble, str]) -> bool:
        """Take what the thread sent; return whether the request is over."""
        reader = self.request.reader
        if isinstance(item, tuple):
            self.answer.trouble, self.answer.reason = item
            self.answer.body = bytes(self._body)
            return True
        if isinstance(item, Head):
            self.answer.head = item
            length = item.length()
            if reader is None and length is not None and length > self.request.at_most:
                return self._end("large")
            return False
        if reader is None:
            self._body += item
            return self._end("large") if len(self._body) > self.request.at_most else False
        head = self.answer.head
        if not self._begun and head is not None:
            self._begun = True
            if not reader.on_head(head):
                return self._end("stopped")
        return False if reader.on_data(item) else self._end("stopped")

    def _end(self, trouble: Trouble) -> bool:
        self.stop()
        self.answer.trouble = trouble
        self.answer.reason = "too large" if trouble == "large" else "not wanted any more"
        self.answer.body = bytes(self._body)
        return True
