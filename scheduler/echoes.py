"""Telemetry that says of a pile what was known: it is not looked at anew, only noted as heard.

Most messages do: a pile that waits draws nothing, one that charges a little less than it may, and
its register goes on. What a look would find then differs by nothing but when the pile was heard and
what it surely draws.
"""

from __future__ import annotations

from models.switching import FREE
from models.units import ENERGY_EPSILON_KWH
from scheduler.draft import Draft
from scheduler.fixed import FixedPile
from scheduler.sight import Now, Sight
from scheduler.state import PileState, SessionRecord
from scheduler.unused import UNDER_SHARE


def note_echo(draft: Draft, name: str, before: PileState, after: PileState) -> None:
    """Note that a pile's states before and after differ by telemetry alone."""
    echo = draft.echoes.get(name)
    first = echo[0] if echo is not None and echo[1] is before else before
    draft.echoes[name] = (first, after)


def heard_again(
    sight: Sight,
    pile: PileState,
    record: SessionRecord | None,
    draft: Draft,
    one: FixedPile,
    now: Now,
) -> bool:
    """Bring a sight up to a pile's state of now where only telemetry lies between.

    Returns
    -------
    bool
        False where the pile has to be looked at: nothing was changed then.
    """
    echo = draft.echoes.get(one.pile.id)
    before, outlet = sight.pile, sight.outlet
    if echo is None or echo[0] is not before or echo[1] is not pile or outlet is None:
        return False
    if (
        sight.silent_kw is not None
        or not sight.since_s <= now.mono_s < sight.own_until_s
        or now.mono_s - pile.heard_mono_s > now.silence_s
        or pile.fault != before.fault
        or pile.vehicle != before.vehicle
        # A reading from before its setpoint is judged by what it was told then.
        or before.measured_mono_s < before.changed_mono_s
        or one.pile.switching is not FREE
        or sight.phases is not None
        or not _wants_the_same(sight.record, record)
    ):
        return False
    if pile.power_kw != before.power_kw:
        if not _draws_as_told(pile, before, outlet.held_kw * one.factor):
            return False
        outlet.drawn_kw = pile.power_kw / one.factor
    elif pile.power_kw > pile.wanted_kw or not pile.sent:
        return False
    sight.pile, sight.record = pile, record
    return True


def _wants_the_same(before: SessionRecord | None, after: SessionRecord | None) -> bool:
    """Whether a session has only gone on: what it is given hangs on nothing that changed."""
    if after is before:
        return True
    if before is None or after is None:
        return False
    request = after.request
    enough = request.energy_kwh - ENERGY_EPSILON_KWH
    return (
        request is before.request
        and after.state == before.state
        and request.battery_kwh is None
        and (after.delivered_kwh < enough) == (before.delivered_kwh < enough)
    )


def _draws_as_told(pile: PileState, before: PileState, held_kw: float) -> bool:
    """Whether a pile drew before, and draws now, no more than its setpoint and nearly all of it,
    while something else than its reading says what it may be drawing.
    """
    least, most = UNDER_SHARE * pile.wanted_kw, pile.wanted_kw
    both = (pile.power_kw, before.power_kw)
    return (
        pile.sent
        and not pile.probing
        and all(0.0 < kw < held_kw and least <= kw <= most for kw in both)
    )
