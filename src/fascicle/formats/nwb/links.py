"""From paths to objects of an HDF5 file: no link leads out of it, and no cycle holds up a walk."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, NwbObjectNotFound, nearest
from fascicle.formats.nwb.guard import HARM, Trouble, harmed, reading

if TYPE_CHECKING:
    import h5py

_MOST_LINKS = 16  # soft links one after another
_MOST_DEEP = 64
_MOST_OBJECTS = 1_000_000
#: Where references mostly lead, before the whole file is looked through.
_LIKELY = ("/general/extracellular_ephys", "/general/devices", "/acquisition", "/stimulus", "/")


@functools.lru_cache(maxsize=4096)
def clean(path: str) -> str:
    """Return a path from the root on, without a slash at its end."""
    return "/" + "/".join(part for part in path.split("/") if part and part != ".")


class Tree:
    """The objects of one open file by their paths.

    Parameters
    ----------
    h5 : h5py.File
    name : str
        Of the file, for messages.
    trouble : Trouble
    """

    def __init__(self, h5: h5py.File, name: str, trouble: Trouble) -> None:
        self._root = h5.id
        self._name = name
        self._trouble = trouble
        self._groups: dict[str, Any] = {}
        self._members: dict[str, list[str]] = {}
        self._paths: dict[int, str] = {}
        self._seen: set[int] = set()
        self._queue: deque[str] = deque()

    def open(self, path: str, plan: Any = None) -> Any:
        """Return the low-level object at a path.

        Parameters
        ----------
        path : str
        plan : h5py.h5p.PropDAID, optional
            How to access it, if it is a dataset.

        Raises
        ------
        NwbObjectNotFound
            If there is none.
        BadFileError
            If it cannot be opened, or a link on the way leads nowhere or out of the file.
        """
        return self._open(clean(path), 0, plan)

    def has(self, path: str) -> bool:
        """Return whether there is something at a path; links that lead nowhere are nothing."""
        try:
            self.open(path)
        except NwbObjectNotFound:
            return False
        return True

    def members(self, path: str) -> list[str]:
        """Return the names in a group."""
        path = clean(path)
        if path not in self._members:
            group = self._group(path, 0)
            with reading(self._name, path, trouble=self._trouble):
                self._members[path] = [_text(name) for name in group]
        return self._members[path]

    def addresses(self, path: str, names: list[str]) -> list[int]:
        """Return where in the file the headers of some objects of a group are."""
        import h5py

        known = set(self.members(path))
        links = [self._link(f"{path}/{name}") for name in names if name in known]
        return [where for kind, where in links if kind == h5py.h5l.TYPE_HARD]

    def walk(
        self, under: str = "/", *, into: Callable[[str], bool] | None = None
    ) -> Iterator[tuple[str, Any]]:
        """Yield all objects below a path, groups before what is in them, each once.

        Links out of the file, and those that lead nowhere, are passed over.

        Parameters
        ----------
        under : str
        into : callable, optional
            Returns whether to look into a group.

        Raises
        ------
        BadFileError
            If an object is harmed, or groups lie deeper in one another than any program does.
        """
        import h5py

        under = clean(under)
        seen = {self._address(self._group(under, 0), under)}
        stack, later = [under], deque[str]()  # soft links later: the object's own place is first
        while stack or later:
            path = stack.pop() if stack else later.popleft()
            if path != under:
                found = self._found(path)
                address = None if found is None else self._address(found, path)
                if address is None or address in seen:
                    continue
                seen.add(address)
                if len(seen) > _MOST_OBJECTS:
                    raise BadFileError(f"{self._name} has more than {_MOST_OBJECTS:,} objects")
                yield path, found
                if not isinstance(found, h5py.h5g.GroupID) or (into and not into(path)):
                    continue
            if path.count("/") > _MOST_DEEP:
                raise BadFileError(
                    f"{self._name}: groups lie more than {_MOST_DEEP} deep in {path[:100]}…"
                )
            for name in reversed(self.members(path)):
                inner = f"{path.rstrip('/')}/{name}"
                kind, _ = self._link(inner)
                if kind == h5py.h5l.TYPE_HARD:
                    stack.append(inner)
                elif kind == h5py.h5l.TYPE_SOFT:
                    later.append(inner)

    def _found(self, path: str) -> Any:
        """Return the object at a path, None if it is a link to nothing."""
        try:
            return self.open(path)
        except NwbObjectNotFound:
            return None

    def target(self, reference: Any, path: str) -> str | None:
        """Return the path that an object reference leads to, None for one that is empty.

        Parameters
        ----------
        reference : h5py.Reference
        path : str
            Where it stands, for messages.

        Raises
        ------
        BadFileError
            If it leads nowhere.
        """
        import h5py

        if not reference:
            return None
        try:
            address = self._address(h5py.h5r.dereference(reference, self._root), path)
            found = self._paths.get(address) or self._search(address)
        except BadFileError:
            raise
        except HARM as error:
            raise self._lost(path) from error
        if found is None:
            raise self._lost(path)
        return found

    def _lost(self, path: str) -> BadFileError:
        below = self._trouble.take()
        if isinstance(below, BaseException):
            return harmed(self._name, path, below)
        return BadFileError(
            f"{self._name}: a reference in {path} leads to no object of the file",
            hint="the file may be damaged: get it again",
        )

    def _search(self, address: int) -> str | None:
        """Look through the groups of the file, likely ones first, until an address is found."""
        if not self._seen:
            self._queue.extend(path for path in _LIKELY if self.has(path))
            self._seen.add(-1)
        while self._queue:
            group = self._queue.popleft()
            try:
                here = self._address(self._group(group, 0), group)
            except NwbObjectNotFound:
                continue
            if here in self._seen:
                continue
            self._seen.add(here)
            self._paths.setdefault(here, group)
            self._note(group)
            if address in self._paths:
                return self._paths[address]
        return None

    def _note(self, group: str) -> None:
        import h5py

        for name in self.members(group):
            path = f"{group.rstrip('/')}/{name}"
            kind, value = self._link(path)
            if kind != h5py.h5l.TYPE_HARD:
                continue
            self._paths.setdefault(value, path)
            if path != "/specifications" and path.count("/") <= _MOST_DEEP:
                with reading(self._name, path, trouble=self._trouble):
                    parent = self._group(group, 0)
                    info = h5py.h5o.get_info(parent, name.encode())
                if info.type == h5py.h5o.TYPE_GROUP:
                    self._queue.append(path)

    def _address(self, found: Any, path: str) -> int:
        import h5py

        with reading(self._name, path, trouble=self._trouble):
            return int(h5py.h5o.get_info(found).addr)

    def _group(self, path: str, depth: int) -> Any:
        import h5py

        if path == "/":
            return self._root_group()
        found = self._groups.get(path)
        if found is None:
            found = self._open(path, depth)
            if not isinstance(found, h5py.h5g.GroupID):
                raise BadFileError(f"{self._name}: {path} is no group")
            self._groups[path] = found
        return found

    def _root_group(self) -> Any:
        import h5py

        found = self._groups.get("/")
        if found is None:
            with reading(self._name, "/", trouble=self._trouble):
                found = self._groups["/"] = h5py.h5g.open(self._root, b"/")
        return found

    def _link(self, path: str) -> tuple[int, Any]:
        """Return the type of a link, and where it leads."""
        import h5py

        parent, _, name = path.rpartition("/")
        group = self._group(parent or "/", 0)
        with reading(self._name, path, trouble=self._trouble):
            info = group.links.get_info(name.encode("utf-8", "surrogateescape"))
            if info.type == h5py.h5l.TYPE_HARD:
                return info.type, int(info.u)
            return info.type, group.links.get_val(name.encode("utf-8", "surrogateescape"))

    def _open(self, path: str, depth: int, plan: Any = None) -> Any:
        import h5py

        if path == "/":
            return self._root_group()
        if depth > _MOST_LINKS:
            raise NwbObjectNotFound(f"{self._name}: links at {path} lead on and on")
        parent, _, name = path.rpartition("/")
        raw = name.encode("utf-8", "surrogateescape")
        group = self._parent(parent or "/", path, depth)
        with reading(self._name, path, trouble=self._trouble):
            try:
                info = group.links.get_info(raw)
            except (KeyError, RuntimeError):
                if group.links.exists(raw):
                    raise
                info = None
            if info is not None and info.type == h5py.h5l.TYPE_HARD:
                if plan is not None:
                    return h5py.h5d.open(group, raw, plan)
                return h5py.h5o.open(group, raw)
            value = None if info is None else group.links.get_val(raw)
        if info is None:
            raise self._missing(path)
        if info.type != h5py.h5l.TYPE_SOFT:
            raise BadFileError(
                f"{self._name}: {path} lies in another file, {_shown(value)}",
                hint="open that file itself: links out of a file are not followed",
            )
        target = _text(value)
        whole = clean(target if target.startswith("/") else f"{parent}/{target}")
        try:
            return self._open(whole, depth + 1, plan)
        except NwbObjectNotFound as error:
            raise NwbObjectNotFound(
                f"{self._name}: {path} is a link to {whole}, which is not there"
            ) from error

    def _parent(self, parent: str, path: str, depth: int) -> Any:
        try:
            return self._group(parent, depth)
        except NwbObjectNotFound as error:
            raise NwbObjectNotFound(
                f"{self._name} has no {path}: {error.message}", hint=error.hint
            ) from error

    def _missing(self, path: str) -> NwbObjectNotFound:
        parent, _, name = path.rpartition("/")
        known = self.members(parent or "/")
        near = nearest(name, known)
        listed = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
        return NwbObjectNotFound(
            f"{self._name} has no {path}",
            hint=near or (f"{parent or '/'} has {listed}" if known else f"{parent} is empty"),
        )


def _text(name: Any) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)


def _shown(value: Any) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return " at ".join(_text(part)[:200] for part in parts)
