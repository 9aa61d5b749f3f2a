"""Civil days of a zone as stretches of constant offset, so that clock rules meet instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.horizon import UTC, day_bounds_s

DAY_S = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class CivilStretch:
    """Part of one civil day during which the zone's offset does not change.

    Parameters
    ----------
    day : date
        The local date.
    start_s, end_s : int
        Epoch seconds, start_s < end_s.
    clock_zero_s : int
        Epoch second at which the local clock of this stretch would have shown 00:00 of
        ``day``; the clock shows ``s - clock_zero_s`` seconds after midnight at instant s.
    """

    day: date
    start_s: int
    end_s: int
    clock_zero_s: int


def offset_s(instant_s: int, zone: ZoneInfo) -> int:
    """Seconds that the local clock is ahead of UTC at an instant."""
    offset = datetime.fromtimestamp(instant_s, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def civil_stretches(start_s: int, end_s: int, zone: ZoneInfo) -> tuple[CivilStretch, ...]:
    """The stretches that cover [start_s, end_s), each civil day whole, in order.

    A day on which clocks move gives two stretches; others give one. The first and the last day
    reach beyond the window: callers clip.
    """
    day = datetime.fromtimestamp(start_s, zone).date()
    last = datetime.fromtimestamp(end_s - 1, zone).date()
    return _days(day, last, zone)


@lru_cache(maxsize=256)
def _days(day: date, last: date, zone: ZoneInfo) -> tuple[CivilStretch, ...]:
    found: list[CivilStretch] = []
    one = timedelta(days=1)
    if zone is UTC or zone.key == "UTC":
        while day <= last:
            lo = (day.toordinal() - _EPOCH_ORDINAL) * DAY_S
            found.append(CivilStretch(day, lo, lo + DAY_S, lo))
            day += one
        return tuple(found)
    lo, _ = day_bounds_s(day, zone)
    before = offset_s(lo, zone)
    while day <= last:
        following = day + one
        midnight = datetime(following.year, following.month, following.day, tzinfo=zone)
        hi = int(midnight.timestamp())
        after = offset_s(hi - 1, zone)
        local_zero = (day.toordinal() - _EPOCH_ORDINAL) * DAY_S
        if before == after:
            found.append(CivilStretch(day, lo, hi, local_zero - before))
        else:
            change = _change_between(lo, hi - 1, zone)
            found.append(CivilStretch(day, lo, change, local_zero - before))
            found.append(CivilStretch(day, change, hi, local_zero - after))
        day, lo = following, hi
        before = offset_s(lo, zone)
    return tuple(found)


def _change_between(lo: int, hi: int, zone: ZoneInfo) -> int:
    """First second in (lo, hi] whose offset differs from that of ``lo``."""
    held = offset_s(lo, zone)
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if offset_s(middle, zone) == held:
            lo = middle
        else:
            hi = middle
    return hi
