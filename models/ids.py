"""Ids: one alphabet for sites, nodes, assets, sessions and limits."""

from __future__ import annotations

import re

from models.errors import InvalidValueError

_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def check_id(value: str, *, where: str) -> str:
    """Return the id, or raise :class:`InvalidValueError` when it is not legal on a topic."""
    if not _LEGAL.match(value):
        raise InvalidValueError(
            f"{value!r} is no id", where=where, fix="use 1 to 64 of A-Z a-z 0-9 _ -"
        )
    return value


def legal_id(source_id: str) -> str:
    """A legal id from a foreign one: each illegal character becomes ``-``, 64 at most."""
    return _ILLEGAL.sub("-", source_id)[:64] or "-"
