"""Fields of records that hold JSON: written whole, or changed in part."""

from __future__ import annotations

import logging
from typing import Any

from fascicle.alyx.rest import RestMixin

logger = logging.getLogger(__name__)


class FieldsMixin(RestMixin):
    """Changes what is in the JSON fields of records."""

    def json_field_write(
        self, endpoint: str, uuid: Any, field_name: str, data: dict[str, Any] | None = None
    ) -> Any:
        """Write a field; what was in it is gone.

        Parameters
        ----------
        endpoint : str
            Such as ``sessions``.
        uuid : str or UUID
            Id or name of the record.
        field_name : str
            Such as ``extended_qc``.
        data : dict
            What is to be in it.

        Returns
        -------
        dict
            What is in it now.
        """
        self._check_endpoint(endpoint)
        return self.rest(endpoint, "partial_update", id=uuid, data={field_name: data})[field_name]

    def json_field_update(
        self,
        endpoint: str,
        uuid: Any,
        field_name: str = "json",
        data: dict[str, Any] | None = None,
    ) -> Any:
        """Add items to a field, or change them; all others stay.

        Parameters
        ----------
        endpoint : str
        uuid : str or UUID
        field_name : str
        data : dict
            The items.

        Returns
        -------
        dict
            What is in the field now; if that is no dictionary, it stays as it is.
        """
        current = self._current(endpoint, uuid, field_name)
        if not isinstance(current, dict | None):
            logger.warning("%s of %s %s is no dictionary: it stays", field_name, endpoint, uuid)
            return current
        changed = {**(current or {}), **(data or {})}
        return self.json_field_write(endpoint, uuid, field_name, changed)

    def json_field_remove_key(
        self, endpoint: str, uuid: Any, field_name: str = "json", key: str | None = None
    ) -> Any:
        """Take one item out of a field.

        Parameters
        ----------
        endpoint : str
        uuid : str or UUID
        field_name : str
        key : str
            The item.

        Returns
        -------
        dict or None
            What is in the field now.
        """
        current = self._current(endpoint, uuid, field_name)
        if current is None:
            return None
        if not isinstance(current, dict):
            logger.warning("%s of %s %s is no dictionary: it stays", field_name, endpoint, uuid)
            return None
        if key not in current:
            logger.warning("%s of %s %s has no item %r", field_name, endpoint, uuid, key)
            return current
        left = {k: v for k, v in current.items() if k != key}
        return self.json_field_write(endpoint, uuid, field_name, left)

    def json_field_delete(self, endpoint: str, uuid: Any, field_name: str) -> Any:
        """Empty a field.

        Parameters
        ----------
        endpoint : str
        uuid : str or UUID
        field_name : str

        Returns
        -------
        None
            What is in it now.
        """
        return self.json_field_write(endpoint, uuid, field_name, None)

    def _current(self, endpoint: str, uuid: Any, field_name: str) -> Any:
        """Return what is in a field now, not what was there when somebody last asked."""
        self._check_endpoint(endpoint)
        return self.rest(endpoint, "read", id=uuid, no_cache=True)[field_name]
