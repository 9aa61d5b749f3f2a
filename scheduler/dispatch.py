"""From the plan to what each pile should get now: minimum power, dead band, unused headroom."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from models.horizon import epoch_s
from models.pile import Pile
from models.session import after
from models.site import Site
from models.units import ENERGY_EPSILON_KWH, POWER_EPSILON_KW
from scheduler.draft import Draft
from scheduler.fold_sessions import DRAWS_KW
from scheduler.state import PileState, SessionRecord

UNUSED_AFTER_S = 60.0
"""A vehicle so long under its setpoint gives the rest back (I8)."""

UNDER_SHARE = 0.9
"""Under its setpoint means: below this share of it. AC vehicles regulate to within a few %."""

FIRST_PROBE_S = 300.0
"""A vehicle that took less is offered more again after this; then after 4 times as long."""

LAST_PROBE_S = 14_400.0

DEAD_BAND_SHARE = 0.01
"""Changes below this share of a pile's power are not worth a message."""


def learn_unused(draft: Draft, site: Site, mono_s: float) -> None:
    """Give back what vehicles do not draw, and probe them again later.

    After 60 s under its setpoint a vehicle counts with its measured power plus one step; one
    that draws nothing is full. Both are offered more again later, ever more rarely.
    """
    for session, record in list(draft.sessions.items()):
        if record.state == "announced":
            continue
        name = record.request.pile
        pile = draft.piles[name]
        nameplate = site.pile_by_id[name]
        if 0 <= pile.probe_mono_s <= mono_s and pile.learned_kw is not None:
            _probe(draft, session, record, name, pile)
            continue
        if not pile.sent or pile.wanted_kw <= DRAWS_KW or _on_its_way(pile):
            _mark(draft, name, pile, -1.0)
            continue
        if pile.power_kw >= UNDER_SHARE * pile.wanted_kw:
            _mark(draft, name, pile, -1.0)
            continue
        if pile.below_since_mono_s < 0:
            _mark(draft, name, pile, mono_s)
            continue
        if mono_s - pile.below_since_mono_s < UNUSED_AFTER_S:
            continue
        _give_back(draft, session, record, name, pile, nameplate, mono_s)


def _on_its_way(pile: PileState) -> bool:
    """True while another power than the one wanted may still reach the pile, or just did."""
    return any(s.power_kw != pile.wanted_kw for s in pile.unacked) or (
        pile.measured_mono_s < pile.changed_mono_s
    )


def _mark(draft: Draft, name: str, pile: PileState, since: float) -> None:
    if pile.below_since_mono_s != since:
        draft.own("piles")[name] = replace(pile, below_since_mono_s=since)


def _probe(draft: Draft, session: str, record: SessionRecord, name: str, pile: PileState) -> None:
    draft.own("piles")[name] = replace(
        pile, learned_kw=None, probe_mono_s=-1.0, below_since_mono_s=-1.0
    )
    draft.own("sessions")[session] = replace(record, state=after(record.state, "vehicle"))
    draft.news = True


def _give_back(
    draft: Draft,
    session: str,
    record: SessionRecord,
    name: str,
    pile: PileState,
    nameplate: Pile,
    mono_s: float,
) -> None:
    drawn = max(pile.power_kw, 0.0)
    wait = min(FIRST_PROBE_S * 4.0**pile.probes, LAST_PROBE_S)
    if drawn <= DRAWS_KW:
        learned = 0.0
        draft.own("sessions")[session] = replace(record, state=after(record.state, "full"))
    else:
        step = nameplate.step_kw or max(nameplate.amps_per_kw and 1.0 / nameplate.amps_per_kw, 0.1)
        learned = max(min(drawn + step, nameplate.max_kw), nameplate.min_kw)
    draft.own("piles")[name] = replace(
        pile,
        learned_kw=learned,
        probe_mono_s=mono_s + wait,
        probes=pile.probes + 1,
        below_since_mono_s=-1.0,
    )
    draft.news = True


def _owes(record: SessionRecord) -> bool:
    return record.delivered_kwh < record.request.energy_kwh - ENERGY_EPSILON_KWH


def wants(draft: Draft, site: Site, now: datetime) -> dict[str, float]:
    """Power wanted at each pile with a vehicle, kW, by plan and by operators' orders."""
    plan = draft.plan
    at = epoch_s(now)
    out: dict[str, float] = {}
    pile_session: dict[str, str] = draft.get("pile_session")
    overrides = draft.get("overrides")
    lost: bool = draft.get("solver_lost")
    over = plan is not None and at >= plan.end_s
    for name, session in pile_session.items():
        record = draft.sessions[session]
        pile = draft.piles[name]
        nameplate = site.pile_by_id[name]
        override = overrides.get(name)
        at_once = record.request.mode == "now" or (
            override is not None and override.kind == "charge_now"
        )
        want = 0.0
        if record.state != "full" and _owes(record):
            if at_once or (lost and (plan is None or over or session not in plan.sessions)):
                # Whoever is to charge at once, or has no plan when no plan can be had, asks for
                # all; the kernel serves by priority and urgency.
                want = nameplate.max_kw
            elif plan is not None and session in plan.sessions:
                want = plan.sessions[session].at(at)
            if record.request.max_kw is not None:
                want = min(want, record.request.max_kw)
        if want <= POWER_EPSILON_KW:
            want = 0.0
        elif want < nameplate.min_kw:
            # Between nothing and the minimum lies nothing: the minimum, where it fits; the
            # kernel takes it away where it does not.
            want = nameplate.min_kw
        if pile.learned_kw is not None:
            want = min(want, pile.learned_kw)
        if override is not None:
            if override.kind == "hold_kw":
                want = min(override.hold_kw or 0.0, nameplate.max_kw)
            elif override.kind == "out_of_service":
                want = 0.0
        if pile.fault is not None:
            want = 0.0
        band = DEAD_BAND_SHARE * nameplate.max_kw
        if pile.sent and want > 0 and 0 < abs(want - pile.wanted_kw) < band:
            want = pile.wanted_kw
        out[name] = want
    return out
