"""Load and PV as foreseen: what was sent, corrected by what is measured now.

A forecast is minutes or hours old when a plan is made. What it misses now it will likely miss in
the next hour too, and less later on: the error of this moment fades over the slots ahead.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from models.events import ForecastPushed
from models.horizon import FloatArray, Horizon, epoch_s
from models.site import Site
from scheduler.asset_state import pv_now_kw
from scheduler.draft import Draft
from scheduler.microgrid import Bands
from scheduler.state import AssetState

HALF_LIFE_S = 2.0 * 3600.0
"""An error of now counts half after so long (docs/decisions/0021)."""

LIGHT_SHARE = 0.03
"""PV foreseen below this share of a plant says nothing of how clear the sky is."""

CLEARER_MOST = 1.5
"""So many times what was foreseen is believed at most."""

LOAD_BAND_SHARE, PV_BAND_SHARE = 0.15, 0.4
"""Of what is foreseen: the band of a forecast that came without one."""


def forecast_on(sent: ForecastPushed | None, horizon: Horizon) -> FloatArray:
    """A pushed series on the slots of a horizon, nan where it says nothing, shape (T,)."""
    if sent is None:
        return np.full(horizon.n, math.nan)
    begin = epoch_s(sent.start) + 60 * sent.slot_minutes * np.arange(len(sent.values) + 1)
    values = np.append(np.asarray(sent.values, dtype=np.float64), math.nan)
    return horizon.step_values(begin, values, math.nan)


def _said_kw(sent: ForecastPushed, at_s: float) -> float:
    """What a series says of one instant, kW; nan: nothing."""
    k = math.floor((at_s - epoch_s(sent.start)) / (60 * sent.slot_minutes))
    return sent.values[k] if 0 <= k < len(sent.values) else math.nan


def _kept(horizon: Horizon, since_s: float) -> FloatArray:
    """How much of an error seen at an instant counts in each slot, 0 to 1, shape (T,)."""
    ahead_s = np.maximum(horizon.edges_s[:-1] - since_s, 0.0)
    return np.asarray(0.5 ** (ahead_s / HALF_LIFE_S))


def _wall_s(draft: Draft, mono_s: float) -> float:
    return float(draft.get("now").timestamp() - (draft.get("mono_s") - mono_s))


def load_ahead_kw(
    draft: Draft, sent: ForecastPushed, horizon: Horizon, read_kw: float, read_mono_s: float
) -> FloatArray:
    """Load of a node ahead, kW, nan where the series says nothing but of now, shape (T,).

    Parameters
    ----------
    read_kw, read_mono_s : float
        The last reading, and when it came.
    """
    known = forecast_on(sent, horizon)
    at_s = _wall_s(draft, read_mono_s)
    missed = read_kw - _said_kw(sent, at_s)
    if math.isnan(missed):
        known[0] = read_kw
        return known
    return np.asarray(known + missed * _kept(horizon, at_s))


def available_kw(draft: Draft, site: Site, horizon: Horizon) -> FloatArray:
    """What each PV plant could give in each slot, a magnitude, kW, shape (p, T).

    Forecast ``pv-{asset}`` where there is one, times how much clearer or duller it is now; without
    one the first slot by what it gives now, and nothing beyond: safe, and an alert names it.
    """
    out = np.zeros((len(site.pv), horizon.n))
    for k, plant in enumerate(site.pv):
        sent = draft.get("forecasts").get(f"pv-{plant.id}")
        known = forecast_on(sent, horizon)
        now_kw = pv_now_kw(draft, site, plant.id)
        out[k] = np.where(np.isnan(known), 0.0, known)
        if now_kw is not None:
            state: AssetState = draft.get("assets")[plant.id]
            at_s = _wall_s(draft, state.heard_mono_s)
            said = math.nan if sent is None else _said_kw(sent, at_s)
            if said >= LIGHT_SHARE * plant.max_kw:
                kept = _kept(horizon, at_s)
                out[k] *= 1.0 + kept * (min(now_kw / said, CLEARER_MOST) - 1.0)
            else:
                out[k, 0] = now_kw
        out[k] = np.clip(out[k], 0.0, plant.max_kw)
    return out


def bands_of(
    draft: Draft, site: Site, horizon: Horizon, base_kw: FloatArray, sun_kw: FloatArray
) -> Bands:
    """How far load and PV may come otherwise than foreseen, kW."""
    sent = draft.get("forecasts").get(f"base-{site.network.ids[0]}")
    below, above = _band(sent, horizon, np.abs(base_kw), LOAD_BAND_SHARE)
    more, less = above, below
    for k, plant in enumerate(site.pv):
        low, high = _band(
            draft.get("forecasts").get(f"pv-{plant.id}"), horizon, sun_kw[k], PV_BAND_SHARE
        )
        more, less = np.hypot(more, low), np.hypot(less, high)
    return Bands(more, less, below)


def _band(
    sent: ForecastPushed | None, horizon: Horizon, size_kw: FloatArray, share: float
) -> tuple[FloatArray, FloatArray]:
    """How far below and above its value a forecast may lie, kW >= 0."""
    below = above = share * size_kw
    if sent is not None and sent.low and sent.high:
        value = forecast_on(sent, horizon)
        low = value - forecast_on(replace(sent, values=sent.low), horizon)
        high = forecast_on(replace(sent, values=sent.high), horizon) - value
        below = np.where(np.isfinite(low), np.maximum(low, 0.0), below)
        above = np.where(np.isfinite(high), np.maximum(high, 0.0), above)
    return below, above
