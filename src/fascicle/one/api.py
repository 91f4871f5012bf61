"""The ONE interface on a local folder: `One`; and `ONE`, which makes one, or a `OneAlyx`."""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import CatalogueError, ConfigurationError, NoIndexError
from fascicle.one import params, revisions
from fascicle.one.aggregates import AggregatesMixin
from fascicle.one.converters import ConversionMixin
from fascicle.one.insertions import InsertionsMixin
from fascicle.one.modes import check_mode
from fascicle.one.server import ServerMixin
from fascicle.one.sharing import shared
from fascicle.one.tables import Tables, apply_to, empty_index, everything

if TYPE_CHECKING:
    from uuid import UUID

    from fascicle.catalogue import Change

__all__ = ["ONE", "One"]

_SERVER_ARGUMENTS = ("base_url", "username", "password", "token")


class One(ConversionMixin, AggregatesMixin, InsertionsMixin, ServerMixin):
    """Searches and loads the recordings of a folder.

    Parameters
    ----------
    cache_dir : path, optional
        The folder; default: that of the server that was set up, or ``~/Downloads/ONE``.
    mode : {'local'}
        A folder knows no other.
    wildcards : bool
        Whether names are matched with ``*`` and ``?``; otherwise with regular expressions.
    tables_dir : path, optional
        Folder of the index, where it is another one.

    Attributes
    ----------
    cache_dir : pathlib.Path
    mode : str
    wildcards : bool
    record_loaded : bool
        Whether ids of loaded datasets are kept, see `save_loaded_ids`.
    uuid_filenames : bool
        Whether the files have their ids in their names.

    Raises
    ------
    ConfigurationError
        ``mode`` is another; this is a ValueError.

    Examples
    --------
    >>> one = One(cache_dir="~/data")  # doctest: +SKIP
    >>> eid, *_ = one.search(dataset="spikes.times")  # doctest: +SKIP
    >>> trials = one.load_object(eid, "trials")  # doctest: +SKIP
    """

    uuid_filenames = False

    def __init__(
        self,
        cache_dir: str | os.PathLike[str] | None = None,
        mode: str = "local",
        wildcards: bool = True,
        tables_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self._check_mode(mode)
        self.cache_dir = Path(cache_dir).expanduser() if cache_dir else params.get_cache_dir()
        self._tables_dir = Path(tables_dir).expanduser() if tables_dir else self.cache_dir
        self.mode = mode
        self.wildcards = wildcards
        self.record_loaded = False
        self._loaded: dict[UUID, UUID] = {}
        self._kept = OrderedDict()
        self._kept_of = None
        self._teller = revisions.Teller()
        self._home_tables = self._tables_dir
        self._start()

    @property
    def _is_silent(self) -> bool:
        return False

    def _check_mode(self, mode: str) -> None:
        check_mode(mode, remote=False)

    def _start(self) -> None:
        self._open()

    def __repr__(self) -> str:
        return f"One ({'off' if self.offline else 'on'}line, {self.cache_dir})"

    def __del__(self) -> None:
        if os is None:
            return  # the interpreter ends, and has cleared this module already
        wanted = (os.environ.get("ONE_SAVE_ON_DELETE") or "").casefold() in ("1", "true")
        if wanted and self._is_open:
            self.save_cache()

    @property
    def _is_open(self) -> bool:
        return "_tables" in self.__dict__

    def __getattr__(self, name: str) -> Any:
        if name == "alyx":
            raise AttributeError(
                f"{self!r} has no alyx: it is a local folder, and no server is connected"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        state = {
            k: self.__dict__[k] for k in ("record_loaded", "uuid_filenames") if k in self.__dict__
        }
        arguments = (self.cache_dir, self.mode, self.wildcards, self._tables_dir)
        return type(self), arguments, state

    @property
    def offline(self) -> bool:
        """Whether no server is asked: always, in local mode."""
        return True

    @property
    def version(self) -> str:
        """Version of fascicle."""
        return _version()

    # -- the index -------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Open the newest index; return whether there is one."""
        from fascicle import settings
        from fascicle.catalogue import Catalogue

        elsewhere = self._tables_dir if self._tables_dir != self.cache_dir else None
        try:
            self._index = shared(
                Catalogue.open(
                    self.cache_dir,
                    tables_dir=elsewhere,
                    progress=settings.show_progress() and not self._is_silent,
                )
            )
            found = True
        except NoIndexError:
            found = self._opens_nwb()
            if not found:
                self._tell_no_tables()
                self._index = empty_index(self.cache_dir)
        self._tables = Tables(self._index, self.cache_dir, loaded=found)
        return found

    def _tell_no_tables(self) -> None:
        revisions.warn(
            f"No cache tables found in {self._tables_dir}\n"
            f"  To index the folder: One.setup({str(self.cache_dir)!r})",
            UserWarning,
        )

    @property
    def _cache(self) -> Tables:
        """The index as pandas tables; once changed, they are the truth for this object."""
        return self._tables

    @_cache.setter
    def _cache(self, tables: Mapping[str, Any]) -> None:
        if isinstance(tables, Tables):
            self._tables = tables
            return
        fresh = Tables(self._index, self.cache_dir)
        for name, table in tables.items():
            fresh[name] = table
        self._tables = fresh

    def _reset_cache(self) -> None:
        """Put an empty index in place of the one that is open."""
        self._index = empty_index(self.cache_dir)
        self._tables = Tables(self._index, self.cache_dir, loaded=False)

    def load_cache(
        self,
        tables_dir: str | os.PathLike[str] | None = None,
        clobber: bool = True,
        **kwargs: Any,
    ) -> datetime | None:
        """Open the newest state of the index, or that of another folder.

        Parameters
        ----------
        tables_dir : path, optional
            Folder of the index; default: as before.
        clobber : bool
            Forget changes of ``_cache`` that were not saved; otherwise they are kept.
        **kwargs
            ``tag`` is for servers, and refused.

        Returns
        -------
        datetime.datetime or None
            When it was opened; None where there is none.

        Raises
        ------
        ConfigurationError
            A tag is given.
        """
        if kwargs.pop("tag", None) is not None:
            raise ConfigurationError(
                "tables of a tag come from a server, and this is a local folder",
                hint="leave tag out; ONE(base_url=URL) connects to a server",
            )
        if kwargs:
            raise TypeError(f"load_cache() got an unexpected argument {next(iter(kwargs))!r}")
        change = None
        if not clobber and self._tables.touched and self._tables.changed:
            change = self._tables.difference(deletions=True)
        if tables_dir is not None:
            self._tables_dir = Path(tables_dir).expanduser()
        self._open()
        if change:
            apply_to(self._tables, change)
        loaded: datetime | None = self._tables["_meta"]["loaded_time"]
        return loaded

    def save_cache(
        self, save_dir: str | os.PathLike[str] | None = None, clobber: bool = False
    ) -> None:
        """Write what was changed in ``_cache`` to the index and to ONE's tables.

        Others may have written meanwhile: changes are made to what is newest then.

        Parameters
        ----------
        save_dir : path, optional
            Folder of the index; default: the one it was opened from.
        clobber : bool
            Also delete rows that were deleted here; and write even if nothing changed.

        Raises
        ------
        CatalogueError
            The folder cannot be written.
        """
        from fascicle.catalogue.store import Store

        target = Path(save_dir).expanduser() if save_dir else self._tables_dir
        elsewhere = target != self._tables_dir
        change = self._change_to_save(clobber=clobber)
        if change is None or (self._is_empty() and not clobber):
            return
        if elsewhere:
            change = everything(self._cache)
        store = Store(self.cache_dir, tables_dir=target if target != self.cache_dir else None)
        target.mkdir(parents=True, exist_ok=True)
        index = store.commit(change)
        if not elsewhere:
            meta = self._tables["_meta"]
            self._index = index
            self._tables = Tables(index, self.cache_dir)
            self._tables["_meta"]["modified_time"] = meta["modified_time"]
            self._saved()
        self._tables["_meta"]["saved_time"] = datetime.now()

    def _change_to_save(self, *, clobber: bool) -> Change | None:
        """Return what the index on disk lacks; None where that is nothing."""
        changed = self._tables.touched and self._tables.changed
        return self._tables.difference(deletions=clobber) if changed or clobber else None

    def _saved(self) -> None:
        """Take note that all is on disk."""

    def _is_empty(self) -> bool:
        return all(self._cache[name].empty for name in ("sessions", "datasets"))

    def _remove_table_files(self, tables: Any = None) -> list[Path]:
        """Delete ONE's tables from the folder, and return what was deleted."""
        names = [n for n in (tables or self._tables) if not n.startswith("_")]
        removed = []
        for name in [*(f"{n}.pqt" for n in names), "cache_info.json"]:
            path = self._tables_dir / name
            if path.exists():
                path.unlink()
                removed.append(path)
        return removed

    def save_loaded_ids(
        self, sessions_only: bool = False, clear_list: bool = True
    ) -> tuple[list[UUID], Path | None]:
        """Write the ids of what was loaded while ``record_loaded`` was on to a CSV file.

        Parameters
        ----------
        sessions_only : bool
            Ids of sessions rather than of datasets.
        clear_list : bool
            Begin anew.

        Returns
        -------
        list of uuid.UUID
            The ids, sorted.
        pathlib.Path or None
            The file, beside the tables; None where nothing was loaded.

        Raises
        ------
        CatalogueError
            The folder of the tables cannot be written.
        """
        if not self._loaded:
            warnings.warn("No datasets loaded; check that one.record_loaded is True", stacklevel=2)
            return [], None
        name = "session_uuid" if sessions_only else "dataset_uuid"
        ids = sorted(set(self._loaded.values()) if sessions_only else self._loaded)
        path = self._tables_dir / f"{datetime.now():%Y-%m-%dT%H-%M-%S}_loaded_{name}s.csv"
        try:
            path.write_text("\n".join([name, *map(str, ids)]) + "\n")
        except OSError as error:
            raise CatalogueError(
                f"{path} cannot be written: {error}",
                hint="give the object a tables_dir of your own",
            ) from error
        if clear_list:
            self._loaded.clear()
        return ids, path

    @staticmethod
    def setup(
        cache_dir: str | os.PathLike[str] | None = None,
        silent: bool = False,
        *,
        hash_files: bool = False,
        hash_ids: bool = True,
        lab: str | None = None,
        out_dir: str | os.PathLike[str] | None = None,
    ) -> One:
        """Index a folder, or bring its index up to date, and open it. Nothing is ever asked.

        Parameters
        ----------
        cache_dir : path, optional
            The folder; default: the current one.
        silent : bool
            Show no progress.
        hash_files : bool
            Record the md5 of each file, so that changed ones are noticed.
        hash_ids : bool
            Taken for the sake of programs that give it: ids are always made.
        lab : str, optional
            Lab of sessions whose folders name none.
        out_dir : path, optional
            Where the index goes, if not into the folder.

        Returns
        -------
        One
            The folder, ready to be searched.

        Raises
        ------
        CatalogueError
            The folder is not there, or cannot be written.

        Warns
        -----
        RuntimeWarning
            There is no session in the folder.
        """
        from fascicle import settings
        from fascicle.catalogue import index

        folder = Path(cache_dir).expanduser() if cache_dir else Path.cwd()
        report = index(
            folder,
            tables_dir=out_dir,
            hash_files=hash_files,
            lab=lab,
            progress=not silent and settings.show_progress(),
        )
        if not report.n_sessions:
            revisions.warn(_no_sessions(folder, report.rejected), RuntimeWarning)
        return One(folder, tables_dir=out_dir)


class _Factory:
    """Makes ONE objects, and hands out the same one again for the same arguments."""

    def __init__(self) -> None:
        self._last: tuple[dict[str, Any], One] | None = None

    def __call__(self, *, mode: str | None = None, wildcards: bool = True, **kwargs: Any) -> One:
        """Return a ONE object: of a local folder, or of a server.

        Parameters
        ----------
        mode : {'remote', 'local'}, optional
            Whether a server is asked.
        wildcards : bool
            As for `One`.
        cache_dir, tables_dir : path, optional
            A folder that no server was set up for makes a `One`.
        **kwargs
            ``base_url``, ``username``, ``password``, ``token``, ``silent``, ``cache_rest``: as for
            `OneAlyx`. With one of the first four, or without a folder, a server is connected.

        Returns
        -------
        One or OneAlyx

        Raises
        ------
        ConfigurationError
            The mode is unknown; this is a ValueError.
        """
        arguments = {"mode": mode, "wildcards": wildcards, **kwargs}
        if self._last is not None and self._last[0] == arguments:
            return self._last[1]
        one = self._made(mode, wildcards, kwargs)
        self._last = (arguments, one)
        return one

    def _made(self, mode: str | None, wildcards: bool, kwargs: dict[str, Any]) -> One:
        check_mode(mode or "remote", remote=True)
        cache_dir = kwargs.get("cache_dir")
        served = any(kwargs.get(name) is not None for name in _SERVER_ARGUMENTS)
        if not served:
            if cache_dir:
                with suppress(AssertionError):
                    params.check_cache_conflict(cache_dir)
                    return self._local(wildcards, kwargs)
            elif mode == "local" and params.get_default_client() is None:
                return self._local(wildcards, kwargs)
        from fascicle.one.alyx import OneAlyx

        return OneAlyx(mode=mode or "remote", wildcards=wildcards, **kwargs)

    def _local(self, wildcards: bool, kwargs: dict[str, Any]) -> One:
        rest = {k: v for k, v in kwargs.items() if k not in ("silent", "cache_rest")}
        rest = {k: v for k, v in rest.items() if k not in _SERVER_ARGUMENTS}
        for name in rest:
            if name not in ("cache_dir", "tables_dir"):
                raise TypeError(f"ONE() got an unexpected argument {name!r}")
        return One(wildcards=wildcards, **rest)

    def cache_clear(self) -> None:
        """Forget the object that was made last, so that the next call opens the folder anew."""
        self._last = None

    def setup(self, base_url: str | None = None, **kwargs: Any) -> params.Params:
        """Record the settings of a server; see `fascicle.one.params.setup`."""
        self.cache_clear()
        return params.setup(client=base_url, **kwargs)

    @property
    def version(self) -> str:
        """Version of fascicle."""
        return _version()

    def __repr__(self) -> str:
        return "<ONE: call it to open a folder or to connect to a server>"


ONE = _Factory()


def __getattr__(name: str) -> Any:
    if name == "OneAlyx":  # it is built on what is here
        from fascicle.one.alyx import OneAlyx

        return OneAlyx
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import version

    return version("fascicle")


def _no_sessions(folder: Path, rejected: list[tuple[str, str]]) -> str:
    """Return what to say of a folder in which the index found no session."""
    text = f"No sessions found in {folder}"
    if rejected:
        path, reason = rejected[0]
        text += f": of {len(rejected)} files, none is in one; {path}: {reason}"
    return (
        f"{text}\n  Give the folder that holds lab/Subjects/subject/yyyy-mm-dd/number, or "
        "subject/yyyy-mm-dd/number; fascicle index DIR --explain lists what is left out, and why."
    )
