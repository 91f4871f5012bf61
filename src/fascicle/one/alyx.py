"""`OneAlyx`: the ONE interface on a server, an Alyx or a hub."""

from __future__ import annotations

import os
import threading
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.archives import offered
from fascicle.errors import CatalogueError, HTTPError, LoginError, TransferError
from fascicle.one.api import One
from fascicle.one.database import DatabaseMixin
from fascicle.one.fresh import Fresh
from fascicle.one.modes import check_mode
from fascicle.one.remotesearch import RemoteSearchMixin
from fascicle.one.revisions import warn
from fascicle.one.tables import Tables

if TYPE_CHECKING:
    from fascicle.alyx import AlyxClient
    from fascicle.catalogue import Catalogue, Change

__all__ = ["OneAlyx"]


class OneAlyx(RemoteSearchMixin, DatabaseMixin, One):
    """Searches and loads the recordings of a server.

    In remote mode the server is asked; what it answered is kept in the tables, which answer in
    local mode. Files are brought into ``cache_dir/lab/Subjects/…``, whole and verified.

    Parameters
    ----------
    username, password : str, optional
        Login; default: as saved, or as the environment says.
    base_url : str, optional
        Address of the server; default: the one that was set up.
    cache_dir : path, optional
        The folder for its files; default: as set up.
    mode : {'remote', 'local'}
        Whether the server or the tables answer, unless a call says otherwise.
    wildcards : bool
        Whether names are matched with ``*`` and ``?``; otherwise with regular expressions.
    tables_dir : path, optional
        Folder of the tables, where it is another one.
    token : str, optional
        In place of a password.
    silent : bool
        Print nothing.
    cache_rest : {'GET', None}
        Whether answers of the server are kept for a while.
    accept_mismatch : bool
        Load files that are not what the server's record says; by default they are kept aside.

    Attributes
    ----------
    alyx : fascicle.alyx.AlyxClient
        The client, for all that the server can be asked.
    cache_dir : pathlib.Path
    mode : str
    wildcards : bool
    accept_mismatch : bool
    record_loaded : bool
        Whether ids of loaded datasets are kept, see `save_loaded_ids`.

    Raises
    ------
    ConfigurationError
        ``mode`` is another; this is a ValueError.
    LoginError
        The server does not take the login.

    Examples
    --------
    >>> one = OneAlyx(base_url="https://alyx.mylab.org")  # doctest: +SKIP
    >>> eid = one.search(dataset="spikes.times")[0]  # doctest: +SKIP
    >>> trials = one.load_object(eid, "trials")  # doctest: +SKIP
    """

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        base_url: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        mode: str = "remote",
        wildcards: bool = True,
        tables_dir: str | os.PathLike[str] | None = None,
        *,
        token: Any = None,
        silent: bool = False,
        cache_rest: str | None = "GET",
        accept_mismatch: bool = False,
    ) -> None:
        from fascicle.alyx import AlyxClient

        check_mode(mode, remote=True)
        # In local mode nobody is asked: a name alone is for when somebody is.
        later = mode == "local" and not (password or token)
        self._web_client = AlyxClient(
            base_url,
            None if later else username,
            password,
            cache_dir=cache_dir,
            silent=silent,
            cache_rest=cache_rest,
            token=token,
            # A login that names everything is for this object alone.
            stay_logged_in=not (base_url and username and (password or token)),
        )
        if later and username:
            self._web_client.user = username
        self.accept_mismatch = accept_mismatch
        self._begin()
        super().__init__(self._web_client.cache_dir, mode, wildcards, tables_dir)

    def _begin(self) -> None:
        """Forget what a server told."""
        self._lock = threading.RLock()
        self._tag: str | None = None
        self._fresh = Fresh()
        self._unsaved = Fresh()
        self._served_before = {}
        self._buckets = {}
        self._refused = set()
        self._why = {}
        self._aggregate_urls = {}
        self._open_index: Catalogue | None = None
        self._open_tables: Tables | None = None

    def __repr__(self) -> str:
        return f"One ({'off' if self.offline else 'on'}line, {self.alyx.base_url})"

    def __reduce__(self) -> tuple[Any, ...]:
        names = ("_web_client", "accept_mismatch", "cache_dir", "_tables_dir", "mode", "wildcards")
        more = (
            "record_loaded",
            "_tag",
            "_home_tables",
            *(["uuid_filenames"] * ("uuid_filenames" in vars(self))),
        )
        return _remade, (type(self), {k: getattr(self, k) for k in (*names, *more)})

    @property
    def alyx(self) -> AlyxClient:
        """The client of the server."""
        return self._web_client

    @property
    def offline(self) -> bool:
        """Whether no server is asked: in local mode."""
        return self.mode == "local"

    # -- the tables --------------------------------------------------------------------------------

    @property
    def _index(self) -> Catalogue:
        """The index, opened when it is first looked at."""
        if self._open_index is None:
            self._open()
        assert self._open_index is not None
        return self._open_index

    @_index.setter
    def _index(self, index: Catalogue) -> None:
        self._open_index = index

    @property
    def _tables(self) -> Tables:
        if self._open_tables is None:
            self._open()
        assert self._open_tables is not None
        return self._open_tables

    @_tables.setter
    def _tables(self, tables: Tables) -> None:
        self._open_tables = tables

    @property
    def _is_open(self) -> bool:
        return self.__dict__.get("_open_tables") is not None

    @property
    def _is_silent(self) -> bool:
        return self.alyx.silent

    def _check_mode(self, mode: str) -> None:
        check_mode(mode, remote=True)

    def _is_touched(self) -> bool:
        return self._open_tables is not None and self._open_tables.touched

    def _start(self) -> None:
        if self.mode == "local":
            self._open()

    def _tell_no_tables(self) -> None:
        if self.mode == "local":
            warn(
                f"No cache tables found in {self._tables_dir}\n"
                "  one.load_cache() fetches those of the server.",
                UserWarning,
            )

    @property
    def _catalogue(self) -> Catalogue:
        self._fold()
        return super()._catalogue

    @property
    def _cache(self) -> Tables:
        """The index as pandas tables; once changed, they are the truth for this object."""
        self._fold()
        return self._tables

    @_cache.setter
    def _cache(self, tables: Any) -> None:
        One._cache.__set__(self, tables)  # type: ignore[attr-defined]

    def _fold(self) -> None:
        """Put what the server told since into the open index and tables."""
        with self._lock:
            self._fold_in()

    def _fold_in(self) -> None:
        fresh, self._fresh = self._fresh, Fresh()
        if not fresh:
            return
        touched = self._is_touched()
        if not touched and not (fresh := fresh.news(self._index)):
            return  # the tables have all of it
        from fascicle.catalogue.change import apply
        from fascicle.catalogue.memory import in_memory
        from fascicle.catalogue.restore import columns_of

        tables, change = self._tables, fresh.change()
        index = in_memory(apply(change, columns_of(self._index)), root=self.cache_dir)
        again = Tables(index, self.cache_dir)
        again["_meta"].update(tables["_meta"], modified_time=datetime.now())
        if touched and tables.changed:
            from fascicle.catalogue import frames

            merged = in_memory(apply(change, columns_of(tables.catalogue())), root=self.cache_dir)
            again["sessions"] = frames.sessions(merged)
            again["datasets"] = frames.datasets(merged)
        self._index, self._tables = index, again
        self._unsaved.update(fresh)

    def _change_to_save(self, *, clobber: bool) -> Change | None:
        self._fold()
        change = self._unsaved.change()
        if self._tables.touched and self._tables.changed:
            own = self._tables.difference(deletions=clobber)
            change.upsert_sessions = [*change.upsert_sessions, *own.upsert_sessions]
            change.upsert_datasets = [*change.upsert_datasets, *own.upsert_datasets]
            change.upsert_insertions = [*change.upsert_insertions, *own.upsert_insertions]
            change.delete_sessions = own.delete_sessions
            change.delete_datasets = own.delete_datasets
            change.delete_insertions = own.delete_insertions
            return change
        return change if self._unsaved or clobber else None

    def _saved(self) -> None:
        self._unsaved = Fresh()

    def load_cache(
        self,
        tables_dir: str | os.PathLike[str] | None = None,
        clobber: bool = False,
        tag: str | None = None,
        **kwargs: Any,
    ) -> datetime | None:
        """Fetch the tables that the server offers, unless they are here, and open them.

        With a tag, these tables answer all further searches, lists and loads that do not ask for
        ``query_type='remote'``, until this is called without a tag.

        Parameters
        ----------
        tables_dir : path, optional
            Folder of the tables; default: that of the files, and for a tag a folder in it.
        clobber : bool
            Fetch them although they are here.
        tag : str, optional
            The tag of a release.

        Returns
        -------
        datetime.datetime or None
            When they were opened; None where there are none.

        Raises
        ------
        TagNotFound
            The server has no tables for the tag; this is a ValueError.
        CatalogueError
            What arrives cannot be read.

        Warns
        -----
        RuntimeWarning
            The server cannot be reached, and older tables are used.

        Examples
        --------
        >>> one.load_cache(tag="2022_Q2_IBL_et_al_RepeatedSite")  # doctest: +SKIP
        >>> sessions = one.search()  # those of the release  # doctest: +SKIP
        >>> one.load_cache()  # everything again  # doctest: +SKIP
        """
        if kwargs:
            raise TypeError(f"load_cache() got an unexpected argument {next(iter(kwargs))!r}")
        if tables_dir:
            folder = Path(tables_dir).expanduser()
        elif tag:
            folder = self.cache_dir / _safe(tag)
        else:
            folder = self._tables_dir if self._tag is None else self._home_tables
        if not self.offline or clobber:
            self._update_tables(folder, tag, clobber=clobber)
        elif tag and offered.noted(folder).get("tag") != tag:
            raise offered.TagNotFound(
                f"tables of the tag {tag!r} are not here, and this object is in local mode",
                hint="one.mode = 'remote'",
            )
        if self._tag is None and tag:
            self._home_tables = self._tables_dir
        self._tables_dir = folder
        told, self._fresh, self._unsaved = self._fresh, self._unsaved, Fresh()
        self._fresh.update(told)
        self._tag = tag
        if tag:  # its tables stay as they are
            self._fresh = Fresh()
        self._open()
        loaded: datetime | None = self._tables["_meta"]["loaded_time"]
        return loaded

    def _update_tables(self, folder: Path, tag: str | None, *, clobber: bool) -> None:
        """Fetch newer tables, if there are any; go on with older ones if the server is silent."""
        try:
            info = offered.info_of(self.alyx, tag)
            if clobber or not offered.is_current(folder, info, self.alyx.base_url, tag):
                offered.bring(self.alyx, info, folder, tag)
        except (TransferError, HTTPError) as error:
            here = all((folder / name).is_file() for name in offered.TABLES)
            if (tag and offered.noted(folder).get("tag") != tag) or isinstance(error, LoginError):
                raise
            what = "older tables are used" if here else "there are no tables"
            message = f"tables of {self.alyx.base_url} cannot be fetched, and {what}"
            if isinstance(error, HTTPError) and error.status == 404:
                message = f"{self.alyx.base_url} offers no tables, and {what}"
            warn(f"{message}: {error.message}", RuntimeWarning)

    @staticmethod
    def setup(base_url: str | None = None, **kwargs: Any) -> OneAlyx:  # type: ignore[override]
        """Record the settings of a server, and connect to it.

        Parameters
        ----------
        base_url : str, optional
            Its address; default: the server that is the default.
        **kwargs
            As for `fascicle.one.params.setup`.

        Returns
        -------
        OneAlyx
        """
        from fascicle.one import params

        url = base_url or params.get_default_client()
        params.setup(client=url, **kwargs)
        return OneAlyx(base_url=url)


def _safe(tag: str) -> str:
    """Return the name of a tag's folder."""
    name = tag.strip().replace(os.sep, "_").replace("/", "_")
    if not name or name.startswith("."):
        raise CatalogueError(f"{tag!r} is no name of a tag")
    return name


def _remade(kind: type[OneAlyx], state: dict[str, Any]) -> OneAlyx:
    one = kind.__new__(kind)
    one._web_client = state.pop("_web_client")
    one.accept_mismatch = state.pop("accept_mismatch")
    one._begin()
    tag = state.pop("_tag")
    cache_dir, tables_dir = state.pop("cache_dir"), state.pop("_tables_dir")
    One.__init__(one, cache_dir, state.pop("mode"), state.pop("wildcards"), tables_dir)
    one._tag = tag
    one.__dict__.update(state)
    return one
