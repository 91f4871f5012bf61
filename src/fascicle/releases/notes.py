"""What to write into a changelog about a version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fascicle.formats.manifest import Manifest
from fascicle.releases.about import About
from fascicle.releases.differences import Difference, FileChange, split_path, summary
from fascicle.releases.tables import PLACES
from fascicle.transfer.text import size_text

_LISTED = 200
_OBJECTS = 12


def write_notes(found: Difference) -> str:
    """Return the notes on a version in Markdown: what came, changed and went since another.

    Parameters
    ----------
    found : Difference
        From the older to the newer version.
    """
    return "\n".join(_lines(found)).rstrip() + "\n"


def _lines(found: Difference) -> Iterator[str]:
    first, second = found.first, found.second
    day = str(second.about.get("created", ""))[:10]
    yield f"## {second.project} {second.version}" + (f" ({day})" if day else "")
    yield ""
    sessions = found.sessions()
    counted = [
        (f"{len(sessions['created']):,} added", bool(sessions["created"])),
        (f"{len(sessions['changed']):,} changed", bool(sessions["changed"])),
        (f"{len(sessions['deleted']):,} removed", bool(sessions["deleted"])),
    ]
    words = [text for text, some in counted if some]
    about_sessions = (
        f"Sessions: {', '.join(words)}. " if words else "No session was added or removed. "
    )
    files = summary(found.data)
    since = f"Since {first.version}. " if first.data_files else "The first version. "
    yield f"{since}{about_sessions}" + (f"Files: {files}." if files else "No data changed.")
    yield ""
    yield f"In all: {_whole(second)}."
    groups = found.by_session()
    for title, kind in (
        ("Sessions added", "created"),
        ("Sessions changed", "changed"),
        ("Sessions removed", "deleted"),
    ):
        names = sessions[kind]
        if not names:
            continue
        yield from ("", f"### {title}", "")
        for name in names[:_LISTED]:
            said = _objects(groups.get(name, {}), found, name, whole=kind != "changed")
            yield f"- `{name}`: {said}"
        if len(names) > _LISTED:
            yield f"- and {len(names) - _LISTED:,} more"
    if outside := groups.get("", {}):
        changes = [change for some in outside.values() for change in some]
        yield from ("", "### Files outside of sessions", "")
        yield from _listed(changes)
    tables = set(PLACES.values())
    documents = [change for change in found.other if change.path not in tables]
    if documents:
        yield from ("", "### Documents and tables", "")
        yield from _listed(documents)
    if about := list(_about(About.of(first.about), About.of(second.about))):
        yield from ("", "### About the release", "")
        yield from about


def _whole(manifest: Manifest) -> str:
    entries = manifest.data_files.values()
    sessions = {split_path(entry.path)[0] for entry in entries} - {""}
    sizes = [entry.size for entry in entries]
    text = f"{len(sizes):,} files"
    if sessions:
        text += f" of {len(sessions):,} sessions"
    if all(size is not None for size in sizes):
        text += f", {size_text(sum(size or 0 for size in sizes))}"
    return text


def _objects(
    objects: dict[str, list[FileChange]], found: Difference, session: str, *, whole: bool
) -> str:
    """Say what happened in a session: of which objects, and how much."""
    # What was renamed into the session stands with its old place.
    moved = [
        change
        for change in found.data
        if change.new_path
        and change.session != session
        and split_path(change.new_path)[0] == session
    ]
    kinds: dict[str, list[str]] = {}
    for name, changes in objects.items():
        several = {change.kind for change in changes}
        kind = several.pop() if len(several) == 1 else "changed"
        kinds.setdefault(kind, []).append(name.removeprefix("alf/") or ".")
    words = []
    for kind in ("created", "changed", "deleted", "renamed"):
        if names := kinds.get(kind):
            shown = ", ".join(names[:_OBJECTS])
            more = f" and {len(names) - _OBJECTS} more" if len(names) > _OBJECTS else ""
            words.append(f"{shown}{more} {kind}" if len(kinds) > 1 else f"{shown}{more}")
    changes = [change for some in objects.values() for change in some]
    text = "; ".join(words)
    if changes:
        text += f" ({_much(changes)})" if whole else f": {summary(changes)}"
    if moved:
        text += f"{'; ' if text else ''}{len(moved):,} files moved here"
    return text


def _much(changes: Sequence[FileChange]) -> str:
    """Say how many files, and how large, in as few words as that takes."""
    kinds = {change.kind for change in changes}
    if len(kinds) > 1 or not kinds <= {"created", "deleted"}:
        return summary(changes)
    sizes = [c.old_size if c.kind == "deleted" else c.new_size for c in changes]
    text = f"{len(changes):,} files" if len(changes) > 1 else "1 file"
    if None in sizes:
        return text
    return f"{text}, {size_text(sum(size or 0 for size in sizes))}"


def _listed(changes: Sequence[FileChange]) -> Iterator[str]:
    for change in changes[:_LISTED]:
        to = f" to `{change.new_path}`" if change.new_path else ""
        sizes = f" ({change.sizes})" if change.sizes else ""
        yield f"- `{change.path}` {change.kind}{to}{sizes}"
    if len(changes) > _LISTED:
        yield f"- and {len(changes) - _LISTED:,} more"


def _about(old: About, new: About) -> Iterator[str]:
    a, b = old.to_dict(), new.to_dict()
    for name in sorted({*a, *b}):
        if a.get(name) == b.get(name):
            continue
        if name in ("authors", "keywords", "description"):
            yield f"- {name} changed"
        elif name not in b:
            yield f"- {name}: {a[name]} was taken back"
        else:
            before = f"{a[name]} → " if name in a else ""
            yield f"- {name}: {before}{b[name]}"
