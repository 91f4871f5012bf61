"""A session in a line, and as a notebook shows it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.nwb.session import NwbSession

_MOST = 40


def line(session: NwbSession) -> str:
    """Return a session in a line."""
    parts = [session.name]
    if not session.file.is_open:
        parts.append("not open")
    else:
        parts.append(f"NWB {session.file.version}, {size_text(session.file.size)}")
        if session.traffic.requests:
            parts.append(str(session.traffic))
    return f"<NwbSession {', '.join(parts)}>"


def page(session: NwbSession) -> str:
    """Return a session as HTML: about it, its tables, its series, what was read for that."""
    if not session.file.is_open:
        return f"<div>{escape(line(session))}</div>"
    about = _try(lambda: session.metadata)
    subject = _try(lambda: session.subject)
    parts = [f"<div><b>{escape(session.name)}</b> · NWB {escape(session.file.version)}"]
    if isinstance(about, dict):
        said = [about.get(key) for key in ("session_description", "session_start_time", "lab")]
        parts.append("<br>" + " · ".join(escape(_short(value)) for value in said if value))
    if isinstance(subject, dict) and subject:
        parts.append("<br>" + _pairs(subject))
    parts.append(_list("tables", _try(lambda: _tables(session))))
    parts.append(_list("time series", _try(lambda: [repr(s) for s in _series(session)])))
    parts.append(_list("images", _try(lambda: list(session.images))))
    if isinstance(about, dict):
        parts.append(f"<details><summary>metadata</summary>{_pairs(about)}</details>")
    parts.append(f"{size_text(session.file.size)}")
    if session.traffic.requests:
        parts.append(f" · {escape(str(session.traffic))}")
    return "".join([*parts, "</div>"])


def _tables(session: NwbSession) -> list[str]:
    file = session.file
    found = []
    known = ["/units", "/general/extracellular_ephys/electrodes"]
    for path in [p for p in known if file.has(p)] + session.intervals.paths:
        n = file.facts(f"{path}/id").shape[0]
        ragged = file.ragged_columns(path)
        more = f"; ragged: {', '.join(ragged)}" if ragged else ""
        found.append(f"{path}: {n:,} rows, {len(file.columns(path))} columns{more}")
    return found


def _series(session: NwbSession) -> list[Any]:
    return [session.series[path] for path in session.series.paths[:_MOST]]


def _try(read: Callable[[], Any]) -> Any:
    """Return what can be read, or what is wrong with it: a page shows all the rest."""
    try:
        return read()
    except FascicleError as error:
        return f"{error.message}"


def _list(title: str, items: Any) -> str:
    if isinstance(items, str):
        return f"<div>{title}: <i>{escape(items)}</i></div>"
    if not items:
        return ""
    rows = "".join(f"<li>{escape(item)}</li>" for item in items[:_MOST])
    return f"<details><summary>{title} ({len(items)})</summary><ul>{rows}</ul></details>"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{escape(str(k))}: {escape(_short(v))}" for k, v in values.items())


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 80 else f"{text[:80]}…"
