"""What a forecaster says of the measured days, hour by hour: from before, or the truth."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.forecast.base_load import LikeDays
from adapters.forecast.month_peak import least_peak_kw
from adapters.forecast.pv import ClearSky
from adapters.forecast.series import Banded, Measured
from benchmarks.microgrid_case import FORECAST_H, HOLIDAYS, PLACE, Case
from models.events import ForecastPushed, Received
from models.horizon import UTC, FloatArray
from scheduler.demand import PEAK_SERIES


def forecasts(
    case: Case, *, truth: bool, every_h: int = 1, banded: bool = False
) -> list[tuple[float, Received]]:
    """What a forecaster says, hour by hour, from what was measured before; or the truth."""
    methods: tuple[tuple[str, Measured, Banded], ...] = (
        ("base-transformer", case.base, Banded(LikeDays(calendar=HOLIDAYS))),
        ("pv-pv", case.sun, Banded(ClearSky(PLACE))),
    )
    said: list[tuple[float, Received]] = []
    at = case.start
    while at < case.end + timedelta(days=1):
        for series, measured, banded_method in methods:
            k = measured.at(at.timestamp())
            n = FORECAST_H * 3600 // measured.step_s
            low: FloatArray | None = None
            high: FloatArray | None = None
            if truth:
                values = measured.values_kw[k : k + n]
            elif banded:
                found = banded_method.foresee(measured.until(k), n)
                values, low, high = found.values_kw, found.low_kw, found.high_kw
            else:
                values = banded_method.method.expect(measured.until(k), n)
            said.append(
                (
                    at.timestamp(),
                    ForecastPushed(
                        now=at,
                        mono_s=0.0,
                        stamp=(1, 0),
                        issued_at=at,
                        series=series,
                        start=at.astimezone(UTC),
                        slot_minutes=measured.step_s // 60,
                        values=tuple(values.tolist()),
                        low=() if low is None else tuple(low.tolist()),
                        high=() if high is None else tuple(high.tolist()),
                    ),
                )
            )
        at += timedelta(hours=every_h)
    return said


PEAK_DAYS = 30
"""The first month's peak is foreseen from so many days before it."""


def peaks_foreseen(case: Case) -> list[tuple[float, Received]]:
    """What the first month's peak will reach, by load and sun of the days before; what was
    reached then tells the planner of the months after.
    """
    k = case.base.at(case.start.timestamp())
    begin = max(k - PEAK_DAYS * case.base.per_day, 0)
    net = case.base.values_kw[begin:k] - case.sun.values_kw[begin:k]
    level = least_peak_kw(net, case.base.step_s / 3600.0, case.site.storages[0])
    return [_peak_said(case, case.start, level)]


def peaks_told(case: Case, peaks_kw: list[float]) -> list[tuple[float, Received]]:
    """The peak of each month as it could have been at best, told on its first day."""
    out, month = [], case.start
    for level in peaks_kw:
        out.append(_peak_said(case, month, level))
        month = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    return out


def _peak_said(case: Case, month: datetime, level_kw: float) -> tuple[float, Received]:
    following = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    said = ForecastPushed(
        now=month,
        mono_s=0.0,
        stamp=(1, 0),
        issued_at=month,
        series=f"{PEAK_SERIES}-{case.site.network.ids[0]}",
        start=month.astimezone(UTC),
        slot_minutes=60,
        values=(level_kw,) * int((following - month) / timedelta(hours=1)),
    )
    return month.timestamp(), said
