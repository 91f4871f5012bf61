"""What a path knows of its file's name, and how to change it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import PurePath
from typing import Literal, Self, overload
from uuid import UUID

from .names import NameParts, name_problem, parse_name
from .parts import Parts, Values, add_uuid_string, filename_parts, invalid, remove_uuid_string
from .spec import is_valid


class NameMethods(PurePath):
    """The half of :class:`fascicle.alf.PureALFPath` that is about the name of a file."""

    def is_dataset(self) -> bool:
        """Return whether the last step is a valid file name."""
        return is_valid(self.name)

    @overload
    def parse_alf_name(self, as_dict: Literal[True] = ...) -> Parts: ...
    @overload
    def parse_alf_name(self, as_dict: Literal[False]) -> Values: ...
    def parse_alf_name(self, as_dict: bool = True) -> Parts | Values:
        """Return the six parts of the file's name, None where absent.

        Parameters
        ----------
        as_dict : bool
            Whether to name the parts.

        Returns
        -------
        dict of str to str, or tuple of str
            Namespace, object, attribute, timescale, extra and extension.
        """
        parts = filename_parts(self.name, True, assert_valid=False)
        return parts if as_dict else tuple(parts.values())

    @cached_property
    def dataset_name_parts(self) -> tuple[str, ...]:
        """The six parts of the file's name, '' where absent."""
        return tuple(parse_name(self.name) or ("",) * 6)

    @property
    def namespace(self) -> str:
        """str: the namespace, without its underscores."""
        return self.dataset_name_parts[0]

    @property
    def object(self) -> str:
        """str: what the file is about."""
        return self.dataset_name_parts[1]

    @property
    def attribute(self) -> str:
        """str: which property of the object the file holds."""
        return self.dataset_name_parts[2]

    @property
    def timescale(self) -> str:
        """str: the clock of the times."""
        return self.dataset_name_parts[3]

    @property
    def extra(self) -> str:
        """str: the parts before the extension, separated by periods."""
        return self.dataset_name_parts[4]

    def with_object(self, obj: str) -> Self:
        """Return the path with another object.

        Parameters
        ----------
        obj : str
            Letters and digits.

        Raises
        ------
        ALFInvalid
            The file's name, or the new one, is not valid.
        """
        return self._with_name_parts(object=obj)

    def with_namespace(self, ns: str | None) -> Self:
        """Return the path with another namespace, or none.

        Parameters
        ----------
        ns : str or None
            Letters and digits; nothing for none.

        Raises
        ------
        ALFInvalid
            The file's name, or the new one, is not valid.
        """
        return self._with_name_parts(namespace=ns or "")

    def with_attribute(self, attr: str) -> Self:
        """Return the path with another attribute.

        Parameters
        ----------
        attr : str
            Letters and digits, with ``_times`` or ``_intervals`` at most.

        Raises
        ------
        ALFInvalid
            The file's name, or the new one, is not valid.
        """
        return self._with_name_parts(attribute=attr)

    def with_timescale(self, timescale: str | None) -> Self:
        """Return the path with another timescale, or none.

        Parameters
        ----------
        timescale : str or None
            Letters, digits and ``_``; nothing for none.

        Raises
        ------
        ALFInvalid
            The file's name, or the new one, is not valid.
        """
        return self._with_name_parts(timescale=timescale or "")

    def with_extra(self, extra: str | Iterable[str] | None, append: bool = False) -> Self:
        """Return the path with other extra parts, or none.

        Parameters
        ----------
        extra : str or iterable of str
            The parts; a string may hold several, separated by periods.
        append : bool
            Whether to keep the parts that are there and put the new ones after them.

        Raises
        ------
        ALFInvalid
            The file's name, or the new one, is not valid.
        """
        new = [extra.strip(".")] if isinstance(extra, str) else list(extra or ())
        kept = [self.extra] if append else []
        return self._with_name_parts(extra=".".join(filter(None, kept + new)))

    def with_extension(self, ext: str) -> Self:
        """Return the path with another extension, given without its period.

        Parameters
        ----------
        ext : str
            Letters, digits and ``_``.

        Raises
        ------
        ValueError
            The extension is not valid.
        ALFInvalid
            The file's name is not valid.
        """
        check("extension", ext, r"\w+")
        return self._with_name_parts(extension=ext)

    def with_uuid(self, uuid: str | UUID, strict: bool = False) -> Self:
        """Return the path with a UUID before its extension.

        Parameters
        ----------
        uuid : str or UUID
            The UUID; another that is there is replaced.
        strict : bool
            Whether to raise rather than replace.

        Raises
        ------
        ValueError
            ``uuid`` is no UUID in its usual form, or another is there and ``strict`` is true.
        ALFInvalid
            The file's name is not valid.
        """
        self._name_parts()
        return add_uuid_string(self, uuid, strict=strict)  # type: ignore[no-any-return]

    def without_uuid(self) -> Self:
        """Return the path without a UUID in its name."""
        return remove_uuid_string(self) if self.is_dataset() else self

    def _name_parts(self) -> NameParts:
        parts = parse_name(self.name) if self.is_dataset() else None
        if parts is None:
            raise invalid(self, name_problem(self.name) or "it is a folder")
        return parts

    def _with_name_parts(self, **new: str) -> Self:
        parts = self._name_parts()._replace(**new)
        name = "".join(
            [
                f"_{parts.namespace}_" if parts.namespace else "",
                f"{parts.object}.{parts.attribute}",
                f"_{parts.timescale}" if parts.timescale else "",
                f".{parts.extra}" if parts.extra else "",
                f".{parts.extension}",
            ]
        )
        if problem := name_problem(name):
            raise invalid(name, problem)
        return self.with_name(name)


def check(part: str, text: object, pattern: str) -> None:
    """Raise a ValueError where a text is not what a part of a path may be."""
    if not (isinstance(text, str) and re.fullmatch(pattern, text)):
        raise ValueError(f"Invalid {part} name: {text!r}")
