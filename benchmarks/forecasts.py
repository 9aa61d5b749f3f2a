"""How good forecasts are on days after everything they were fitted on, month by month.

Beside the errors stands how often the truth lay inside the band (nine of ten are meant), and, for
load less PV up to two hours ahead, how often it lay inside the band times what a promise keeps
back (:data:`scheduler.microgrid.PROMISED_TIMES`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.data.measured_series import read_ucsd
from adapters.forecast.base_load import DayBefore, LikeDays, Persistence
from adapters.forecast.pv import ClearSky
from adapters.forecast.regression import Regression
from adapters.forecast.series import Banded, Foreseen, Measured, Method, skill
from benchmarks.arrival_forecasts import rows as arrival_rows
from benchmarks.microgrid_case import FIRST_KNOWN, HOLIDAYS, MOVED_DAYS, PLACE, UCSD, ZONE
from models.horizon import FloatArray
from scheduler.microgrid import PROMISED_TIMES

COLUMNS = ("month", "series", "hours", "method", "mae_kw", "rmse_kw", "bias_kw", "skill", "in_band")
MONTHS = (6, 7, 8)
"""After the two from which the methods were chosen; 2019, as the series were moved."""

LAST = datetime(2019, 9, 1, tzinfo=ZONE)
EVERY = 28
"""Slots between origins: seven hours, so that each hour of the day has its turn."""

PROMISED_AHEAD = 8
"""Quarter hours ahead that promises are judged on."""

NET = "load less PV"


@dataclass(frozen=True)
class _Case:
    """A series, the methods that are compared, and ours with its band."""

    name: str
    series: Measured
    plain: tuple[Method, ...]
    ours: Banded

    @property
    def methods(self) -> tuple[Method, ...]:
        return (*self.plain, self.ours.method)


def run(data: Path, quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Errors by month, series, length and method; the skill is against persistence."""
    cases = _cases(data)
    rows: list[dict[str, Any]] = []
    months = MONTHS[:1] if quick else MONTHS
    for month in months:
        start = datetime(2019, month, 1, tzinfo=ZONE)
        end = min((start + timedelta(days=32)).replace(day=1), LAST)
        name = f"{start:%Y-%m}"
        for case in cases:
            series = case.series
            first, last = series.at(start.timestamp()), series.at(end.timestamp())
            for hours in (1, 24):
                tell(f"{name}: {case.name}, {hours} h ahead")
                n = 4 * hours
                found = skill(case.methods, series.until(last), first, n=n, every=EVERY)
                inside = _in_band(case.ours, series, range(first, last - n + 1, EVERY), n)
                rows += [
                    {
                        "month": name,
                        "series": case.name,
                        "hours": hours,
                        "method": method,
                        **figures,
                        "in_band": inside if method == case.ours.method.name else None,
                    }
                    for method, figures in found.items()
                ]
        rows += arrival_rows(data, start, end, EVERY, tell)
        tell(f"{name}: promises")
        rows.append({"month": name, **_promised(cases, start, end)})
    return {"rows": rows, "promised_times": PROMISED_TIMES}


def _cases(data: Path) -> tuple[_Case, ...]:
    read = {
        name: read_ucsd(
            data / UCSD / f"{name}.csv.gz",
            zone=ZONE,
            first=FIRST_KNOWN,
            last=LAST,
            moved_days=MOVED_DAYS,
        )[0]
        for name in ("MusicBuilding", "StudentServices", "HopkinsParkingPV")
    }
    music = read["MusicBuilding"]
    base = replace(music, values_kw=music.values_kw + read["StudentServices"].values_kw)
    sun = read["HopkinsParkingPV"]
    sun = replace(sun, values_kw=np.maximum(sun.values_kw, 0.0))
    plain = (Persistence(), DayBefore())
    knowing = LikeDays(calendar=HOLIDAYS)
    knowing.name = "like days and holidays"
    return (
        _Case(
            "base load", base, (*plain, LikeDays(), Regression(calendar=HOLIDAYS)), Banded(knowing)
        ),
        _Case("PV", sun, plain, Banded(ClearSky(PLACE))),
    )


def _in_band(ours: Banded, series: Measured, origins: range, n: int) -> float:
    """Share of the slots ahead in which the truth lay inside the band."""
    inside = []
    for k in origins:
        found, truth = ours.foresee(series.until(k), n), series.values_kw[k : k + n]
        inside.append((truth >= found.low_kw) & (truth <= found.high_kw))
    return float(np.mean(np.concatenate(inside)))


def _promised(cases: tuple[_Case, ...], start: datetime, end: datetime) -> dict[str, Any]:
    """Load less PV against both bands together, once and as often as a promise keeps them."""
    errors = list(_net_errors(cases, start, end))
    table = np.concatenate([e for e, _, _ in errors])
    more, less = (np.concatenate([b[k] for b in errors]) for k in (1, 2))
    wide = np.where(table > 0, more, less)
    return {
        "series": NET,
        "hours": PROMISED_AHEAD / 4,
        "method": "ours",
        "mae_kw": float(np.mean(np.abs(table))),
        "rmse_kw": float(np.sqrt(np.mean(table**2))),
        "bias_kw": float(-np.mean(table)),
        "skill": None,
        "in_band": float(np.mean(np.abs(table) <= wide)),
        "in_promised_band": float(np.mean(np.abs(table) <= PROMISED_TIMES * wide)),
    }


def _net_errors(
    cases: tuple[_Case, ...], start: datetime, end: datetime
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """By origin: truth less forecast, and the band above and below, kW."""
    load, sun = cases
    first, last = (load.series.at(d.timestamp()) for d in (start, end))
    for k in range(first, last - PROMISED_AHEAD + 1, EVERY):
        parts: list[tuple[Foreseen, FloatArray]] = []
        for case in (load, sun):
            past = case.series.until(k)
            truth = case.series.values_kw[k : k + PROMISED_AHEAD]
            parts.append((case.ours.foresee(past, PROMISED_AHEAD), truth))
        (of_load, load_kw), (of_sun, sun_kw) = parts
        error = (load_kw - sun_kw) - (of_load.values_kw - of_sun.values_kw)
        more = np.hypot(of_load.high_kw - of_load.values_kw, of_sun.values_kw - of_sun.low_kw)
        less = np.hypot(of_load.values_kw - of_load.low_kw, of_sun.high_kw - of_sun.values_kw)
        yield error, more, less
