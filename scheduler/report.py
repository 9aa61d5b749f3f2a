"""What people and other systems are told: statuses, answers to limits, plan totals, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.events import Solved
from models.horizon import instant_of
from models.plan import Plan, SessionPlan
from models.site import Site
from models.units import POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.at_rest import session_at_rest
from scheduler.draft import Draft
from scheduler.effects import Alert, PlanSummary, SessionStatus
from scheduler.fixed import fixed
from scheduler.problem import FloatArray, Problem
from scheduler.reasons import SHORT_KWH, Reason, Reasons
from scheduler.shortage import Cut
from scheduler.state import SessionRecord, changed
from scheduler.view import in_emergency
from scheduler.why import why

OFFER_AT_MOST_H = 168.0
"""A later departure is offered up to so many hours."""

CUTS_AT_MOST = 16
"""Different cuts that are looked for at one plan: some 4 ms each at 1,000 sessions, in control."""

STARVING_SHARE = 0.5
"""A session short of more than this share of its request starves."""


def reason_code(draft: Draft, site: Site, pile: str, power_kw: float) -> str:
    """Why a pile holds its power: one word of a fixed list (wire types carry the list)."""
    if draft.get("emergencies") and in_emergency(draft, site, fixed(site).piles[pile].path):
        return "emergency"
    session = draft.get("pile_session").get(pile)
    if session is None:
        return "no_session"
    if pile in draft.get("overrides"):
        return "override"
    record: SessionRecord = draft.sessions[session]
    if record.state == "full":
        return "full"
    plan = draft.plan
    if plan is None or session not in plan.sessions:
        return "no_plan"
    planned = plan.sessions[session].at(draft.get("now").timestamp())
    if power_kw < planned - POWER_EPSILON_KW and power_kw < draft.piles[pile].wanted_kw:
        return "limit"
    return "plan" if power_kw > 0 else "waiting"


def raise_alert(draft: Draft, kind: str, where: str, text: str, text_zh: str) -> None:
    """An alert, once until it is cleared."""
    key = f"{kind}/{where}"
    if key in draft.get("alerts"):
        return
    now: datetime = draft.get("now")
    draft.own("alerts")[key] = now
    draft.emit(Alert(kind=kind, where=where, since=now, text=text, text_zh=text_zh))


def clear_alert(draft: Draft, kind: str, where: str) -> None:
    """Say that an alert is over."""
    key = f"{kind}/{where}"
    if key not in draft.get("alerts"):
        return
    since = draft.own("alerts").pop(key)
    draft.emit(
        Alert(kind=kind, where=where, since=since, text="over", text_zh="已恢复", cleared=True)
    )


def planned(
    draft: Draft,
    problem: Problem,
    answer: Solved,
    plan: Plan,
    site: Site,
    *,
    periods: Sequence[str] = (),
    currency: str = "",
) -> None:
    """Tell what the new plan promises, session by session, why, and its totals.

    Parameters
    ----------
    periods : sequence of str
        Tariff period of each slot, where the tariff names them.
    currency : str
        ISO code.
    """
    energy = answer.planned_kwh
    by_slot = np.bincount(problem.entry_slot, weights=energy, minlength=problem.horizon.n)
    powers = None if answer.assets_kw is None else np.array(answer.assets_kw, dtype=np.float64)
    relaxed = None if answer.relaxed_kwh is None else np.array(answer.relaxed_kwh)
    reasons = Reasons(problem, energy, periods=periods, assets_kw=powers, relaxed_kwh=relaxed)
    sessions = draft.own("sessions")
    alerts = draft.get("alerts")
    costs, ready = _costs(problem, energy), _ready_s(problem, energy)
    short_total = 0.0
    for i, session in enumerate(problem.fleet.ids):
        record: SessionRecord | None = sessions.get(session)
        if record is None:
            continue
        short_total += record.short_kwh
        if record.short_kwh > SHORT_KWH or f"starvation/{session}" in alerts:
            _starving(draft, record)
        shown = record.short_kwh if record.short_kwh > SHORT_KWH else 0.0
        digest = _digest(record.state, record.promised_kwh, ready[i], shown)
        if digest == record.status_digest:
            continue
        status = _status(record, plan.sessions[session], costs[i], ready[i])
        reason = reasons.of(i, _cut(reasons, i) if shown else None, short_kwh=record.short_kwh)
        status = _with_why(status, reason, problem.horizon.zone, currency)
        sessions[session] = changed(record, status_digest=digest)
        draft.emit(status)
    unplanned(draft, site, set(problem.fleet.ids))
    draft.emit(
        PlanSummary(
            digest=plan.digest,
            status=plan.status,
            rung=plan.rung,
            gap=plan.gap,
            solve_ms=answer.solve_ms,
            planned_kwh=float(energy.sum()),
            short_kwh=short_total,
            cost=float(np.dot(by_slot, problem.buy_per_kwh)),
            binding_nodes=tuple(
                problem.node_ids[v] for v in np.flatnonzero(reasons.full.any(axis=1))
            ),
            periods=tuple(periods),
            currency=currency,
        )
    )
    if not answer.lost:
        clear_alert(draft, "solver_lost", site.name)


def _cut(reasons: Reasons, i: int) -> Cut | None:
    """What keeps a session short; None where too many others have been looked into already."""
    cuts = reasons.cuts
    return cuts.of(i) if cuts.known(i) or cuts.looked_for < CUTS_AT_MOST else None


def unplanned(draft: Draft, site: Site, planned_ids: set[str]) -> None:
    """Tell where the sessions stand that no plan has to serve: full, served, or out of order."""
    for session, record in list(draft.sessions.items()):
        if session in planned_ids or record.state == "announced":
            continue
        served = record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH
        full = record.state == "full"
        short = 0.0 if full or served else record.request.energy_kwh - record.delivered_kwh
        said = session_at_rest(record, draft.piles.get(record.request.pile), site.zone)
        status = SessionStatus(
            session=session,
            state=record.state,
            promised_kwh=record.delivered_kwh if full else record.promised_kwh,
            short_kwh=short if short > SHORT_KWH else 0.0,
            why=said.text,
            why_zh=said.text_zh,
        )
        digest = _digest(status.state, status.promised_kwh, None, status.short_kwh)
        if digest != record.status_digest:
            draft.own("sessions")[session] = changed(record, status_digest=digest)
            draft.emit(status)


def _starving(draft: Draft, record: SessionRecord) -> None:
    """A session that gets less than half of what it asks is not just late."""
    session, asked = record.request.session, record.request.energy_kwh
    if record.short_kwh <= max(STARVING_SHARE * asked, SHORT_KWH):
        clear_alert(draft, "starvation", session)
        return
    raise_alert(
        draft,
        "starvation",
        session,
        f"{record.short_kwh:.1f} of {asked:.1f} kWh cannot be given before it leaves; raise its "
        "priority, lengthen its stay or move it",
        f"离开前有 {record.short_kwh:.1f}/{asked:.1f} kWh 无法满足；请提高优先级、延长停留或换桩",
    )


def _with_why(
    status: SessionStatus, reason: Reason, zone: ZoneInfo, currency: str
) -> SessionStatus:
    """The status with its sentence, and the later departure that the sentence names."""
    said = why(reason, zone=zone, currency=currency)
    later = status.counter_departure
    if reason.later_s is not None:
        later = instant_of(reason.later_s)
    return replace(status, why=said.text, why_zh=said.text_zh, counter_departure=later)


def _status(
    record: SessionRecord, part: SessionPlan, cost: float, ready_s: int | None
) -> SessionStatus:
    request = record.request
    short = record.short_kwh if record.short_kwh > SHORT_KWH else 0.0
    most = max(part.power_kw, default=0.0)
    later: datetime | None = None
    # Beyond the window only the pile is known; a stay longer by a week is no offer.
    if short and most * OFFER_AT_MOST_H >= short:
        later = request.departure + timedelta(hours=short / most)
    return SessionStatus(
        session=request.session,
        state=record.state,
        promised_kwh=record.promised_kwh,
        ready_at=None if ready_s is None else instant_of(ready_s),
        cost=cost,
        short_kwh=short,
        counter_departure=later,
        counter_energy_kwh=record.promised_kwh if short else None,
    )


def _costs(problem: Problem, energy: FloatArray) -> list[float]:
    """Money that the plan spends on each session."""
    spent = energy * problem.buy_per_kwh[problem.entry_slot]
    costs: list[float] = np.bincount(
        problem.entry_session, weights=spent, minlength=problem.fleet.n
    ).tolist()
    return costs


def _ready_s(problem: Problem, energy: FloatArray) -> list[int | None]:
    """When the plan has delivered all it will, epoch seconds; None where it gives nothing."""
    given = np.flatnonzero(energy > POWER_EPSILON_KW * problem.entry_s / SECONDS_PER_HOUR)
    last = np.full(problem.fleet.n, -1)
    last[problem.entry_session[given]] = given
    ends = problem.entry_start_s + problem.entry_s
    return [int(ends[k]) if k >= 0 else None for k in last.tolist()]


def _digest(state: str, promised_kwh: float | None, ready_s: int | None, short_kwh: float) -> str:
    """Equal where a reader would see no difference: kWh to a tenth, time to 15 min."""
    ready = "" if ready_s is None else str(ready_s // 900)
    promised = "" if promised_kwh is None else f"{promised_kwh:.1f}"
    return f"{state}|{promised}|{ready}|{short_kwh:.1f}"
