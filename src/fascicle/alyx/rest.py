"""Questions by the names of endpoints and actions, as the server says that it has them."""

from __future__ import annotations

import abc
import logging
import warnings
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

from fascicle.alyx.schema import RestScheme, RestSchemeCoreApi, RestSchemeOpenApi, show
from fascicle.alyx.urls import with_filters
from fascicle.errors import ConfigurationError, HTTPError, nearest

logger = logging.getLogger(__name__)

_OF_ONE = ("read", "update", "partial_update", "delete")
#: Ids in one question: some servers take no address of more than 4,000 letters.
_AT_ONCE = 50
_SENDING = ("create", "update", "partial_update")


class RestMixin(abc.ABC):
    """Asks a server whatever it can be asked.

    Attributes
    ----------
    base_url : str
        The server.
    """

    base_url: str
    _rest_schemes: RestScheme | None = None

    @abc.abstractmethod
    def _fetch(
        self, query: str, *, data: Any = None, expires: Any = None, clobber: bool = False
    ) -> Any:
        """Return the decoded answer to a GET."""

    @abc.abstractmethod
    def get(self, rest_query: str, **kwargs: Any) -> Any:
        """Return what the server answers to a query."""

    @abc.abstractmethod
    def post(self, rest_query: str, data: Any = None, files: Any = None) -> Any:
        """Write a new record."""

    @abc.abstractmethod
    def put(self, rest_query: str, data: Any = None, files: Any = None) -> Any:
        """Write a record anew."""

    @abc.abstractmethod
    def patch(self, rest_query: str, data: Any = None, files: Any = None) -> Any:
        """Change fields of a record."""

    @abc.abstractmethod
    def delete(self, rest_query: str) -> Any:
        """Delete a record."""

    @property
    def rest_schemes(self) -> RestScheme:
        """The endpoints of the server, and what can be asked of them."""
        if self._rest_schemes is None:
            week = timedelta(weeks=1)
            try:
                self._rest_schemes = RestSchemeOpenApi(self._fetch("/api/schema", expires=week))
            except HTTPError as error:
                if error.status != 404:
                    raise
                self._rest_schemes = RestSchemeCoreApi(self._fetch("/docs", expires=week))
        return self._rest_schemes

    def list_endpoints(self) -> list[str]:
        """Print and return the names of the endpoints."""
        endpoints = self.rest_schemes.endpoints
        show(endpoints)
        return endpoints

    def print_endpoint_info(self, endpoint: str, action: str | None = None) -> None:
        """Print what can be asked of an endpoint.

        Parameters
        ----------
        endpoint : str
        action : str, optional
            One alone.
        """
        self.rest_schemes.print_endpoint_info(endpoint, action)

    def _check_endpoint(self, endpoint: str) -> None:
        known = self.rest_schemes.endpoints
        if endpoint not in known:
            listed = ", ".join(name for name in known if not name.startswith("_"))
            raise ConfigurationError(
                f'REST endpoint "{endpoint}" does not exist at {self.base_url}: there are {listed}',
                hint=nearest(endpoint, known) or "client.list_endpoints() lists them",
            )

    def rest(
        self,
        url: str | None = None,
        action: str | None = None,
        id: Any = None,
        data: Any = None,
        files: Any = None,
        no_cache: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Ask for records, or write them. What is missing is printed: endpoints, actions, fields.

        Parameters
        ----------
        url : str
            An endpoint, such as ``sessions``; possibly with filters: ``sessions?lab=mylab``.
        action : {'list', 'read', 'create', 'update', 'partial_update', 'delete'}
        id : str or UUID, or a list of these
            Id or name of one record, or its URL; of several, where they are to be listed.
        data : dict
            What is to be written.
        files : mapping
            Files to be sent along, by the name of their field.
        no_cache : bool
            Ask the server in any case.
        **kwargs
            Filters of a list; of several values all or any count, as the endpoint has it.

        Returns
        -------
        list, Pages, dict or None

        Raises
        ------
        ConfigurationError
            If there is no such endpoint or action; it is a ValueError.
        HTTPError
            If the server answers with an error.
        ServerError
            If it does not answer.
        """
        if not url:
            show(self.rest_schemes.endpoints)
            return None
        url = url.lstrip("/")
        endpoint = url.partition("?")[0].partition("/")[0]
        self._check_endpoint(endpoint)
        if "?" in url:
            action = "list"
        known = self.rest_schemes.actions(endpoint)
        if not action:
            show(known)
            self.rest_schemes.print_endpoint_info(endpoint)
            return None
        action = action.replace("-", "_")
        if action not in known:
            raise ConfigurationError(
                f'action "{action}" does not exist for the REST endpoint "{endpoint}": there are '
                f"{', '.join(known)}",
                hint=nearest(action, known),
            )
        if action in _OF_ONE and id in (None, ""):
            where = self.rest_schemes.url(endpoint, action)
            logger.warning("%s needs the id of a record: %s", action, where)
            return None
        if action in _SENDING and not data:
            show(self.rest_schemes.fields(endpoint, action))
            logger.warning("%s needs data with the fields above", action)
            return None
        caching = {"clobber": no_cache, "expires": kwargs.pop("expires", None) or no_cache or None}
        if action == "list":
            if isinstance(id, list | tuple | set | frozenset):
                return self._listed(
                    url,
                    endpoint,
                    [str(i).rstrip("/").rpartition("/")[2] for i in id],
                    kwargs,
                    caching,
                )
            return self.get(f"/{self._with_filters(url, endpoint, id, kwargs)}", **caching)
        if action == "create":
            return self.post(f"/{endpoint}", data=data, files=files)
        place = f"/{endpoint}/{_last_part(id)}"
        if action == "read":
            return self.get(place, **caching)
        if action == "delete":
            return self.delete(place)
        return (self.put if action == "update" else self.patch)(place, data=data, files=files)

    def _listed(
        self,
        url: str,
        endpoint: str,
        ids: list[str],
        filters: dict[str, Any],
        caching: dict[str, Any],
    ) -> list[Any]:
        """Return records by their ids: as many at a time as an address has room for."""
        django = filters.get("django")
        found: list[Any] = []
        for i in range(0, len(ids), _AT_ONCE):
            some = f"{f'{django},' if django else ''}pk__in,{ids[i : i + _AT_ONCE]}"
            query = self._with_filters(url, endpoint, None, {**filters, "django": some})
            found += self.get(f"/{query}", **caching)
        return found

    def _with_filters(self, url: str, endpoint: str, id: Any, filters: dict[str, Any]) -> str:
        filters = {k: v for k, v in filters.items() if k != "django" or v is not None}
        if id not in (None, ""):
            django = filters.get("django")
            filters["django"] = f"{f'{django},' if django else ''}pk,{id}"
        unknown = set(filters) - set(self.rest_schemes.field_names(endpoint, "list"))
        if unknown:
            warnings.warn(
                f"unsupported fields {sorted(unknown)} in a query of the endpoint {endpoint}: "
                f"client.print_endpoint_info({endpoint!r}, 'list') shows those that there are",
                UserWarning,
                stacklevel=3,
            )
        return with_filters(url, filters) if filters else url


def _last_part(id: Any) -> str:
    """Return the id of a record, or what follows the last slash of its URL, quoted."""
    text = str(id).rstrip("/").rpartition("/")[2]
    return quote(unquote(text) if "://" in str(id) else text, safe="")
