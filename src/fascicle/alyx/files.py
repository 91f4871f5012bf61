"""From URLs to files: whole and in place, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fascicle.alyx.http import Bounds, Wire
from fascicle.alyx.response import catchable, failure
from fascicle.alyx.secret import Secret, joined
from fascicle.alyx.urls import file_url
from fascicle.errors import BadFileError, ConfigurationError, ServerError, UnsafeTarget

if TYPE_CHECKING:
    from fascicle.transfer import Source

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_TABLE = 16 << 30  # bytes of one file of the tables: what is more is a bomb
#: Says what headers go along with the request for a URL.
Headers = Callable[[str], Mapping[str, str]]


def basic(username: str, password: str) -> Secret:
    """Return what tells a data server who asks."""
    return joined("Basic ", b64encode(joined(username, ":", password).encode()).decode())


def bring(
    urls: Sequence[str],
    folders: Sequence[Path],
    *,
    headers: Headers,
    clobber: bool = False,
    silent: bool = False,
    offline: bool | None = None,
) -> list[Path]:
    """Have files in folders, under the names that end their URLs.

    Parameters
    ----------
    urls : sequence of str
    folders : sequence of pathlib.Path
        One for each.
    headers : callable
        Returns the headers that go along with the request for a URL.
    clobber : bool
        Fetch what is there already, too; it is replaced once the new file is whole.
    silent : bool
        Show no bar.
    offline : bool, optional
        Fetch nothing.

    Returns
    -------
    list of pathlib.Path
        In the order of the URLs.

    Raises
    ------
    TransferError
        If a file cannot be had; those that could are there.
    """
    from fascicle.transfer import Source

    targets = [Path(os.path.abspath(d)) / name_of(u) for u, d in zip(urls, folders, strict=True)]
    wanted = [(Source(file_url(url)), path) for url, path in zip(urls, targets, strict=True)]
    missing = wanted if clobber else [pair for pair in wanted if not pair[1].is_file()]
    stores: dict[Path, list[tuple[Source, Path]]] = {}
    for source, path in missing:
        stores.setdefault(path.parent, []).append((source, path))
    for folder, pairs in stores.items():
        make_room(folder)
        with _beside(folder, clobber=clobber) as store:
            _run(
                [(source, store / path.name) for source, path in pairs],
                store,
                headers=headers,
                silent=silent,
                offline=offline,
            )
            if store != folder:
                for path in dict.fromkeys(path for _, path in pairs):
                    os.replace(store / path.name, path)
    return targets


def make_room(folder: Path) -> None:
    """Make a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnsafeTarget(
            f"{folder} cannot be made: {error.strerror or error}", hint="choose another folder"
        ) from error


@contextlib.contextmanager
def _beside(folder: Path, *, clobber: bool) -> Iterator[Path]:
    """Give a folder to fetch into: one beside the files that are there, where they are replaced."""
    if not clobber:
        yield folder
        return
    store = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        yield store
    finally:
        shutil.rmtree(store, ignore_errors=True)


def _run(
    pairs: list[tuple[Source, Path]],
    store: Path,
    *,
    headers: Headers,
    silent: bool,
    offline: bool | None,
) -> None:
    from fascicle.transfer import make_plan

    def plain(source: Source) -> dict[str, str]:
        sent = headers(source.url).items()
        return {k: v.reveal() if isinstance(v, Secret) else v for k, v in sent}

    plan = make_plan(pairs, store=store)
    result = plan.run(progress=False if silent else None, offline=offline, headers=plain)
    result.raise_for_failed()


def name_of(url: str) -> str:
    """Return the name of the file that a URL ends with.

    Raises
    ------
    ConfigurationError
        If it ends with none.
    """
    name = unquote(urlsplit(url, allow_fragments=False).path.rpartition("/")[2])
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ConfigurationError(f"{url!r} names no file", hint="https://server/folder/file.npy")
    return name


def bring_range(
    url: str,
    folder: Path,
    chunks: Sequence[int],
    *,
    headers: Headers,
    clobber: bool = False,
    bounds: Bounds | None = None,
) -> Path:
    """Have some bytes of a file in a folder, as a file under its name.

    Parameters
    ----------
    url : str
    folder : pathlib.Path
    chunks : pair of int
        The first byte, and how many.
    headers : callable
        Returns the headers that go along with the request for a URL.
    clobber : bool
        Replace a file that is there.
    bounds : Bounds, optional

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ServerError
        If the server does not answer, or gives other bytes.
    HTTPError
        If it answers with an error.
    """
    first, n_bytes = (int(n) for n in chunks)
    if first < 0 or n_bytes < 1:
        raise ConfigurationError(
            f"{chunks!r} are no bytes of a file", hint="chunks=(first, number), as in (0, 1000)"
        )
    target = Path(os.path.abspath(folder)) / name_of(url)
    if target.is_file() and not clobber:
        return target
    whole = file_url(url)
    wire = Wire("{0.scheme}://{0.netloc}".format(urlsplit(whole)), bounds or Bounds())
    try:
        response = wire.ask(
            "GET",
            whole,
            headers={
                **headers(whole),
                "Range": f"bytes={first}-{first + n_bytes - 1}",
                "Accept-Encoding": "identity",
            },
            as_json=False,
        )
    finally:
        wire.close()
    if response.status_code == 200:  # a server that knows no ranges sends all
        content = response.content[first : first + n_bytes]
    elif response.status_code == 206:
        content = response.content
        got = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
        if got is None or int(got[1]) != first or len(content) > n_bytes:
            raise catchable(ServerError(f"{url}: the server gives other bytes than asked for"))
    else:
        raise failure("GET", url, response)
    make_room(target.parent)
    fd, part = tempfile.mkstemp(prefix=".new-", dir=target.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        os.chmod(part, 0o644)
        os.replace(part, target)
    finally:
        Path(part).unlink(missing_ok=True)
    return target


def md5_of(path: Path) -> str:
    """Return the MD5 checksum of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def unpack(file: Path, store: Path, folder: Path) -> list[Path]:
    """Put the members of a ZIP file into a folder."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _check(members, file.name)
            for member in members:
                archive.extract(member, store / "new")
            if archive.testzip() is not None:
                raise BadFileError(f"{file.name} is damaged", hint="fetch it again")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadFileError(
            f"{file.name} is no ZIP file of tables: {error}", hint="is it the right address?"
        ) from error
    # What tells of the tables comes last: whoever sees it finds the tables that it tells of.
    names = sorted((member.filename for member in members), key=lambda n: n.endswith(".json"))
    for name in names:
        os.replace(store / "new" / name, folder / name)
    return [folder / member.filename for member in members]


def _check(members: Iterable[zipfile.ZipInfo], name: str) -> None:
    for member in members:
        if member.filename != Path(member.filename).name or "\\" in member.filename:
            raise UnsafeTarget(f"{name} would write {member.filename!r} outside of its folder")
        if member.file_size > _TABLE:
            raise BadFileError(f"{member.filename} in {name} is too large: {member.file_size}")
