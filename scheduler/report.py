"""What people and other systems are told beside a new plan: statuses at rest, alerts."""

from __future__ import annotations

from datetime import datetime

from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.at_rest import session_at_rest
from scheduler.draft import Draft
from scheduler.effects import Alert, SessionStatus
from scheduler.fixed import fixed
from scheduler.reasons import SHORT_KWH
from scheduler.state import SessionRecord, changed
from scheduler.view import in_emergency

UNHEARD = "unheard|"
"""How the digest begins of what a session was told whose pile is silent."""


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


def unplanned(draft: Draft, site: Site, planned_ids: set[str]) -> None:
    """Tell where the sessions stand that no plan has to serve: full, served, or out of order."""
    others = draft.sessions.keys() - planned_ids
    for session, record in list(draft.sessions.items()) if others else ():
        if session not in others or record.state == "announced":
            continue
        # Whose pile is silent is told of that, until it is heard again.
        if not record.status_digest.startswith(UNHEARD):
            rest(draft, site, record)


def rest(draft: Draft, site: Site, record: SessionRecord) -> None:
    """Tell where a session stands that no plan serves, if a reader would see a difference."""
    session = record.request.session
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
    digest = status_digest(status.state, status.promised_kwh, None, status.short_kwh)
    if digest != record.status_digest:
        draft.own("sessions")[session] = changed(record, status_digest=digest)
        draft.emit(status)


def status_digest(
    state: str, promised_kwh: float | None, ready_s: int | None, short_kwh: float
) -> str:
    """Equal where a reader would see no difference: kWh to a tenth, time to 15 min."""
    ready = "" if ready_s is None else str(ready_s // 900)
    promised = "" if promised_kwh is None else f"{promised_kwh:.1f}"
    return f"{state}|{promised}|{ready}|{short_kwh:.1f}"
