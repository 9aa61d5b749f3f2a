"""Reading plain mappings, as TOML gives them, with errors that name the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from models.errors import TariffError


def tables(book: Mapping[str, Any], key: str, name: str) -> Sequence[Mapping[str, Any]]:
    """A list of tables, empty where the key is not there."""
    found = book.get(key, [])
    if not isinstance(found, list) or not all(isinstance(t, dict) for t in found):
        raise TariffError(f"'{key}' is no list of tables", where=name, fix=f"write [[{key}]]")
    return found


def need(table: Mapping[str, Any], key: str, where: str) -> Any:
    """A value that must be there."""
    if key not in table:
        raise TariffError(f"'{key}' is missing", where=where)
    return table[key]


def number(value: Any, where: str) -> float:
    """A number, and nothing that only looks like one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TariffError(f"{value!r} is no number", where=where)
    return float(value)


def known(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    """Refuses a key that nobody reads, with the nearest one that is."""
    for key in table:
        if key not in keys:
            near = get_close_matches(key, sorted(keys), n=1)
            raise TariffError(
                f"unknown key '{key}'",
                where=where,
                fix=f"did you mean '{near[0]}'?" if near else "",
            )
