"""How long meters stood above a limit, by the alerts that are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

KIND = "alert/limit_exceeded"
"""As the store tells such an alert apart."""


def exceeded_s(
    told: Iterable[tuple[datetime, str, dict[str, Any]]],
    end: datetime,
    start: datetime | None = None,
) -> float:
    """Seconds above a limit, each node for itself, s.

    Parameters
    ----------
    told : iterable of (datetime, str, dict)
        When it was told, of which node, and the alert's body, in any order. What was raised and
        not cleared goes on to the end; what only its clearing is left of began as that says.
    end, start : datetime
        What lies outside is not counted; no start: all that is told of.
    """
    raised: dict[tuple[str, datetime], datetime] = {}
    for at, node, body in told:
        key = node, datetime.fromisoformat(body["since"])
        if body.get("cleared"):
            raised[key] = at
        else:
            raised.setdefault(key, end)
    return sum(
        max(
            (min(until, end) - (since if start is None else max(since, start))).total_seconds(), 0.0
        )
        for (_, since), until in raised.items()
    )
