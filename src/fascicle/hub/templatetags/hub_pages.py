"""How numbers and names are shown on pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import template

register = template.Library()


@register.filter
def counted(value: int | None) -> str:
    """Return a count with commas, nothing for none."""
    return "" if value is None else f"{value:,}"


@register.filter
def number3(value: int | None) -> str:
    """Return the number of a session as it stands in paths."""
    return f"{value or 0:03d}"


@register.filter
def size(value: int | None) -> str:
    """Return a number of bytes for people."""
    if value is None:
        return ""
    amount = float(value)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"


@register.filter
def some(values: Sequence[str], n: int) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(values) - n} more" if len(values) > n else ""
    return ", ".join(values[:n]) + more


@register.simple_tag(takes_context=True)
def query_of(context: Mapping[str, Any], **changes: Any) -> str:
    """Return the query of this page with some terms changed."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query[name] = value
    text: str = query.urlencode()
    return f"?{text}" if text else ""
