"""What a new plan promises, told session by session: some in each drain, so that control goes on.

Why a session charges when it does takes some 0.15 ms to find out, a third of a second for 2,000 of
them. A limit that comes meanwhile must not wait for that: the setpoints of the plan leave first,
then a few sessions are told in each drain, those that wait for their first answer before others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from models.events import Solved
from models.horizon import instant_of
from models.plan import Plan, SessionPlan
from models.site import Site
from models.units import POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.draft import Draft
from scheduler.effects import HigherPrice, PlanSummary, SessionStatus
from scheduler.problem import FloatArray, Problem
from scheduler.reasons import SHORT_KWH, Reason, Reasons
from scheduler.report import clear_alert, raise_alert, status_digest, unplanned
from scheduler.shortage import Cut
from scheduler.solution import drawn_kwh
from scheduler.state import SessionRecord, changed
from scheduler.why import Why, why

OFFER_AT_MOST_H = 168.0
"""A later departure is offered up to so many hours."""

CUTS_AT_MOST = 16
"""Different cuts that are looked for at one plan: some 4 ms each at 1,000 sessions, in control."""

_Shown = tuple[str, float | None, int | None, float]
"""What a session's digest is made of: state, promise, when it is ready, what is short."""

STARVING_SHARE = 0.5
"""A session short of more than this share of its request starves."""


class Telling:
    """One plan and what is to be told of it; how far that has come is part of the state.

    Parameters
    ----------
    problem : Problem
        The problem.
    answer : Solved
        Its solution.
    plan : Plan
        The running plan made of it.
    sessions : dict
        Who is there: who has not been told anything yet comes first.
    periods : sequence of str
        Tariff period of each slot, where the tariff names them.
    currency : str
        ISO code.
    """

    def __init__(
        self,
        problem: Problem,
        answer: Solved,
        plan: Plan,
        sessions: dict[str, SessionRecord],
        *,
        periods: Sequence[str] = (),
        currency: str = "",
    ) -> None:
        self._problem, self._answer, self._plan = problem, answer, plan
        self._periods, self._currency = tuple(periods), currency
        energy = answer.planned_kwh
        powers = None if answer.assets_kw is None else np.array(answer.assets_kw, dtype=np.float64)
        relaxed = None if answer.relaxed_kwh is None else np.array(answer.relaxed_kwh)
        self._reasons = Reasons(
            problem, energy, periods=periods, assets_kw=powers, relaxed_kwh=relaxed
        )
        self._energy = energy
        self._records = list(map(sessions.get, problem.fleet.ids))
        self._many = sum(map(bool, self._records))
        self._same: dict[str, tuple[_Shown, str]] = {}

    def after(self, before: Telling | None) -> None:
        """Take over of the plan before what its sessions were found to be told: what looks the
        same need not be put into words to be seen to be the same.
        """
        if before is not None:
            self._same = before._same
            for session in self._same.keys() - set(self._problem.fleet.ids):
                del self._same[session]

    @cached_property
    def _order(self) -> list[tuple[int, str]]:
        """Who is told, one after another: those first who had not been told anything yet."""
        ids = self._problem.fleet.ids
        new, known = list[tuple[int, str]](), list[tuple[int, str]]()
        for i, record in enumerate(self._records):
            if record is not None:
                (known if record.status_digest else new).append((i, ids[i]))
        return [*new, *known]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {session: i for i, session in self._order}

    @cached_property
    def _ready(self) -> list[int | None]:
        return _ready_s(self._problem, self._energy)

    def totals(self, draft: Draft, site: Site) -> None:
        """Tell the totals of the plan, and where those stand whom it does not serve."""
        problem, plan, energy = self._problem, self._plan, self._answer.planned_kwh
        records = map(draft.sessions.get, problem.fleet.ids)
        by_slot = drawn_kwh(problem, energy)
        unplanned(draft, site, set(problem.fleet.ids))
        draft.emit(
            PlanSummary(
                digest=plan.digest,
                status=plan.status,
                rung=plan.rung,
                gap=plan.gap,
                solve_ms=self._answer.solve_ms,
                planned_kwh=float(energy.sum()),
                short_kwh=sum(record.short_kwh for record in records if record is not None),
                cost=float(np.dot(by_slot, problem.buy_per_kwh)),
                binding_nodes=tuple(
                    problem.node_ids[v] for v in np.flatnonzero(self._reasons.full.any(axis=1))
                ),
                periods=self._periods,
                currency=self._currency,
            )
        )
        if not self._answer.lost:
            clear_alert(draft, "solver_lost", site.name)

    def some(self, draft: Draft, at_most: int | None) -> None:
        """Tell the next sessions where they stand: so many statuses at most, None for all."""
        done: int = draft.get("told")
        said = 0
        while done < len(self._order) and (at_most is None or said < at_most):
            said += self._tell(draft, *self._order[done])
            done += 1
        draft.put("told", done)

    def goes_on(self, draft: Draft) -> bool:
        """Whether somebody is still to be told."""
        return bool(draft.get("told") < self._many)

    def again(self, draft: Draft, session: str) -> bool:
        """Tell one session what the plan means for it, as soon as its pile is heard again; False
        where the plan says nothing of it.
        """
        i = self._index.get(session)
        return i is not None and self._tell(draft, i, session)

    def why_of(self, draft: Draft, session: str) -> Why | None:
        """The plan's sentence of a session, None where it says nothing of it."""
        i, record = self._index.get(session), draft.sessions.get(session)
        if i is None or record is None or not self._answers(i, record):
            return None
        cut = self._cut(i) if record.short_kwh > SHORT_KWH else None
        return self._said(self._reasons.of(i, cut, short_kwh=record.short_kwh))

    def _tell(self, draft: Draft, i: int, session: str) -> bool:
        """Tell one session if a reader would see a difference; whether it was told."""
        record = draft.sessions.get(session)
        if record is None or not self._answers(i, record):
            # Gone, or it asks for something else by now: the next plan answers that.
            return False
        if record.request.pile in draft.silent and record.state != "announced":
            # What the plan gives it holds only once its pile is heard again.
            return False
        short = record.short_kwh > SHORT_KWH
        alerts = draft.get("alerts")
        if short or (alerts and f"starvation/{session}" in alerts):
            _starving(draft, record)
        shown_kwh = record.short_kwh if short else 0.0
        ready_s = self._ready[i]
        shown = (record.state, record.promised_kwh, ready_s, shown_kwh)
        same = self._same.get(session)
        if same is not None and same[0] == shown and same[1] == record.status_digest:
            return False
        digest = status_digest(record.state, record.promised_kwh, ready_s, shown_kwh)
        self._same[session] = (shown, digest)
        if digest == record.status_digest:
            return False
        cost = _cost(self._problem, self._energy, i)
        status = _status(record, self._plan.sessions[session], cost, ready_s)
        cut = self._cut(i) if short else None
        reason = self._reasons.of(i, cut, short_kwh=record.short_kwh)
        draft.own("sessions")[session] = changed(record, status_digest=digest)
        draft.emit(self._with_why(status, reason, record.delivered_kwh))
        return True

    def _answers(self, i: int, record: SessionRecord) -> bool:
        """Whether a session still asks for what it did when the plan came."""
        asked = self._records[i]
        return asked is not None and record.request is asked.request

    def _cut(self, i: int) -> Cut | None:
        """What keeps a session short; None where too many others have been looked into."""
        cuts = self._reasons.cuts
        return cuts.of(i) if cuts.known(i) or cuts.looked_for < CUTS_AT_MOST else None

    def _said(self, reason: Reason) -> Why:
        return why(reason, zone=self._problem.horizon.zone, currency=self._currency)

    def _with_why(
        self, status: SessionStatus, reason: Reason, delivered_kwh: float
    ) -> SessionStatus:
        """The status with its sentence, the later departure and the price that it names."""
        said = self._said(reason)
        later = status.counter_departure
        if reason.later_s is not None:
            later = instant_of(reason.later_s)
        offer, price = reason.dearer, None
        if offer is not None:
            price = HigherPrice(
                energy_kwh=delivered_kwh + offer.energy_kwh,
                ready_at=instant_of(offer.ready_s),
                cost=offer.cost,
                mode=offer.mode or None,
                priority=offer.priority,
            )
        return replace(
            status,
            why=said.text,
            why_zh=said.text_zh,
            counter_departure=later,
            counter_price=price,
        )


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


def _cost(problem: Problem, energy: FloatArray, i: int) -> float:
    """Money that the plan spends on session i."""
    own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
    spent = energy[own] * problem.buy_per_kwh[problem.entry_slot[own]]
    return float(sum(spent.tolist()))


def _ready_s(problem: Problem, energy: FloatArray) -> list[int | None]:
    """When the plan has delivered all it will, epoch seconds; None where it gives nothing."""
    given = np.flatnonzero(energy > POWER_EPSILON_KW * problem.entry_s / SECONDS_PER_HOUR)
    last = np.full(problem.fleet.n, -1)
    last[problem.entry_session[given]] = given
    if not problem.entry_s.size:
        return [None] * problem.fleet.n
    ends = (problem.entry_start_s[last] + problem.entry_s[last]).tolist()
    return [end if k >= 0 else None for k, end in zip(last.tolist(), ends, strict=True)]
