"""The planning window: aware, true to daylight saving, with slots of unequal length.

A horizon is nothing but its edges, in whole seconds since 1970-01-01T00:00Z. Slot edges lie on
the local clock of the site (a day has as many quarter hours as its zone says), the first slot
may be partial, and slots are split wherever a tariff or a limit changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidValueError
from models.units import SECONDS_PER_HOUR

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

UTC = ZoneInfo("UTC")
_DAY_MINUTES = 24 * 60


def epoch_s(instant: datetime) -> int:
    """Whole seconds since 1970-01-01T00:00Z of an aware instant, rounded down.

    Raises
    ------
    InvalidValueError
        If the instant is naive.
    """
    if instant.tzinfo is None:
        raise InvalidValueError(
            f"the instant {instant.isoformat()} has no offset",
            fix="add one, as in 2026-07-01T08:00:00+08:00",
        )
    return int(instant.timestamp() // 1)


def midnight_of(at: datetime, zone: ZoneInfo) -> datetime:
    """The start of the local day that an aware instant lies in."""
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def instant_of(seconds: int) -> datetime:
    """The aware UTC instant of whole seconds since 1970-01-01T00:00Z."""
    return datetime.fromtimestamp(int(seconds), UTC)


def day_bounds_s(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """First second of a civil day and of the day after, as epoch seconds.

    Midnight is taken as the first instant that carries the date, also in zones that skip it.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    return epoch_s(start), epoch_s(end)


def local_grid_s(start_s: int, end_s: int, slot_minutes: int, zone: ZoneInfo) -> IntArray:
    """Every local-clock multiple of ``slot_minutes`` in [start_s, end_s].

    Parameters
    ----------
    start_s, end_s : int
        Epoch seconds, start_s <= end_s.
    slot_minutes : int
        A divisor of 1440.
    zone : ZoneInfo
        The site's zone; an hour that occurs twice gives its edges twice, a skipped one none.

    Returns
    -------
    ndarray of int64
        Strictly increasing epoch seconds.
    """
    if slot_minutes <= 0 or _DAY_MINUTES % slot_minutes:
        raise InvalidValueError(
            f"a slot of {slot_minutes} minutes does not divide a day",
            where="slot_minutes",
            fix="use 5, 10, 15, 30 or 60",
        )
    step = slot_minutes * 60
    day = datetime.fromtimestamp(start_s, zone).date()
    last = datetime.fromtimestamp(end_s, zone).date()
    edges: list[IntArray] = []
    while day <= last:
        lo, hi = day_bounds_s(day, zone)
        candidates = np.arange(lo, hi, step, dtype=np.int64)
        edges.append(candidates)
        day += timedelta(days=1)
    # Days follow each other without a gap, so this is in order.
    grid = np.concatenate(edges)
    return grid[(grid >= start_s) & (grid <= end_s)]


@dataclass(frozen=True, eq=False)
class Horizon:
    """A planning window of ``n`` slots.

    Parameters
    ----------
    edges_s : ndarray of int64, shape (n + 1,)
        Slot edges, epoch seconds, strictly increasing. Slot t is [edges_s[t], edges_s[t+1]).
    zone : ZoneInfo
        The site's zone, for rules that humans made.

    Raises
    ------
    InvalidValueError
        If there are fewer than two edges or they do not increase.
    """

    edges_s: IntArray
    zone: ZoneInfo

    def __post_init__(self) -> None:
        edges = np.ascontiguousarray(self.edges_s, dtype=np.int64)
        if edges.ndim != 1 or edges.size < 2 or not bool(np.all(np.diff(edges) > 0)):
            raise InvalidValueError("a horizon needs at least two increasing edges")
        edges.setflags(write=False)
        object.__setattr__(self, "edges_s", edges)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Horizon)
            and self.zone.key == other.zone.key
            and np.array_equal(self.edges_s, other.edges_s)
        )

    def __hash__(self) -> int:
        return hash((self.zone.key, self.edges_s.tobytes()))

    @classmethod
    def rolling(
        cls,
        now: datetime,
        *,
        hours: float,
        slot_minutes: int,
        zone: ZoneInfo,
        splits: Iterable[datetime] = (),
        fine_hours: float | None = None,
        coarse_minutes: int = 60,
    ) -> Horizon:
        """The window that starts now: a partial first slot, then the local clock's slots.

        Parameters
        ----------
        now : datetime
            Aware; rounded down to the second.
        hours : float
            Length of the window in h, more than 0.
        slot_minutes : int
            Length of a slot; divides 1440.
        zone : ZoneInfo
            The site's zone.
        splits : iterable of datetime
            Instants inside the window at which a slot must end (limit and tariff edges).
        fine_hours : float, optional
            After so many hours slots are ``coarse_minutes`` long. None: fine throughout.
        coarse_minutes : int
            Length of the later slots; divides 1440.
        """
        start = epoch_s(now)
        end = start + int(round(hours * SECONDS_PER_HOUR))
        if fine_hours is None or fine_hours >= hours:
            grid = local_grid_s(start, end, slot_minutes, zone)
        else:
            middle = start + int(round(fine_hours * SECONDS_PER_HOUR))
            coarse = local_grid_s(middle, end, coarse_minutes, zone)
            seam = int(coarse[0]) if coarse.size else end
            grid = np.concatenate([local_grid_s(start, seam, slot_minutes, zone), coarse])
        extra = np.array([epoch_s(s) for s in splits], dtype=np.int64)
        extra = extra[(extra > start) & (extra < end)]
        ends = np.array([start, end], dtype=np.int64)
        return cls(np.unique(np.concatenate([ends, grid, extra])), zone)

    @classmethod
    def between(
        cls, start: datetime, end: datetime, *, slot_minutes: int, zone: ZoneInfo
    ) -> Horizon:
        """The slots of the local clock from start to end, partial at both ends if need be."""
        lo, hi = epoch_s(start), epoch_s(end)
        grid = local_grid_s(lo, hi, slot_minutes, zone)
        ends = np.array([lo, hi], dtype=np.int64)
        return cls(np.unique(np.concatenate([ends, grid])), zone)

    @classmethod
    def day(cls, day: date, *, slot_minutes: int, zone: ZoneInfo) -> Horizon:
        """One civil day: 92, 96 or 100 quarter hours in a zone that moves its clocks by 1 h."""
        lo, hi = day_bounds_s(day, zone)
        grid = local_grid_s(lo, hi, slot_minutes, zone)
        return cls(np.unique(np.append(grid, hi)), zone)

    @property
    def n(self) -> int:
        """Number of slots."""
        return int(self.edges_s.size - 1)

    @property
    def start_s(self) -> int:
        """First edge, epoch seconds."""
        return int(self.edges_s[0])

    @property
    def end_s(self) -> int:
        """Last edge, epoch seconds."""
        return int(self.edges_s[-1])

    @property
    def start(self) -> datetime:
        """First edge as an aware UTC instant."""
        return instant_of(self.start_s)

    @property
    def end(self) -> datetime:
        """Last edge as an aware UTC instant."""
        return instant_of(self.end_s)

    @cached_property
    def slot_s(self) -> IntArray:
        """Length of each slot, s, shape (n,)."""
        return np.diff(self.edges_s)

    @cached_property
    def slot_h(self) -> FloatArray:
        """Length of each slot, h, shape (n,)."""
        return self.slot_s / SECONDS_PER_HOUR

    def overlap_s(self, start_s: float, end_s: float) -> FloatArray:
        """Seconds of each slot that lie inside [start_s, end_s), shape (n,)."""
        lo = np.maximum(self.edges_s[:-1], start_s)
        hi = np.minimum(self.edges_s[1:], end_s)
        return np.asarray(np.maximum(hi - lo, 0.0), dtype=np.float64)

    def step_values(self, starts_s: Any, values: Any, default: float) -> FloatArray:
        """Time-weighted mean on each slot of a step function.

        Parameters
        ----------
        starts_s : array_like of int, shape (m,)
            Increasing epoch seconds from which each value holds, the last one for ever.
        values : array_like of float, shape (m,)
            The values.
        default : float
            What holds before the first start (may be nan).

        Returns
        -------
        ndarray of float, shape (n,)
        """
        starts = np.asarray(starts_s, dtype=np.int64)
        vals = np.asarray(values, dtype=np.float64)
        inside = starts[(starts > self.start_s) & (starts < self.end_s)]
        knots = np.sort(np.concatenate([self.edges_s, inside]))
        knots = knots[np.append(True, knots[1:] > knots[:-1])]
        at = np.searchsorted(starts, knots[:-1], side="right") - 1
        held = np.full(at.shape, default, dtype=np.float64)
        held[at >= 0] = vals[at[at >= 0]]
        slot = np.searchsorted(self.edges_s, knots[:-1], side="right") - 1
        weighted = np.bincount(slot, weights=held * np.diff(knots), minlength=self.n)
        return np.asarray(weighted / self.slot_s, dtype=np.float64)
