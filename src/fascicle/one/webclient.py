"""The client of a server, under the names of ``one.webclient``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fascicle.alyx.client import AlyxClient, no_cache
from fascicle.alyx.files import basic, bring, bring_range, md5_of
from fascicle.alyx.http import is_same_server
from fascicle.alyx.pages import Pages as _PaginatedResponse
from fascicle.alyx.schema import RestScheme, RestSchemeCoreApi, RestSchemeOpenApi
from fascicle.alyx.secret import Secret
from fascicle.alyx.urls import update_url_params
from fascicle.errors import HTTPError

__all__ = [
    "AlyxClient",
    "HTTPError",
    "RestScheme",
    "RestSchemeCoreApi",
    "RestSchemeOpenApi",
    "_PaginatedResponse",
    "dataset_record_to_url",
    "file_record_to_url",
    "http_download_file",
    "http_download_file_list",
    "no_cache",
    "update_url_params",
]


def http_download_file(
    full_link_to_file: str,
    chunks: Sequence[int] | None = None,
    *,
    clobber: bool = False,
    silent: bool = False,
    username: str = "",
    password: str = "",
    target_dir: str | os.PathLike[str] = "",
    return_md5: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Bring a file here; it appears under its name when it is whole.

    Parameters
    ----------
    full_link_to_file : str
        Its URL; for an empty one None is returned.
    chunks : pair of int, optional
        First byte and number of bytes, to have a part of the file alone.
    clobber : bool
        Fetch a file that is there, too.
    silent : bool
        Show no bar.
    username, password : str, optional
        Login at that server.
    target_dir : path-like, optional
        Where to; default: the folder of downloads.
    return_md5 : bool
        Return the checksum too.
    headers : mapping, optional
        Further headers.

    Returns
    -------
    pathlib.Path, or pathlib.Path and str

    Raises
    ------
    TransferError
        If the file cannot be had.
    """
    if not full_link_to_file:
        return (None, None) if return_md5 else None
    secret = Secret.of(password)
    del password
    result = http_download_file_list(
        [full_link_to_file],
        chunks=chunks,
        clobber=clobber,
        silent=silent,
        username=username,
        password=secret,
        target_dir=target_dir,
        return_md5=return_md5,
        headers=headers,
    )
    return (result[0][0], result[1][0]) if return_md5 else result[0]


def http_download_file_list(
    links_to_file_list: Iterable[str],
    *,
    chunks: Sequence[int] | None = None,
    clobber: bool = False,
    silent: bool = False,
    username: str = "",
    password: str | None = "",
    target_dir: Any = None,
    return_md5: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Bring files here, many at once; each appears under its name when it is whole.

    Parameters
    ----------
    links_to_file_list : iterable of str
        Their URLs.
    chunks : pair of int, optional
        First byte and number of bytes, to have a part of each file alone.
    clobber : bool
        Fetch files that are there, too.
    silent : bool
        Show no bar.
    username, password : str, optional
        Login at the server of the first.
    target_dir : path-like, or one for each, optional
        Where to; default: the folder of downloads.
    return_md5 : bool
        Return checksums too.
    headers : mapping, optional
        Further headers.

    Returns
    -------
    list of pathlib.Path
        With ``return_md5`` a list of two tuples, paths and checksums.

    Raises
    ------
    TransferError
        If a file cannot be had; those that could are there.
    """
    urls = [str(url) for url in links_to_file_list]
    usual = Path.home() / "Downloads"
    if target_dir is None or isinstance(target_dir, str | os.PathLike):
        folders = [Path(target_dir or usual).expanduser()] * len(urls)
    else:
        folders = [Path(one or usual).expanduser() for one in target_dir]
    assert len(folders) == len(urls), f"{len(folders)} folders for {len(urls)} files"
    login = {"Authorization": basic(username, password)} if username and password else {}
    further = dict(headers or {})
    del password, headers

    def sent(url: str) -> dict[str, str]:
        return {**(login if is_same_server(url, urls[0]) else {}), **further}

    if chunks is None:
        paths = bring(urls, folders, headers=sent, clobber=clobber, silent=silent)
    else:
        paths = [
            bring_range(url, folder, chunks, headers=sent, clobber=clobber)
            for url, folder in zip(urls, folders, strict=True)
        ]
    if return_md5:
        return [tuple(paths), tuple(md5_of(path) for path in paths)]
    return paths


def file_record_to_url(file_records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the URLs of file records that have one.

    Parameters
    ----------
    file_records : iterable of dict
        As a server gives them.
    """
    return [record["data_url"] for record in file_records if record["data_url"] is not None]


def dataset_record_to_url(
    dataset_record: Mapping[str, Any] | Iterable[Mapping[str, Any]],
) -> list[str]:
    """Return the URLs of the files of datasets.

    Parameters
    ----------
    dataset_record : dict or iterable of dict
        As a server gives them.
    """
    records = [dataset_record] if isinstance(dataset_record, Mapping) else dataset_record
    return [url for record in records for url in file_record_to_url(record["file_records"])]
