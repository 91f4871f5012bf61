"""What a server has to say beside its answer: notices, and what it will soon no longer do."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

logger = logging.getLogger("fascicle.alyx")


class Notices:
    """Tells each notice of a server once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, headers: Mapping[str, str], path: str) -> None:
        """Tell what the headers of an answer say."""
        notice = headers.get("alyx-api-notice")
        if notice and notice not in self._told:
            self._told.add(notice)
            if notice.startswith("!!!"):
                warnings.warn(notice[3:].strip(), RuntimeWarning, stacklevel=4)
            else:
                logger.info("the server says: %s", notice)
        end, gone = headers.get("deprecation"), headers.get("sunset")
        if not (end or gone):
            return
        parts = []
        if end:
            parts.append(f"it is not to be used any more{_when(end)}")
        if gone:
            parts.append(f"it goes away{_when(gone)}")
        link = headers.get("link")
        text = f"{path}: {', and '.join(parts)}{f'; see {link}' if link else ''}"
        if text not in self._told:
            self._told.add(text)
            logger.warning("%s", text)


def _when(text: str) -> str:
    """Return the date of a header in words, an empty string if it is none."""
    text = text.strip()
    try:
        if text.startswith("@"):
            day = datetime.fromtimestamp(int(text[1:]), tz=UTC)
        else:
            day = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, OSError):
        return ""
    return f" since {day:%Y-%m-%d}" if day <= datetime.now(day.tzinfo) else f" on {day:%Y-%m-%d}"
