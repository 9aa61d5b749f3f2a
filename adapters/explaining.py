"""Why a session charges as it does: its newest step, the reason, and what keeps it short."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.store.steps import Step
from models.horizon import instant_of
from models.site import Site
from scheduler.at_rest import behind_silence, session_at_rest
from scheduler.dearer import Dearer
from scheduler.draft import Draft
from scheduler.reasons import SHORT_KWH, Reasons
from scheduler.state import PileState, SessionRecord, SiteState
from scheduler.view import silent_kw_now
from scheduler.why import Why, why


def reasons_of(step: Step) -> Reasons:
    """What the sessions of a step record rest on."""
    return Reasons(
        step.problem,
        step.energy_kwh,
        periods=step.periods,
        assets_kw=step.assets_kw,
        relaxed_kwh=step.relaxed_kwh,
    )


def explained(step: Step, session: str, *, short_kwh: float | None = None) -> dict[str, Any]:
    """A session of a step: sentence in both languages, numbers, and the cut if it ends short.

    Parameters
    ----------
    step : Step
        One whose problem holds the session.
    session : str
        Its id.
    short_kwh : float, optional
        What it ends short by, as the daemon told it with this step; by the step alone it is what
        the problem owed and the plan does not give.
    """
    problem = step.problem
    i = problem.fleet.ids.index(session)
    reasons = reasons_of(step)
    short = reasons.of(i).short_kwh if short_kwh is None else short_kwh
    cut = reasons.cuts.of(i) if short > SHORT_KWH else None
    reason = reasons.of(i, cut, short_kwh=short)
    said = why(reason, zone=problem.horizon.zone, currency=step.currency)
    return {
        "session": session,
        "step": step.number,
        "at": step.at.isoformat(),
        "why": said.text,
        "why_zh": said.text_zh,
        "kind": reason.kind,
        "planned_kwh": reason.planned_kwh,
        "short_kwh": reason.short_kwh,
        "ready_at": _instant(reason.ready_s, problem.horizon.zone),
        "cost": reason.cost,
        "saved": reason.saved,
        "leaving_at_would_do": _instant(reason.later_s, problem.horizon.zone),
        "at_a_higher_price": _offer(reason.dearer, problem.horizon.zone),
        "cut": [
            {
                "node": s.node,
                "from": _instant(s.start_s, problem.horizon.zone),
                "to": _instant(s.end_s, problem.horizon.zone),
            }
            for s in reason.full
        ]
        if cut is not None
        else [],
        "behind_the_same_cut": [] if cut is None else [s for s in cut.sessions if s != session],
        "more_kw": None if cut is None or not cut.nodes else cut.more_kw,
    }


def explained_at_rest(
    record: SessionRecord, pile: PileState | None, now: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    """A session that the newest plan need not serve; the keys are those of :func:`explained`.

    Parameters
    ----------
    record : SessionRecord
    pile : PileState or None
        Its pile.
    now : datetime
        The state's instant.
    zone : ZoneInfo
        Clock times are given in it.
    """
    said = session_at_rest(record, pile, zone)
    return {
        "session": record.request.session,
        "step": None,
        "at": now.isoformat(),
        "why": said.text,
        "why_zh": said.text_zh,
        "kind": record.state,
        "planned_kwh": 0.0,
        "short_kwh": record.short_kwh,
        "ready_at": None,
        "cost": 0.0,
        "saved": 0.0,
        "leaving_at_would_do": None,
        "at_a_higher_price": None,
        "cut": [],
        "behind_the_same_cut": [],
        "more_kw": None,
    }


def behind_its_pile(
    found: dict[str, Any], record: SessionRecord, seen: SiteState, site: Site
) -> dict[str, Any]:
    """What was found out of a session, after its pile's silence where that is not heard.

    Parameters
    ----------
    found : dict
        As :func:`explained` makes it.
    record : SessionRecord
    seen : SiteState
    site : Site
    """
    pile = record.request.pile
    known = seen.piles.get(pile)
    if known is None or pile not in site.pile_by_id or record.state == "announced":
        return found
    silent_kw = silent_kw_now(Draft(seen), site)(pile, known)
    if silent_kw is None:
        return found
    said = behind_silence(
        Why(found["why"], found["why_zh"]),
        known,
        now=seen.now.astimezone(site.zone),
        mono_s=seen.mono_s,
        silent_kw=silent_kw,
    )
    return {**found, "why": said.text, "why_zh": said.text_zh}


def _offer(dearer: Dearer | None, zone: Any) -> dict[str, Any] | None:
    if dearer is None:
        return None
    return {
        "mode": dearer.mode or None,
        "priority": dearer.priority,
        "energy_kwh": dearer.energy_kwh,
        "ready_at": _instant(dearer.ready_s, zone),
        "cost": dearer.cost,
    }


def _instant(seconds: int | None, zone: Any) -> str | None:
    if seconds is None:
        return None
    local: datetime = instant_of(seconds).astimezone(zone)
    return local.isoformat()
