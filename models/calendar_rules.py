"""Rules that humans write against the local clock: the envelope of the base load."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from models.site import EnvelopeRule

_WEEKEND = 5


def envelope_kw(rules: Sequence[EnvelopeRule], at: datetime, zone: ZoneInfo) -> float:
    """Stated base load at an instant, kW: the largest of the rules that speak of it.

    Where no rule speaks, the largest of all: a missing word never makes room.
    """
    local = at.astimezone(zone)
    hour = local.hour + local.minute / 60 + local.second / 3600
    kind = "restday" if local.weekday() >= _WEEKEND else "workday"
    spoken = [
        r.power_kw
        for r in rules
        if (not r.months or local.month in r.months)
        and r.day_type in ("any", kind)
        and r.start_h <= hour < r.end_h
    ]
    return max(spoken) if spoken else max(r.power_kw for r in rules)
