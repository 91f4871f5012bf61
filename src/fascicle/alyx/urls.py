"""Addresses and their queries, quoted as a server reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_LOOSE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def update_url_params(url: str, params: Mapping[str, Any]) -> str:
    """Return a URL with parameters of its query added or changed.

    What is quoted in the URL means what it stands for: ``name=a%26b`` stays one parameter.

    Parameters
    ----------
    url : str
    params : mapping
        Values by name; a list gives one parameter several times.

    Examples
    --------
    >>> update_url_params("website.com/?q=", {"pg": 5})
    'website.com/?pg=5'
    >>> update_url_params("website.com?q=xxx", {"pg": 5, "foo": ["bar", "baz"]})
    'website.com?q=xxx&pg=5&foo=bar&foo=baz'
    """
    parts = urlsplit(url)
    known: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query):
        known.setdefault(name, []).append(value)
    query = urlencode({**known, **params}, doseq=True)
    return parts._replace(path=tidy_path(parts.path), query=query).geturl()


def with_filters(url: str, filters: Mapping[str, Any]) -> str:
    """Return a URL with filters in its query; of several values a server wants one with commas."""
    return update_url_params(url, {name: in_commas(value) for name, value in filters.items()})


def in_commas(value: Any) -> str:
    """Return a value, or several joined by commas, as text."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return str(value)
    return ",".join(map(str, value))


def tidy_path(path: str) -> str:
    """Return a path with everything quoted that has to be, and nothing quoted twice."""
    return quote(_LOOSE.sub("%25", path), safe="/%:@!$&'()*+,;=~")


def tidy_query(query: str) -> str:
    """Return what is asked of a server, path and parameters, as it goes over the wire."""
    return quote(_LOOSE.sub("%25", query), safe="/%:@!$&'()*+,;=?~[]")


def file_url(url: str) -> str:
    """Return the address of a file; a ``#`` in it is of a revision, and no fragment."""
    if not url.startswith(("http://", "https://")):
        return url  # what is no web address is quoted where it becomes one
    parts = urlsplit(url, allow_fragments=False)
    return parts._replace(path=tidy_path(parts.path)).geturl()
