"""A dictionary whose items are attributes too: what ONE hands out for records."""

from __future__ import annotations

from typing import Any


class Bunch(dict[str, Any]):
    """A dictionary whose items can be read and set as attributes.

    Examples
    --------
    >>> ref = Bunch(subject="flowers", sequence=1)
    >>> ref.subject
    'flowers'
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"no item {name!r}: there are {', '.join(map(str, self))}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(
                f"no item {name!r}: there are {', '.join(map(str, self))}"
            ) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(k for k in self if isinstance(k, str) and k.isidentifier())]

    def copy(self) -> Bunch:
        """Return a shallow copy."""
        return type(self)(self)
