"""Telemetry of piles, many at a time: what :func:`scheduler.fold.fold` makes of each, and nothing
else, in one pass.

Nine of ten messages of a site are these, and most of them say that a session has gone on as it
did. What is anything else (a vehicle that comes or goes, one that may give back, a pile that the
site does not have) goes the way of every fact.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.events import PileMeasured
from models.session import STATES, SessionState, after
from models.site import Site
from models.units import ENERGY_EPSILON_KWH
from scheduler import fold_sessions as on_session
from scheduler.admission import forget, seen_most
from scheduler.base_rise import note_jump
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.fold_sessions import DRAWS_KW, possible_kwh
from scheduler.state import UNKNOWN_PILE, PileState, SessionRecord, made

WITH_POWER: dict[SessionState, SessionState] = {s: after(s, "power") for s in STATES}
WITHOUT_POWER: dict[SessionState, SessionState] = {s: after(s, "no_power") for s in STATES}
"""What becomes of a session whose vehicle draws power, or none: a thousand ask in one drain."""


def fold_telemetry(draft: Draft, events: Sequence[PileMeasured], site: Site) -> None:
    """Let telemetry of piles that the site has change the draft, one after another."""
    known, most_seen = fixed(site).piles, seen_most(site)
    seen, piles, sessions = draft.own("seen"), draft.own("piles"), draft.own("sessions")
    echoes, pile_session = draft.echoes, draft.pile_session
    for event in events:
        name, stamp = event.pile, event.stamp
        one = known[name]
        last = seen.get(one.telemetry)
        if last is not None and last >= stamp:
            continue
        seen[one.telemetry] = stamp
        if last is None and len(seen) > most_seen:
            forget(draft, site)
        power_kw, register = event.power_kw, event.energy_kwh
        before: PileState = piles.get(name, UNKNOWN_PILE)
        fields = before.__dict__.copy()
        fields["heard_mono_s"] = fields["measured_mono_s"] = event.mono_s
        fields["power_kw"] = power_kw
        fields["currents_a"] = event.currents_a
        fields["register_kwh"] = register
        fields["vehicle"] = event.vehicle
        fields["fault"] = event.fault
        state = piles[name] = made(PileState, fields)
        if event.fault != before.fault or event.vehicle != before.vehicle:
            echoes.pop(name, None)
        else:
            echo = echoes.get(name)
            echoes[name] = (before if echo is None or echo[1] is not before else echo[0], state)
        if abs(power_kw - before.power_kw) > one.jump_kw:
            note_jump(draft, site, name, before.power_kw, power_kw)
        if event.fault != before.fault:
            draft.news = True
        session = pile_session.get(name)
        if session is None and not event.vehicle:
            continue
        record = None if session is None else sessions[session]
        if record is None or not event.vehicle or record.request.v2g is not None:
            on_session.measured(draft, event, site, before)
            pile_session = draft.pile_session
            continue
        # From here on it is what the fold of sessions makes of a vehicle that is still there.
        base, delivered = record.base_register_kwh, record.delivered_kwh
        if (
            base is None
            or register < base + delivered - ENERGY_EPSILON_KWH
            or (
                register > base + delivered
                and register > base + delivered + possible_kwh(event, site, before)
            )
        ):
            base = register - delivered
        state_now = (WITH_POWER if power_kw > DRAWS_KW else WITHOUT_POWER)[record.state]
        if (
            register - base != delivered
            or state_now != record.state
            or base != record.base_register_kwh
            or event.soc != record.soc
        ):
            fields = record.__dict__.copy()
            fields["state"] = state_now
            fields["delivered_kwh"] = register - base
            fields["base_register_kwh"] = base
            fields["soc"] = event.soc
            sessions[session] = made(SessionRecord, fields)
