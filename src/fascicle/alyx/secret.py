"""Passwords and tokens that do not show where values are shown."""

from __future__ import annotations

from typing import Any

_HIDDEN = "<hidden>"


class Secret(str):
    """Text that goes over the wire and into a file, and shows as ``<hidden>`` everywhere else.

    Libraries that encode text get the text itself; whatever prints, formats or logs it does not.

    Examples
    --------
    >>> token = Secret("c0ffee")
    >>> token
    <hidden>
    >>> f"Token {token}"
    'Token <hidden>'
    >>> token.reveal()
    'c0ffee'
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Secret:
        """Make a secret of text, or of a secret."""
        return super().__new__(cls, text.reveal() if isinstance(text, Secret) else text)

    @classmethod
    def of(cls, text: str | None) -> Secret | None:
        """Return text as a secret, None and empty text as None."""
        return cls(text) if text else None

    def reveal(self) -> str:
        """Return the text."""
        return "".join(self)

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)

    def __rmod__(self, other: Any) -> Any:
        return other % _HIDDEN if isinstance(other, str) else NotImplemented

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written to files or sent to processes by pickle")


def joined(*parts: str) -> Secret:
    """Return texts and secrets as one secret."""
    return Secret("".join(p.reveal() if isinstance(p, Secret) else p for p in parts))
