"""Power reserved and not drawn comes back (I8): what vehicles were seen to take, and probes."""

from __future__ import annotations

from collections.abc import Iterable

from models.pile import Pile
from models.session import after
from models.site import Site
from scheduler.draft import Draft
from scheduler.fold_sessions import DRAWS_KW
from scheduler.state import PileState, SessionRecord, changed

UNUSED_AFTER_S = 60.0
"""A vehicle so long under its setpoint gives the rest back (I8)."""

UNDER_SHARE = 0.9
"""Under its setpoint means: below this share of it. AC vehicles regulate to within a few %."""

FIRST_PROBE_S = 900.0
"""A vehicle that took less is offered more again after this; then after 4 times as long."""

LAST_PROBE_S = 14_400.0

PROBE_STEP = 1.2
"""A probe offers so many times what is planned."""


def learn_unused(draft: Draft, site: Site, names: Iterable[str]) -> None:
    """Give back what vehicles do not draw, and probe them again later.

    After 60 s under its setpoint a vehicle counts with its measured power plus one step; one
    that draws nothing is full. Both are offered more again later, ever more rarely: a probe asks
    for no new plan, only what it finds does. Only the piles named are looked at.
    """
    mono_s: float = draft.get("mono_s")
    pile_session: dict[str, str] = draft.get("pile_session")
    for name in names:
        session = pile_session.get(name)
        if session is None:
            continue
        record: SessionRecord = draft.sessions[session]
        pile = draft.piles[name]
        nameplate = site.pile_by_id[name]
        if pile.probing and pile.power_kw > (pile.learned_kw or 0.0) + DRAWS_KW:
            _took_more(draft, session, record, name, pile)
            continue
        if 0 <= pile.probe_mono_s <= mono_s and not pile.probing:
            draft.own("piles")[name] = changed(
                pile, probing=True, probe_mono_s=-1.0, below_since_mono_s=-1.0
            )
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
        draft.own("piles")[name] = changed(pile, below_since_mono_s=since)


def _took_more(
    draft: Draft, session: str, record: SessionRecord, name: str, pile: PileState
) -> None:
    draft.own("piles")[name] = changed(
        pile, learned_kw=None, probe_mono_s=-1.0, below_since_mono_s=-1.0, probing=False
    )
    draft.own("sessions")[session] = changed(record, state=after(record.state, "vehicle"))
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
        draft.own("sessions")[session] = changed(record, state=after(record.state, "full"))
    else:
        step = nameplate.step_kw or max(nameplate.amps_per_kw and 1.0 / nameplate.amps_per_kw, 0.1)
        learned = max(min(drawn + step, nameplate.max_kw), nameplate.min_kw)
    draft.own("piles")[name] = changed(
        pile,
        learned_kw=learned,
        probe_mono_s=mono_s + wait,
        probes=pile.probes + 1,
        below_since_mono_s=-1.0,
        probing=False,
    )
    if pile.learned_kw is None or abs(pile.learned_kw - learned) > DRAWS_KW:
        draft.news = True


def probe_kw(nameplate: Pile, want_kw: float) -> float:
    """Power that a probe offers, kW: above what the vehicle was seen to take, or the minimum."""
    least = max(nameplate.min_kw, UNDER_SHARE * nameplate.max_kw if not nameplate.min_kw else 0.0)
    return min(max(least, PROBE_STEP * want_kw), nameplate.max_kw)
