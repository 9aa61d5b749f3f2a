"""Setpoints on their way: what changed, decreases first; leases renewed; lost ones said again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler import report
from scheduler.draft import Draft
from scheduler.effects import SetpointSent
from scheduler.fixed import FixedPile, fixed
from scheduler.phase_choice import rewired
from scheduler.state import PileState, SentSetpoint, changed
from scheduler.switching import Clock, clock_of, switched
from scheduler.timers import RETRIES_S, renewal_due_s
from scheduler.view import MESSAGE_EXPIRY_S, SETTLED_S


def send(
    draft: Draft,
    site: Site,
    names: list[str],
    powers: list[float],
    silent: dict[str, float],
    phases_of: Callable[[str], int | None],
) -> None:
    """Emit the setpoints that changed, decreases first, and renew the leases that are due;
    ``phases_of`` says on how many phases a pile is to draw that can be switched.
    """
    mono_s: float = draft.get("mono_s")
    clock = clock_of(draft.get("now"), mono_s, site.zone)
    known = fixed(site).piles
    falling: list[SetpointSent] = []
    rising: list[SetpointSent] = []
    piles = draft.piles
    for name, granted in zip(names, powers, strict=True):
        pile: PileState = piles[name]
        one = known[name]
        reborn = name in draft.born
        power = granted
        if pile.sent and 0 < granted - pile.wanted_kw < one.band_kw:
            power = pile.wanted_kw
        other = not pile.sent or abs(power - pile.wanted_kw) > POWER_EPSILON_KW
        if not (other or reborn or _due(pile, one, site, mono_s, lost=name not in silent)):
            continue
        if not other and not reborn and (_idle(pile, one) or _waits(draft, pile, one, site)):
            draft.own("piles")[name] = changed(pile, renewed_mono_s=mono_s)
            continue
        draft.moved += other
        rises = power > (pile.wanted_kw if pile.sent else 0.0) + POWER_EPSILON_KW
        effect = _setpoint(draft, site, name, power, rises, renewal=not other and not reborn)
        phases = phases_of(name)
        if phases is not None:
            # What stops it goes to the phases that it draws on.
            phases = pile.phases if power <= POWER_EPSILON_KW else phases
            effect = replace(effect, phases=phases)
            pile = rewired(pile, phases, clock)
        (rising if rises else falling).append(effect)
        draft.own("piles")[name] = _after(pile, one, effect, site, clock, other or reborn)
    for effect in (*falling, *rising):
        draft.emit(effect)


def _due(pile: PileState, one: FixedPile, site: Site, mono_s: float, *, lost: bool) -> bool:
    """True when the lease wants renewing, or the setpoint seems lost on its way."""
    if mono_s >= renewal_due_s(one.index, pile.renewed_mono_s, site.lease_s):
        return True
    return (
        lost
        and bool(pile.unacked)
        and mono_s - pile.changed_mono_s < RETRIES_S
        and mono_s - pile.renewed_mono_s >= MESSAGE_EXPIRY_S
    )


def _idle(pile: PileState, one: FixedPile) -> bool:
    """Without a vehicle, and with a fallback of 0, a lease that runs out changes nothing."""
    return (
        not pile.vehicle and one.pile.fallback_kw == 0 and pile.wanted_kw == 0 and not pile.unacked
    )


def _waits(draft: Draft, pile: PileState, one: FixedPile, site: Site) -> bool:
    """While nothing may rise, a lease that has run out is not renewed: it would be a rise.

    The pile is back at its fallback, and what came while we were deaf may not be read yet. After
    a take-over nobody knows of a lease's end: then the plan goes on.
    """
    mono_s: float = draft.get("mono_s")
    return (
        mono_s < draft.get("hold_until_mono_s")
        and not pile.unacked
        and pile.wanted_kw > one.pile.fallback_kw
        and 0.0 <= pile.lease_mono_s <= mono_s - site.lease_s
    )


def _setpoint(
    draft: Draft, site: Site, name: str, power: float, rises: bool, *, renewal: bool
) -> SetpointSent:
    seq = draft.get("seq") + 1
    draft.put("seq", seq)
    return SetpointSent(
        pile=name,
        stamp=(draft.get("epoch"), seq),
        power_kw=power,
        lease_s=site.lease_s,
        fallback_kw=site.pile_by_id[name].fallback_kw,
        reason=report.reason_code(draft, site, name, power),
        after_commit=rises,
        renewal=renewal,
    )


def _after(
    pile: PileState, one: FixedPile, effect: SetpointSent, site: Site, clock: Clock, new: bool
) -> PileState:
    """The pile once the message is on its way."""
    mono_s = clock.mono_s
    sent = SentSetpoint(
        stamp=effect.stamp,
        power_kw=effect.power_kw,
        sent_mono_s=mono_s,
        holds_until_mono_s=mono_s + MESSAGE_EXPIRY_S + site.lease_s,
    )
    # An older one of no more power ends sooner and says nothing.
    kept = tuple(
        s for s in pile.unacked if s.holds_until_mono_s > mono_s and s.power_kw > sent.power_kw
    )
    if not new:
        current = pile.acked is not None and pile.acked.sent_mono_s >= pile.changed_mono_s
        if current and not pile.unacked and pile.acked is not None:
            renewed = changed(sent, power_kw=max(pile.acked.power_kw, sent.power_kw))
            return changed(pile, acked=renewed, renewed_mono_s=mono_s)
        return changed(pile, unacked=(*kept, sent), renewed_mono_s=mono_s)
    before = pile.wanted_kw if pile.sent else 0.0
    if mono_s - pile.changed_mono_s < one.pile.response_s + SETTLED_S:
        before = max(before, pile.before_kw)
    return changed(
        switched(pile, effect.power_kw, clock),
        unacked=(*kept, sent),
        wanted_kw=effect.power_kw,
        before_kw=before,
        changed_mono_s=mono_s,
        renewed_mono_s=mono_s,
        sent=True,
    )
