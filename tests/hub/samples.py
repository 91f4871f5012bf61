"""The recorded exchanges with a real Alyx, and what its OpenAPI document says of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "http://127.0.0.1:8100"
FILES = "http://127.0.0.1:8101"


@dataclass(frozen=True)
class Exchange:
    """A request that was made of a real Alyx, and its answer.

    Attributes
    ----------
    name : str
        ``009.0``: the number of the recording, and which of its requests.
    """

    name: str
    method: str
    path: str  # with its query, as it was sent
    body: str | None
    authorization: str
    content_type: str
    status: int
    answer_type: str
    answer: Any

    @property
    def endpoint(self) -> str:
        return urlsplit(self.path).path.split("/")[1]


class Samples:
    """All recordings of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = sorted(folder.glob("[0-9]*.json"))

    @cached_property
    def calls(self) -> dict[str, dict[str, Any]]:
        """The recordings, by number."""
        return {f.name[:3]: json.loads(f.read_text()) for f in self.files}

    @cached_property
    def exchanges(self) -> list[Exchange]:
        """All requests for REST answers."""
        return [
            _exchange(f"{number}.{i}", x)
            for number, call in self.calls.items()
            for i, x in enumerate(call["exchanges"])
            if x["url"].startswith(HOST)
        ]

    @cached_property
    def downloads(self) -> list[str]:
        """Addresses of files that were fetched."""
        found = [x["url"] for c in self.calls.values() for x in c["exchanges"]]
        return [url for url in found if url.startswith(FILES)]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Alyx's OpenAPI document."""
        return dict(json.loads((self.folder / "openapi_schema.json").read_text()))

    @cached_property
    def parameters(self) -> dict[str, dict[str, list[str]]]:
        """For each path and method what may be asked, or sent."""
        return dict(json.loads((self.folder / "endpoints_params.json").read_text()))

    def nullable(self, exchange: Exchange) -> set[str]:
        """Return the paths of an answer that Alyx's document says may be null."""
        path = urlsplit(exchange.path).path
        for template, methods in self.schema["paths"].items():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", template.rstrip("/"))
            if re.fullmatch(pattern, path) and exchange.method.lower() in methods:
                answers = methods[exchange.method.lower()]["responses"]
                content = answers.get(str(exchange.status), {}).get("content", {})
                schema = content.get("application/json", {}).get("schema", {})
                return set(self._nullable(schema, ""))
        return set()

    def _nullable(self, schema: dict[str, Any], path: str, depth: int = 0) -> list[str]:
        if depth > 8:
            return []
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._nullable(self.schema["components"]["schemas"][name], path, depth + 1)
        found = [path] if schema.get("nullable") else []
        for part in schema.get("allOf", []) + schema.get("oneOf", []):
            found += self._nullable(part, path, depth + 1)
        for key, inner in schema.get("properties", {}).items():
            found += self._nullable(inner, f"{path}.{key}" if path else key, depth + 1)
        if "items" in schema:
            found += self._nullable(schema["items"], f"{path}[]", depth + 1)
        return found


def _exchange(name: str, x: dict[str, Any]) -> Exchange:
    sent, got = x["request_headers"], x["response_headers"]
    return Exchange(
        name=name,
        method=x["method"],
        path=x["url"].removeprefix(HOST),
        body=x["request_body"],
        authorization=sent.get("Authorization", ""),
        content_type=sent.get("Content-Type", ""),
        status=x["status"],
        answer_type=(got.get("Content-Type") or "").partition(";")[0],
        answer=x["response"],
    )
