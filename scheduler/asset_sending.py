"""Saying a power to an asset: the number, the lease, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace

from models.site import Site
from scheduler.draft import Draft
from scheduler.effects import AssetSetpointSent
from scheduler.state import AssetState, SentSetpoint
from scheduler.view import MESSAGE_EXPIRY_S


def asset_told(
    draft: Draft,
    site: Site,
    asset: str,
    power_kw: float,
    *,
    fallback_kw: float,
    reason: str,
    rises: bool,
    changed: bool,
) -> AssetSetpointSent:
    """The setpoint of an asset, taken down in its state; who asked for it emits it.

    Parameters
    ----------
    power_kw, fallback_kw : float
        Now, and while nobody speaks to it, kW; positive draws.
    reason : str
        As for piles.
    rises : bool
        Whether more may be drawn by it, so that it must be on disk before.
    changed : bool
        Whether it says something new; else it renews the lease.
    """
    mono_s: float = draft.get("mono_s")
    state: AssetState = draft.get("assets").get(asset, AssetState())
    seq = draft.get("seq") + 1
    draft.put("seq", seq)
    effect = AssetSetpointSent(
        asset=asset,
        stamp=(draft.get("epoch"), seq),
        power_kw=power_kw,
        lease_s=site.lease_s,
        fallback_kw=fallback_kw,
        reason=reason,
        after_commit=rises,
        renewal=not changed,
    )
    sent = SentSetpoint(effect.stamp, power_kw, mono_s, mono_s + MESSAGE_EXPIRY_S + site.lease_s)
    kept = tuple(s for s in state.in_force if s.holds_until_mono_s > mono_s)
    draft.own("assets")[asset] = replace(
        state,
        in_force=(*kept, sent),
        wanted_kw=power_kw,
        sent=True,
        renewed_mono_s=mono_s,
        changed_mono_s=mono_s if changed else state.changed_mono_s,
    )
    return effect
