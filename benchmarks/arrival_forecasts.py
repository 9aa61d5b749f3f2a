"""How well the vehicles to come are foreseen: their number and their energy in the hours ahead.

What arrives is a series like any other, so the methods are those of the base load, the calendar of
holidays among them; judged is the mean over the hours ahead, since nobody foresees the quarter hour
that a driver comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from adapters.data.recorded import ReplaySession
from adapters.data.sessions import read_sessions
from adapters.forecast.base_load import DayBefore, LikeDays
from adapters.forecast.series import Measured, Method, errors_of
from benchmarks.microgrid_case import ZONE
from models.horizon import FloatArray
from tariffs.calendar import PublicHolidays

FILE = "acn_caltech_jpl_sessions/{site}_2019-05-01_2019-08-31.csv.gz"
FIRST, LAST = datetime(2019, 5, 1, tzinfo=ZONE), datetime(2019, 9, 1, tzinfo=ZONE)
STEP_S = 900
AHEAD_H = (1, 4, 24)


class LastHours:
    """As much as in as many hours before: persistence where most quarter hours are empty."""

    name = "persistence"

    def expect(self, past: Measured, n: int) -> FloatArray:
        """See :class:`adapters.forecast.series.Method`."""
        return np.full(n, float(past.values_kw[-n:].mean()))


def arriving(sessions: Sequence[ReplaySession]) -> tuple[Measured, Measured]:
    """Energy that the vehicles arriving in each slot will take, kW, and how many come, per hour."""
    n = int((LAST - FIRST).total_seconds()) // STEP_S
    at = np.array([(s.arrival - FIRST).total_seconds() // STEP_S for s in sessions], dtype=np.int64)
    inside = (at >= 0) & (at < n)
    kwh = np.array([s.delivered_kwh for s in sessions])
    sums = (
        np.bincount(at[inside], weights=w[inside], minlength=n) for w in (kwh, np.ones(at.size))
    )
    energy, number = (
        Measured(int(FIRST.timestamp()), STEP_S, total * 3600.0 / STEP_S, ZONE) for total in sums
    )
    return energy, number


def rows(
    data: Path, start: datetime, end: datetime, every: int, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each site, series, length and method, as ``valleyfill bench forecasts`` has them.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    start, end : datetime
        Days that are foreseen.
    every : int
        Slots between origins.
    """
    out = []
    for site in ("caltech", "jpl"):
        tell(f"{start:%Y-%m}: arrivals at {site}")
        sessions = read_sessions(data / FILE.format(site=site), "auto", zone=ZONE)
        named = zip(("energy arriving", "arriving per h, no kW"), arriving(sessions), strict=True)
        for name, series in named:
            for hours in AHEAD_H:
                found = mean_skill(series, start, end, hours * 3600 // STEP_S, every)
                row = {"month": f"{start:%Y-%m}", "series": f"{site}, {name}", "hours": hours}
                out += [row | {"method": m, **figures} for m, figures in found.items()]
    return out


def mean_skill(
    series: Measured, start: datetime, end: datetime, n: int, every: int
) -> dict[str, dict[str, float | None]]:
    """By method: errors of the mean over n slots ahead, each foreseen from its past alone."""
    likeness = LikeDays(calendar=PublicHolidays("US"))
    likeness.name = "like days and holidays"
    methods: tuple[Method, ...] = (LastHours(), DayBefore(), likeness)
    origins = range(series.at(start.timestamp()), series.at(end.timestamp()) - n + 1, every)
    misses = {
        method.name: np.array(
            [
                max(float(method.expect(series.until(k), n).mean()), 0.0)
                - float(series.values_kw[k : k + n].mean())
                for k in origins
            ]
        )
        for method in methods
    }
    return {name: {**found, "in_band": None} for name, found in errors_of(misses).items()}
