"""What storages and PV plants do now, and the most and least they may be doing."""

from __future__ import annotations

from models.site import Site
from models.storage import Storage
from scheduler.base_rise import window_s
from scheduler.draft import Draft
from scheduler.state import AssetState
from scheduler.view import MISSED_PERIODS

FADE_LEAST_S, FADE_MOST_S = 30.0, 180.0
"""A storage fades out over at least many times an inverter's response, and at most so long, however
rarely it speaks."""


def asset_talks(draft: Draft, site: Site, asset: str) -> bool:
    """True while an asset has missed no more telemetry than it may."""
    state: AssetState | None = draft.get("assets").get(asset)
    if state is None or state.heard_mono_s < 0:
        return False
    return bool(
        draft.get("mono_s") - state.heard_mono_s <= MISSED_PERIODS * site.telemetry_period_s
    )


def pv_now_kw(draft: Draft, site: Site, asset: str) -> float | None:
    """What a PV plant could give now, a magnitude, kW; None: nobody knows."""
    if not asset_talks(draft, site, asset):
        return None
    state: AssetState = draft.get("assets")[asset]
    if state.available_kw is not None:
        return state.available_kw
    return max(-state.power_kw, 0.0)


def sun_kw(draft: Draft, site: Site, v: int) -> float:
    """What PV under a node gives now by its own meters, a magnitude, kW."""
    total = 0.0
    for plant in site.pv:
        if v in site.network.path[site.network.index[plant.node]]:
            state: AssetState = draft.get("assets").get(plant.id, AssetState())
            if asset_talks(draft, site, plant.id):
                total += max(-state.power_kw, 0.0)
    return total


def switched_kw(draft: Draft, site: Site, v: int) -> float:
    """What switchable feeders under a node draw now by their own meters, kW."""
    total = 0.0
    for feeder in site.feeders:
        if v in site.network.path[site.network.index[feeder.node]]:
            state: AssetState = draft.get("assets").get(feeder.id, AssetState())
            if asset_talks(draft, site, feeder.id):
                total += max(state.power_kw, 0.0)
    return total


def held_band_kw(
    state: AssetState, mono_s: float, lease_s: float, fallback_kw: float
) -> tuple[float, float]:
    """The least and the most power an asset may be drawing now, kW, negative while it gives.

    The last acknowledged setpoint, every setpoint that may still be obeyed, the measured power
    and, unless an acknowledged lease surely runs, the fallback: between their extremes it is.
    """
    powers = [state.power_kw]
    powers += [s.power_kw for s in state.in_force if mono_s < s.holds_until_mono_s]
    runs = any(s.stamp == state.acked and mono_s - s.sent_mono_s < lease_s for s in state.in_force)
    if not runs:
        powers.append(fallback_kw)
    return min(powers), max(powers)


def stored_now_kwh(storage: Storage, state: AssetState, mono_s: float) -> float | None:
    """What a storage holds by now, kWh: its last word, and what it has done since; None: unknown.

    Until the setpoint that it took last it went on as it had told, since then by that setpoint.
    """
    if state.soc is None:
        return None
    taken = [s.sent_mono_s for s in state.in_force if s.stamp == state.acked]
    follows = bool(taken) and state.acked_kw is not None and not state.islanded
    turned_s = min(max(taken[0], state.heard_mono_s), mono_s) if follows else mono_s
    moved = 0.0
    for power, begin_s, end_s in (
        (state.power_kw, state.heard_mono_s, turned_s),
        (state.acked_kw or 0.0, turned_s, mono_s),
    ):
        gain = storage.charge_efficiency if power > 0 else 1.0 / storage.discharge_efficiency
        moved += gain * power * max(end_s - begin_s, 0.0) / 3600.0
    return min(max(state.soc * storage.capacity_kwh + moved, 0.0), storage.capacity_kwh)


def fade_h(site: Site) -> float:
    """So long the energy above a storage's floor must last, h: until the next reading and a little
    more, so that what an event was promised for the last minutes is still given.
    """
    return max(min(window_s(site), FADE_MOST_S), FADE_LEAST_S) / 3600.0


def reach_kw(
    draft: Draft, site: Site, storage: Storage, lasts_h: float = 0.0
) -> tuple[float, float]:
    """Most discharging and most charging power that the stored energy bears for a while, kW.

    Magnitudes. The energy above the floor (or below the top) must last :func:`fade_h`, so that a
    storage fades out instead of stopping in the middle of what others count on, and ``lasts_h``
    where that is longer.
    """
    state = draft.get("assets").get(storage.id, AssetState())
    stored = stored_now_kwh(storage, state, draft.get("mono_s"))
    if stored is None:
        return 0.0, 0.0
    out = (stored - storage.floor_soc * storage.capacity_kwh) * storage.discharge_efficiency
    into = (storage.max_soc * storage.capacity_kwh - stored) / storage.charge_efficiency
    most, ahead_h = storage.max_kw, max(fade_h(site), lasts_h)
    return min(most, max(out, 0.0) / ahead_h), min(most, max(into, 0.0) / ahead_h)
