"""A conversion's report as HTML: a fragment for notebooks, and a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from fascicle.transfer.text import size_text, time_text

if TYPE_CHECKING:
    from fascicle.nwb.report import Report

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 96rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0;
         border-bottom: 1px solid #ddd; overflow-wrap: break-word; }
td:not(:first-child) { min-width: 4rem; } details { overflow-x: auto; }
summary { cursor: pointer; font-weight: 600; margin-top: .6rem; }
.bad { color: #a40000; } .good { color: #1b6e20; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #16181c; } th, td { border-color: #3a3d44; }
  .bad { color: #ff8a80; } .good { color: #81c995; }
}
"""


def fragment(report: Report) -> str:
    """Return a report as HTML for a notebook: long lists are folded."""
    return f"<div>{_head(report)}{_body(report, opened=False)}</div>"


def page(report: Report) -> str:
    """Return a report as a page that needs nothing beside itself."""
    title = escape(report.file.rpartition("/")[2] or report.session)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"{_head(report)}{_body(report, opened=True)}</body></html>\n"
    )


def _head(report: Report) -> str:
    verdict = "good" if report.ok else "bad"
    facts = {
        "session": report.session,
        "id": report.eid,
        "archive": report.archive,
        "file": report.file,
        "size": ", ".join(f"{name} {size_text(n)}" for name, n in report.sizes.items()),
        "took": ", ".join(f"{name} {time_text(s)}" for name, s in report.seconds.items()),
        "versions": ", ".join(f"{name} {said}" for name, said in report.versions.items()),
    }
    rows = [(name, said) for name, said in facts.items() if said]
    return f'<p class="{verdict}">{escape(report.headline)}</p>{_table((), rows)}'


def _body(report: Report, *, opened: bool) -> str:
    parts = []
    if report.checks:
        rows = [
            (check.name, "ok" if check.ok else "not ok", check.said, time_text(check.seconds))
            for check in report.checks
        ]
        parts.append(_table(("check", "", "", "took"), rows))
    found = [(f.level, f.where, f.text) for f in report.findings]
    notes = {level: [n for n in report.notes if n.level == level] for level in ("warning", "info")}
    two = ("dataset", "")
    parts.append(_fold("findings", ("level", "where", ""), found, opened=True))
    problems = [(text,) for text in report.problems]
    parts.append(_fold("problems of the metadata", ("",), problems, opened=True))
    warnings = [(note.dataset, note.text) for note in notes["warning"]]
    parts.append(_fold("warnings", two, warnings, opened=True))
    parts.append(_fold("left out", two, list(report.left_out.items()), opened=opened))
    told = [(note.dataset, note.text) for note in notes["info"]]
    parts.append(_fold("worth knowing", two, told, opened=opened))
    took = [
        (one.dataset, f"/{one.place}", ", ".join(one.names), one.how, one.dtype)
        for one in report.took
    ]
    head = ("dataset", "place", "columns", "how", "type")
    parts.append(_fold("where the datasets went", head, took, opened=opened))
    others = [(path,) for path in report.others]
    parts.append(_fold("left aside, as another revision is the default", ("",), others))
    return "".join(parts)


def _fold(
    title: str, head: Sequence[str], rows: Sequence[tuple[str, ...]], *, opened: bool = False
) -> str:
    if not rows:
        return ""
    state = " open" if opened else ""
    return (
        f"<details{state}><summary>{escape(title)} ({len(rows):,})</summary>"
        f"{_table(head, rows)}</details>"
    )


def _table(head: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table>{f'<tr>{top}</tr>' if any(head) else ''}{body}</table>"
