"""A real S3 endpoint on this machine, with versions, for tests, tutorials and documentation.

It is moto's server (``pip install 'moto[server]'``), in a thread of this process.
"""

from __future__ import annotations

import logging
from typing import Any, Self
from urllib.parse import quote

from fascicle.errors import MissingExtraError, ServerError


class S3Server:
    """An S3 endpoint that lives as long as a ``with`` block, or from `start` to `stop`.

    Parameters
    ----------
    seed : int, optional
        Let ids of versions be the same each time.

    Examples
    --------
    ::

        with S3Server() as server:
            server.make_bucket("lab-data")
            server.put("lab-data", "project/notes.txt", b"hello")
            ProjectCache.from_s3_cache(..., endpoint_url=server.url)
    """

    def __init__(self, *, seed: int | None = None) -> None:
        self._seed = seed
        self._server: Any = None
        self._pool: Any = None
        self.url = ""

    def start(self) -> Self:
        """Begin to serve, on a free port of this machine.

        Raises
        ------
        MissingExtraError
            If moto is not installed.
        """
        try:
            from moto.server import ThreadedMotoServer
        except ImportError as error:
            raise MissingExtraError(
                "a local S3 endpoint needs moto", hint="pip install 'moto[server]'"
            ) from error
        import urllib3

        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request otherwise
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._pool = urllib3.PoolManager(retries=False)
        self._pool.request("POST", f"{self.url}/moto-api/reset")
        if self._seed is not None:
            self._pool.request("POST", f"{self.url}/moto-api/seed?a={self._seed}")
        return self

    def stop(self) -> None:
        """Stop serving; what was put is lost."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def make_bucket(self, name: str, *, versions: bool = True) -> None:
        """Make a bucket.

        Parameters
        ----------
        name : str
        versions : bool
            Whether it keeps all versions of its objects.
        """
        self._ask("PUT", name)
        if versions:
            body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            self._ask("PUT", f"{name}?versioning", body)

    def put(self, bucket: str, key: str, data: bytes, *, version_id: str = "") -> str:
        """Write an object.

        Parameters
        ----------
        bucket, key : str
        data : bytes
        version_id : str
            The id that its version shall have, for a copy of a real bucket; one of the server's
            own otherwise.

        Returns
        -------
        str
            Its version id, or an empty string where the bucket has no versions.
        """
        headers = self._ask("PUT", f"{bucket}/{quote(key)}", data)
        if version_id:
            from moto.backends import get_backend

            # No request of S3's says an id: this is moto's own record, in this process.
            held = get_backend("s3")["123456789012"]["aws"].buckets[bucket].keys
            held[key]._version_id = version_id
            return version_id
        return str(headers.get("x-amz-version-id", ""))

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; older versions of it stay."""
        self._ask("DELETE", f"{bucket}/{quote(key)}")

    def _ask(self, method: str, path: str, body: bytes = b"") -> Any:
        headers = {
            "Content-Type": "application/octet-stream",
            "x-amz-acl": "public-read",
            # Who asks is not checked, but has to be said: readers are anonymous.
            "Authorization": "AWS4-HMAC-SHA256 Credential=owner/20200101/us-east-1/s3/aws4_request,"
            " SignedHeaders=host, Signature=0",
        }
        answer = self._pool.request(method, f"{self.url}/{path}", body=body, headers=headers)
        if answer.status >= 300:
            raise ServerError(f"{method} {path}: status {answer.status}: {answer.data[:300]!r}")
        return answer.headers
