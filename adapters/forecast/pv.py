"""PV: what a clear sky would give, times how clear the last days and hours were.

The clear sky is that of pvlib (Ineichen and Perez, "A new airmass independent formulation for
the Linke turbidity coefficient", Solar Energy 73, 2002). The plant's own response to it (tilt,
size, shadow) is learned slot by slot as the high quantile of what it gave in the last weeks. Where
a weather service says the irradiance to come, that counts in place of the clearness of lately.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pvlib

from adapters.forecast.base_load import DayBefore
from adapters.forecast.series import Measured
from models.horizon import FloatArray

DARK_W_M2 = 20.0
"""Under so little clear-sky irradiance a ratio says nothing."""


@dataclass(frozen=True)
class Place:
    """Where a plant stands: degrees north and east, metres above the sea."""

    latitude: float
    longitude: float
    altitude_m: float = 0.0


@lru_cache(maxsize=512)
def clear_sky_w_m2(place: Place, day_s: int, step_s: int) -> FloatArray:
    """Global horizontal irradiance of a clear day at the middle of each slot, W/m2."""
    at = pd.to_datetime(day_s + step_s // 2 + step_s * np.arange(86_400 // step_s), unit="s")
    where = pvlib.location.Location(place.latitude, place.longitude, "UTC", place.altitude_m)
    sky = where.get_clearsky(at.tz_localize("UTC"), model="ineichen", linke_turbidity=3.0)
    return np.asarray(sky["ghi"].to_numpy(), dtype=np.float64)


class ClearSky:
    """Clear-sky persistence: the plant's best response times the clearness of lately.

    Clearness today (the last two hours of light) counts at first and fades into the mean of the
    last days at the same hour.

    Parameters
    ----------
    place : Place
        Of the plant.
    days : int
        Days from which the response and the usual clearness are learned.
    half_life_h : float
        Of today's clearness, h > 0.
    irradiance : Measured, optional
        Global horizontal irradiance as a weather service foresees it, W/m2, on slots of the same
        length; slots that it leaves out, or tells as nan, go by the clearness of lately.
    """

    name = "clear sky"

    def __init__(
        self,
        place: Place,
        days: int = 21,
        half_life_h: float = 3.0,
        irradiance: Measured | None = None,
    ) -> None:
        self._place = place
        self._irradiance = irradiance
        self._days = days
        self._half_life_h = half_life_h

    def _sky(self, past: Measured, first: int, n: int) -> FloatArray:
        starts = past.starts_s(first, n)
        lo, hi = int(starts[0]) // 86_400, int(starts[-1]) // 86_400
        days = [clear_sky_w_m2(self._place, d * 86_400, past.step_s) for d in range(lo, hi + 1)]
        begin = (int(starts[0]) - lo * 86_400) // past.step_s
        return np.concatenate(days)[begin : begin + n]

    def expect(self, past: Measured, n: int) -> FloatArray:
        """See :class:`adapters.forecast.series.Method`."""
        day, end = past.per_day, past.values_kw.size
        days = min(self._days, end // day)
        if days < 2:
            return np.maximum(DayBefore().expect(past, n), 0.0)
        first = end - days * day
        sky = self._sky(past, first, days * day + n)
        given = np.maximum(past.values_kw[first:end], 0.0)
        light = sky > DARK_W_M2
        ratio = np.where(light[: days * day], given / np.maximum(sky[: days * day], DARK_W_M2), 0)
        by_slot = ratio.reshape(days, day)
        whole = bool(np.isfinite(by_slot).all())
        best = (np.quantile if whole else np.nanquantile)(by_slot, 0.9, axis=0)
        clear = np.where(best > 1e-6, by_slot / np.maximum(best, 1e-6), np.nan)
        usual = np.nan_to_num(np.nanmean(np.vstack([clear, np.zeros(day)]), axis=0))
        usual = usual * (days + 1) / days
        today = self._today(clear.ravel(), light[: days * day], day)
        slots = np.arange(n)
        hours = (slots + 0.5) * past.step_s / 3600.0
        weight = 0.5 ** (hours / self._half_life_h)
        mix = usual[slots % day] if today is None else (
            weight * today + (1.0 - weight) * usual[slots % day]
        )  # fmt: skip
        shines = sky[days * day :] * mix
        told = self._told_w_m2(past, n)
        shines = np.where(np.isfinite(told), told, shines)
        return np.asarray(np.maximum(best[slots % day] * shines, 0.0), dtype=np.float64)

    def _told_w_m2(self, past: Measured, n: int) -> FloatArray:
        """Irradiance of the n slots ahead as the weather service says, nan where it does not."""
        told = np.full(n, np.nan)
        if self._irradiance is not None:
            known = self._irradiance.values_kw
            first = self._irradiance.at(past.start_s + past.step_s * past.values_kw.size)
            begin, end = max(first, 0), min(first + n, known.size)
            if begin < end:
                told[begin - first : end - first] = known[begin:end]
        return told

    def _today(self, clear: FloatArray, light: np.ndarray, day: int) -> float | None:
        """Clearness of the last two hours of light of today, None before there were any."""
        recent = max(day // 12, 1)
        lit = np.flatnonzero(light[-day // 2 :] & np.isfinite(clear[-day // 2 :]))
        if lit.size < recent // 2 or not light[-1]:
            return None
        return float(np.mean(clear[-day // 2 :][lit[-recent:]]))
