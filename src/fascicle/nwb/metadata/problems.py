"""What is missing or wrong in a metadata document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about one field.

    Attributes
    ----------
    field : str
        As ``subject.age`` or ``objects[3].items[0].dtype``.
    text : str
        What is the matter.
    hint : str
        What to write.
    severity : str
        ``error``: it cannot be as it is; ``ask``: it is needed, and nobody has said it yet. A
        conversion waits for these two. ``advice``: a better file would have it.
    """

    field: str
    text: str
    hint: str = ""
    severity: str = "error"

    @property
    def stops(self) -> bool:
        """Whether there is no conversion before it is mended."""
        return self.severity != "advice"

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" + (f", {self.hint}" if self.hint else "")
