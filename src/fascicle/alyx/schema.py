"""What a server says of itself: its endpoints, what can be done there, and with which fields."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from pprint import pprint
from typing import Any, ClassVar

_METHODS = {
    "list": "get",
    "read": "get",
    "create": "post",
    "update": "put",
    "partial_update": "patch",
    "delete": "delete",
}


class RestScheme(abc.ABC):
    """The endpoints of a server.

    Parameters
    ----------
    rest_scheme : dict
        The document that the server gives, decoded.
    """

    #: Names that are no endpoints, or none to be used by hand.
    EXCLUDE: ClassVar[tuple[str, ...]] = ("_type", "_meta", "", "auth-token", "api")
    #: The kind of document.
    backend: ClassVar[str] = ""

    def __init__(self, rest_scheme: dict[str, Any]) -> None:
        self._rest_scheme = rest_scheme

    @property
    @abc.abstractmethod
    def endpoints(self) -> list[str]:
        """The names of the endpoints, sorted."""

    @abc.abstractmethod
    def _actions(self, endpoint: str) -> Iterable[str]:
        """Return what can be done at an endpoint."""

    @abc.abstractmethod
    def _url(self, endpoint: str, action: str) -> str:
        """Return the address of an action."""

    @abc.abstractmethod
    def _fields(self, endpoint: str, action: str) -> list[dict[str, Any]]:
        """Return the parameters and fields of an action."""

    @abc.abstractmethod
    def _info(self, endpoint: str, action: str) -> list[str]:
        """Return lines that tell of an action."""

    def actions(self, endpoint: str, *args: object) -> list[str]:
        """Return what can be done at an endpoint, sorted; nothing, and say so, if it is none.

        Parameters
        ----------
        endpoint : str
        """
        return sorted(self._actions(endpoint)) if self._is_known(endpoint) else []

    def url(self, endpoint: str, action: str) -> str:
        """Return the address of an action, such as ``/sessions/{id}``.

        Parameters
        ----------
        endpoint, action : str
        """
        return self._url(endpoint, action) if self._is_known(endpoint, action) else ""

    def fields(self, endpoint: str, action: str) -> list[dict[str, Any]]:
        """Return the parameters and fields of an action, each with its ``name``.

        Parameters
        ----------
        endpoint, action : str
        """
        return self._fields(endpoint, action) if self._is_known(endpoint, action) else []

    def field_names(self, endpoint: str, action: str) -> list[str]:
        """Return the names of the parameters and fields of an action.

        Parameters
        ----------
        endpoint, action : str
        """
        return [field["name"] for field in self.fields(endpoint, action)]

    def print_endpoint_info(self, endpoint: str, action: str | None = None) -> None:
        """Print what can be done at an endpoint, and with which fields.

        Parameters
        ----------
        endpoint : str
        action : str, optional
            One alone.
        """
        if self._is_known(endpoint, action):
            for name in self._actions(endpoint) if action is None else [action]:
                print("\n".join(self._info(endpoint, name)))

    def _is_known(self, endpoint: str, action: str | None = None) -> bool:
        if endpoint not in self.endpoints:
            print(f'Endpoint "{endpoint}" does not exist')
            return False
        known = sorted(self._actions(endpoint))
        if action is not None and action not in known:
            print(f'Endpoint "{endpoint}" has no action "{action}", but {", ".join(known)}')
            return False
        return True


class RestSchemeCoreApi(RestScheme):
    """The endpoints of an older server, which describes them in the CoreAPI form (``/docs``)."""

    backend = "core_api"

    @property
    def endpoints(self) -> list[str]:
        """The names of the endpoints, sorted."""
        return sorted(name for name in self._rest_scheme if name not in self.EXCLUDE)

    def _actions(self, endpoint: str) -> Iterable[str]:
        return (name for name in self._rest_scheme[endpoint] if name not in self.EXCLUDE)

    def _url(self, endpoint: str, action: str) -> str:
        return str(self._rest_scheme[endpoint][action].get("url", ""))

    def _fields(self, endpoint: str, action: str) -> list[dict[str, Any]]:
        return list(self._rest_scheme[endpoint][action].get("fields", []))

    def _info(self, endpoint: str, action: str) -> list[str]:
        lines = []
        for field in self._fields(endpoint, action):
            about = field.get("schema", {})
            needed = bool(field.get("required"))
            text = f'\t"{field["name"]}"{" (required)" if needed else ""}: '
            text += f"{about.get('_type', '')}, {about.get('description', '')}"
            lines.append((not needed, text))
        return [repr(action), *(text for _, text in sorted(lines))]


class RestSchemeOpenApi(RestScheme):
    """The endpoints of a server that describes them in the OpenAPI form (``/api/schema``)."""

    backend = "open_api_v3"

    @property
    def endpoints(self) -> list[str]:
        """The names of the endpoints, sorted."""
        names = {path.split("/")[1] for path in self._rest_scheme["paths"] if path[:1] == "/"}
        return sorted(names.difference(self.EXCLUDE))

    def _paths(self, endpoint: str) -> list[str]:
        own = f"/{endpoint}"
        return [p for p in self._rest_scheme["paths"] if p == own or p.startswith(f"{own}/")]

    def _actions(self, endpoint: str) -> Iterable[str]:
        known = self._rest_scheme["paths"]
        names = {method: name for name, method in _METHODS.items() if method != "get"}
        found: dict[str, None] = {}
        for path in self._paths(endpoint):
            for method in known[path]:
                if method == "get":
                    found["read" if "{" in path else "list"] = None
                elif method in names:
                    found[names[method]] = None
        return found

    def _find(self, endpoint: str, action: str) -> tuple[str, dict[str, Any]]:
        """Return the path of an action and what is said of it."""
        of_one = action not in ("list", "create")
        method = _METHODS[action]
        # Whatever the order in the document, one record is read from an address with its id.
        for path in sorted(self._paths(endpoint), key=lambda p: ("{" in p) != of_one):
            operation = self._rest_scheme["paths"][path].get(method)
            if operation is not None:
                return path, operation
        return "", {}

    def _body(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Return the fields that are sent."""
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if schema.get("type") == "array":
            schema = schema.get("items", {})
        if "$ref" in schema:
            schema = self._rest_scheme["components"]["schemas"][schema["$ref"].split("/")[-1]]
        fields: dict[str, Any] = schema.get("properties", {})
        return fields

    def _url(self, endpoint: str, action: str) -> str:
        return self._find(endpoint, action)[0]

    def _fields(self, endpoint: str, action: str) -> list[dict[str, Any]]:
        operation = self._find(endpoint, action)[1]
        fields = self._body(operation).items()
        sent = [{"name": name, "schema": about} for name, about in fields]
        return [*operation.get("parameters", []), *sent]

    def _info(self, endpoint: str, action: str) -> list[str]:
        operation = self._find(endpoint, action)[1]
        return [
            action,
            *(f"\t{field['name']}" for field in operation.get("parameters", [])),
            *(
                f"\t{name}: ({about.get('type', '')}), {about.get('description', '')}"
                for name, about in self._body(operation).items()
            ),
        ]


def show(thing: object) -> None:
    """Print a list or dictionary so that it can be read."""
    pprint(thing)
