"""Metadata documents as files: JSON and YAML that people can edit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import MetadataError
from fascicle.nwb.whole import write_whole

if TYPE_CHECKING:
    from fascicle.nwb.metadata.document import SessionMetadata

_YAML = (".yaml", ".yml")
_LARGEST = 64_000_000

_HEAD = """\
# What the NWB file of this session is going to say, and which datasets feed which of its objects.
# Edit it; then convert the session with it: fascicle convert … --metadata THIS_FILE
"""
_ABOVE = {
    "source": "Where the session is.",
    "session": "start_time is what clocks of the lab showed; timezone is the lab's own, as "
    'Europe/London; experimenter: ["Last, First"].',
    "subject": "species: Mus musculus; sex: M, F, U or O; age at the session: P90D; "
    "weight: 21.3 g.",
    "probes": "Trajectories: x, y, z and depth in µm from bregma; angles in degrees.",
    "objects": "The objects of the file. on: false leaves one out, or one of its columns; "
    "descriptions and names of columns may be changed.",
}


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return ``json`` or ``yaml``, as a file's name says.

    Raises
    ------
    MetadataError
        If it says neither.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return "json"
    if suffix in _YAML:
        return "yaml"
    raise MetadataError(
        f"{os.fspath(path)}: metadata are written as JSON or YAML, and the name says neither",
        hint="let it end with .json, .yaml or .yml",
    )


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the mapping that a JSON or YAML file holds.

    Raises
    ------
    MetadataError
        If the file is not there, cannot be read, or holds no such mapping.
    """
    kind = kind_of(path)
    place = Path(path).expanduser()
    try:
        if place.stat().st_size > _LARGEST:
            raise MetadataError(f"{place}: it is too large for a metadata document")
        text = place.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(f"{place} cannot be read: {error}") from error
    return mapping_of(text, kind, str(place))


def mapping_of(text: str, kind: str, where: str) -> dict[str, Any]:
    """Return the mapping that a text holds.

    Parameters
    ----------
    text : str
    kind : {'json', 'yaml'}
    where : str
        For messages.
    """
    try:
        found = _from_json(text) if kind == "json" else _from_yaml(text)
    except (ValueError, RecursionError) as error:
        said = " ".join(str(error).split()) or "it is nested too deeply"
        raise MetadataError(f"{where} is no {kind.upper()}: {said}") from error
    if not isinstance(found, dict):
        raise MetadataError(f"{where} holds no mapping, but {type(found).__name__}")
    return found


def write_file(path: str | os.PathLike[str], metadata: SessionMetadata) -> Path:
    """Write a document in place of an earlier one; either is whole, whatever happens."""
    kind = kind_of(path)
    place = Path(path).expanduser()
    document = metadata.to_dict()
    if kind == "json":
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        text = _to_yaml(document, [str(one) for one in metadata.problems() if one.stops])
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return write_whole(place, text)
    except OSError as error:
        raise MetadataError(
            f"{place} cannot be written: {error}", hint="name a file in a folder that you may write"
        ) from error


# -- JSON ------------------------------------------------------------------------------------------


def _from_json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise ValueError(f"the field {key!r} is there twice")
            out[key] = value
        return out

    return json.loads(text, object_pairs_hook=once)


# -- YAML ------------------------------------------------------------------------------------------


def _from_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - it is a safe one
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _loader() -> Any:
    """Return a loader by the rules of YAML 1.2, which are those that people expect.

    ``on`` and ``no`` are words, days and times are text, ``10:30`` is no number. What aliases
    stand for is not repeated: no document of ours has any.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()  # type: ignore[no-untyped-call]
                raise yaml.YAMLError(f"aliases are not taken: *{event.anchor}{event.start_mark}")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.YAMLError(f"the field {key.value!r} is there twice{key.start_mark}")
                seen.add(key.value)
            return super().construct_mapping(node, deep=deep)

    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in _WORDS:
        Loader.add_implicit_resolver(tag, pattern, first)
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
    return Loader


_NUMBER = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
#: What words without quotes mean by YAML 1.2: tag, pattern, first characters.
_WORDS = [
    (f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))
    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
        ("float", _NUMBER, "-+.0123456789"),
    )
]


def _to_yaml(document: Mapping[str, Any], needed: list[str]) -> str:
    """Return a document as YAML with a comment above each section."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            return super().increase_indent(flow, False)

    def text(dumper: Any, data: str) -> Any:
        style = None
        lines = data.split("\n")
        if not all(map(str.isprintable, lines)) or (len(lines) > 1 and data != data.strip()):
            style = '"'  # the one style that escapes whatever there is
        elif len(lines) > 1:
            style = "|"
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, text)
    # Words are put in quotes that either version of YAML takes for something else.
    for tag, pattern, first in _WORDS:
        Dumper.add_implicit_resolver(tag, pattern, first)
    lines = [_HEAD]
    if needed:
        lines.append("# Still needed before a conversion:\n")
        lines += [f"#   {' '.join(one.split())}\n" for one in needed]
    for key, value in document.items():
        if key in _ABOVE:
            lines.append(f"\n# {_ABOVE[key]}\n")
        lines.append(
            yaml.dump(
                {key: value},
                Dumper=Dumper,
                sort_keys=False,
                allow_unicode=True,
                default_flow_style=False,
                width=100,
            )
        )
    return "".join(lines)
