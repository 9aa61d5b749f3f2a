"""What a forecaster says of the measured days, hour by hour: from before, or the truth."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from adapters.forecast.base_load import LikeDays
from adapters.forecast.month_peak import least_peak_kw
from adapters.forecast.pv import ClearSky
from adapters.forecast.series import Measured, Method
from benchmarks.microgrid_case import FORECAST_H, PLACE, Case
from models.events import ForecastPushed, Received
from models.horizon import UTC, FloatArray
from scheduler.demand import PEAK_SERIES

BAND_DAYS = 21
"""The band is as wide as errors were on so many days before."""

_PAST: dict[tuple[str, int], FloatArray] = {}


def _band(method: Method, measured: Measured, k: int, n: int) -> tuple[FloatArray, FloatArray]:
    """Errors at about the same hour of the days before, kW: 5 % lie below and above; each from
    its own past.
    """
    errors = []
    for back in range(1, BAND_DAYS + 1):
        then = k - back * measured.per_day
        key = (method.name, then)
        if key not in _PAST:
            _PAST[key] = method.expect(measured.until(then), n)
        known = measured.values_kw[then : min(then + n, k)]
        full = np.full(n, np.nan)
        full[: known.size] = known - _PAST[key][: known.size]
        errors.append(full)
    table = np.array(errors)
    wide = np.pad(table, ((0, 0), (2, 2)), constant_values=np.nan)
    near = np.concatenate([wide[:, d : d + n] for d in range(5)])
    low, high = np.nanquantile(near, [0.05, 0.95], axis=0)
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def forecasts(
    case: Case, *, truth: bool, every_h: int = 1, banded: bool = False
) -> list[tuple[float, Received]]:
    """What a forecaster says, hour by hour, from what was measured before; or the truth."""
    methods: tuple[tuple[str, Measured, Method], ...] = (
        ("base-transformer", case.base, LikeDays()),
        ("pv-pv", case.sun, ClearSky(PLACE)),
    )
    said: list[tuple[float, Received]] = []
    at = case.start
    while at < case.end + timedelta(days=1):
        for series, measured, method in methods:
            k = measured.at(at.timestamp())
            n = FORECAST_H * 3600 // measured.step_s
            values: FloatArray = (
                measured.values_kw[k : k + n] if truth else method.expect(measured.until(k), n)
            )
            low, high = _band(method, measured, k, n) if banded else ((), ())
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
                        low=tuple(values + low) if banded else (),
                        high=tuple(values + high) if banded else (),
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
