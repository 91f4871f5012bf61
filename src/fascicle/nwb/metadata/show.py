"""How a metadata document shows in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from fascicle.nwb.metadata.gathering import is_said

if TYPE_CHECKING:
    from fascicle.nwb.metadata.document import SessionMetadata

_COLOURS = {"error": "#b00020", "ask": "#b35900", "advice": "#555"}


def html_of(metadata: SessionMetadata) -> str:
    """Return a document as HTML: what is missing, the facts, the objects."""
    parts = [f"<div><b>Metadata</b> of <code>{escape(metadata.label)}</code>"]
    problems = metadata.problems()
    if problems:
        rows = "".join(
            f'<li style="color:{_COLOURS[one.severity]}">{one.severity}: '
            f"<code>{escape(one.field)}</code> {escape(one.text)}"
            + (f", {escape(one.hint)}" if one.hint else "")
            + "</li>"
            for one in problems
        )
        parts.append(f"<ul>{rows}</ul>")
    for name in ("session", "subject"):
        parts.append(f"<details><summary>{name}</summary>{_table(metadata[name])}</details>")
    for probe in metadata.probes:
        label = escape(str(probe.get("label")))
        parts.append(f"<details><summary>{label}</summary>{_table(probe)}</details>")
    rows = "".join(
        f"<tr><td><code>{escape(entry.nwb)}</code></td><td>{escape(entry.type)}</td>"
        f"<td>{'' if entry.on else 'off'}</td>"
        f"<td>{escape(', '.join(dict.fromkeys(item.source for item in entry.wanted)))}</td></tr>"
        for entry in metadata.objects
    )
    head = "<tr><th>NWB object</th><th>type</th><th></th><th>from</th></tr>"
    parts.append(
        f"<details><summary>{len(metadata.objects)} objects</summary>"
        f"<table>{head}{rows}</table></details></div>"
    )
    return "".join(parts)


def _table(section: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(key))}</td><td>{escape(_short(value))}</td></tr>"
        for key, value in section.items()
        if is_said(value)
    )
    return f"<table>{rows}</table>"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
