"""Fold of sessions: requests, walk-ins, what the pile's register says, and the end."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

from models.events import PileMeasured, SessionEnded, SessionRequested
from models.horizon import epoch_s
from models.session import Request, after
from models.site import Site
from models.units import ENERGY_EPSILON_KWH
from scheduler.draft import Draft
from scheduler.effects import Rejected, SessionStatus
from scheduler.fixed import fixed
from scheduler.learned import Taken, remember
from scheduler.owed import may_give
from scheduler.state import UNKNOWN_PILE, PileState, SessionRecord, changed

DRAWS_KW = 0.05
"""Above this a vehicle charges; a pile's own electronics stay below it."""

EARLY_ARRIVAL = timedelta(hours=2)
"""A vehicle that comes at most so much before its announced arrival is the announced one."""

NEVER = (-1, -1)
GONE = (2**62, 0)
"""Stamps of tombstones: below every request's, and above, where the vehicle itself has left."""

REGISTER_SLACK_KWH = 1.0
"""A register may say so much more than power times time."""

TOMBSTONES = 4096
"""How many ended sessions are remembered against late requests."""


def requested(draft: Draft, event: SessionRequested, site: Site) -> None:
    """A request: new, changed, or adopting the walk-in that already charges at its pile."""
    request = event.request
    sessions = draft.own("sessions")
    draft.announced = None
    if request.session in draft.get("tombstones"):
        del draft.own("tombstones")[request.session]
    known = sessions.get(request.session)
    if known is not None:
        # Only a full vehicle is woken: one that was announced has not come by being asked for.
        state = after(known.state, "vehicle") if known.state == "full" else known.state
        sessions[request.session] = replace(known, request=request, state=state, status_digest="")
        draft.news = True
        return
    pile = draft.piles.get(request.pile, UNKNOWN_PILE)
    count = draft.get("session_count") + 1
    draft.put("session_count", count)
    record = SessionRecord(request=request, state="announced", order=count)
    current = draft.get("pile_session").get(request.pile)
    if current is not None and sessions[current].request.walk_in:
        walk_in = sessions.pop(current)
        record = replace(walk_in, request=request, status_digest="", promised_kwh=None)
        draft.own("pile_session")[request.pile] = request.session
        draft.emit(
            SessionStatus(session=current, state="ended", why="adopted", why_zh="已转入预约会话")
        )
    elif current is None and pile.vehicle and request.arrival <= event.now + EARLY_ARRIVAL:
        record = replace(record, state="waiting", base_register_kwh=pile.register_kwh)
        draft.own("pile_session")[request.pile] = request.session
    sessions[request.session] = record
    draft.news = True


def refused(draft: Draft, event: SessionRequested, site: Site) -> bool:
    """True for a request that cannot be; its sender is told, and nothing changes."""
    reason = _refusal(draft, event, site)
    if reason is None:
        return False
    code, text, text_zh = reason
    session = event.request.session
    draft.emit(
        Rejected(topic=f"session/{session}/request", code=code, field="request", reason=text)
    )
    if session not in draft.sessions:
        draft.emit(SessionStatus(session=session, state="rejected", why=text, why_zh=text_zh))
    return True


def _refusal(draft: Draft, event: SessionRequested, site: Site) -> tuple[str, str, str] | None:
    """Code and sentence, in English and in Chinese."""
    request = event.request
    pile, name = request.pile, request.session
    if pile not in site.pile_by_id:
        return (
            "unknown_pile",
            f"{pile!r} is no pile of site {site.name}",
            f"场站 {site.name} 没有充电桩 {pile}",
        )
    if draft.get("tombstones").get(name, NEVER) > event.stamp:
        return "session_ended", f"session {name} has already ended", f"会话 {name} 已结束"
    if request.departure <= event.now:
        leaves = request.departure.isoformat()
        return "departure_past", f"the departure {leaves} has passed", f"离开时间 {leaves} 已过"
    known = draft.sessions.get(name)
    if known is not None:
        there = known.request.pile
        if there != pile and known.state != "announced":
            return "pile_changed", f"the vehicle stands at pile {there}", f"车辆停在充电桩 {there}"
        return None
    current = draft.get("pile_session").get(pile)
    if (
        current is not None
        and not draft.sessions[current].request.walk_in
        and request.arrival <= event.now
    ):
        return (
            "pile_occupied",
            f"session {current} is at pile {pile}",
            f"充电桩 {pile} 已被会话 {current} 占用",
        )
    return None


def ended(draft: Draft, event: SessionEnded, site: Site) -> None:
    """The operator says that a session is over; an end before its request leaves a tombstone."""
    if event.session in draft.sessions:
        close(draft, event.session, event.reason, event.reason)
    _bury(draft, event.session, event.stamp)


def _bury(draft: Draft, session: str, stamp: tuple[int, int]) -> None:
    tombstones = draft.own("tombstones")
    tombstones[session] = max(stamp, tombstones.get(session, NEVER))
    if len(tombstones) > TOMBSTONES:
        seen = draft.own("seen")
        for old in list(tombstones)[: TOMBSTONES // 2]:
            del tombstones[old]
            seen.pop(f"session/{old}", None)


def close(draft: Draft, session: str, why: str, why_zh: str) -> None:
    """Take a session out; its pile is free."""
    record: SessionRecord = draft.own("sessions").pop(session)
    if record.state != "announced" and not (record.request.walk_in or record.request.is_measured):
        ended = Taken(
            record.request.energy_kwh,
            record.delivered_kwh,
            record.state == "full",
            record.request.arrival_s,
            record.request.departure_s,
            draft.get("now").timestamp(),
        )
        draft.put("history", remember(draft.get("history"), ended))
    pile_session = draft.own("pile_session")
    if pile_session.get(record.request.pile) == session:
        del pile_session[record.request.pile]
    piles = draft.own("piles")
    pile: PileState = piles.get(record.request.pile, UNKNOWN_PILE)
    piles[record.request.pile] = replace(
        pile, learned_kw=None, below_since_mono_s=-1.0, probe_mono_s=-1.0, probes=0, probing=False
    )
    draft.emit(
        SessionStatus(
            session=session,
            state="ended",
            promised_kwh=record.promised_kwh,
            short_kwh=max(record.request.energy_kwh - record.delivered_kwh, 0.0),
            why=why,
            why_zh=why_zh,
        )
    )
    draft.news = True


def measured(draft: Draft, event: PileMeasured, site: Site, before: PileState) -> None:
    """What telemetry means for the session at the pile."""
    session = draft.get("pile_session").get(event.pile)
    if session is not None and not event.vehicle:
        close(draft, session, "vehicle left", "车辆已离开")
        _bury(draft, session, GONE)
        return
    if session is None:
        if event.vehicle:
            _plugged_in(draft, event, site)
        return
    record = draft.sessions[session]
    if may_give(site, record) is not None and event.soc is not None:
        _gave(draft, session, record, event, before)
        return
    base = record.base_register_kwh
    if (
        base is None
        or event.energy_kwh < base + record.delivered_kwh - ENERGY_EPSILON_KWH
        or event.energy_kwh > base + record.delivered_kwh + possible_kwh(event, site, before)
    ):
        # A register that runs backwards, or faster than the pile can, belongs to a rebooted or
        # replaced meter: go on from what was delivered so far.
        base = event.energy_kwh - record.delivered_kwh
    delivered = event.energy_kwh - base
    state = after(record.state, "power" if event.power_kw > DRAWS_KW else "no_power")
    if (
        delivered != record.delivered_kwh
        or state != record.state
        or base != record.base_register_kwh
        or event.soc != record.soc
    ):
        draft.own("sessions")[session] = changed(
            record, state=state, delivered_kwh=delivered, base_register_kwh=base, soc=event.soc
        )


def _gave(
    draft: Draft, session: str, record: SessionRecord, event: PileMeasured, before: PileState
) -> None:
    """A vehicle that may give back: what it holds counts, not what passed the register."""
    battery, soc, now_soc = record.request.battery_kwh, record.request.soc, event.soc
    assert battery is not None
    assert now_soc is not None
    first = now_soc if soc is None else soc
    hours = max(event.mono_s - before.measured_mono_s, 0.0) / 3600.0
    given = max(-before.power_kw, 0.0) * hours if before.measured_mono_s >= 0 else 0.0
    draft.own("sessions")[session] = changed(
        record,
        state=after(record.state, "power" if event.power_kw > DRAWS_KW else "no_power"),
        delivered_kwh=(now_soc - first) * battery,
        base_register_kwh=event.energy_kwh,
        soc=now_soc,
        given_kwh=record.given_kwh + given,
    )


def _announced(draft: Draft, pile: str) -> list[tuple[str, SessionRecord]]:
    """Announced sessions of a pile; all are looked up once a drain, for a thousand piles ask."""
    if draft.announced is None:
        draft.announced = {}
        for session, record in draft.sessions.items():
            if record.state == "announced":
                draft.announced.setdefault(record.request.pile, []).append((session, record))
    sessions = draft.sessions
    return [(s, r) for s, r in draft.announced.get(pile, ()) if sessions.get(s) is r]


def possible_kwh(event: PileMeasured, site: Site, before: PileState) -> float:
    """The most a register can have grown since the last reading, kWh; inf after a restart."""
    if before.measured_mono_s < 0:
        return math.inf
    hours = (event.mono_s - before.measured_mono_s) / 3600.0
    return REGISTER_SLACK_KWH + 1.5 * site.pile_by_id[event.pile].max_kw * hours


def _plugged_in(draft: Draft, event: PileMeasured, site: Site) -> None:
    """A vehicle appears: the announced one, or a walk-in under the site's rule."""
    announced = sorted(
        (r.request.arrival, s)
        for s, r in _announced(draft, event.pile)
        if r.request.arrival <= event.now + EARLY_ARRIVAL
    )
    if not announced and site.walk_in is None:
        return
    sessions = draft.own("sessions")
    if announced:
        session = announced[0][1]
        record: SessionRecord = sessions[session]
        record = replace(
            record,
            state=after(record.state, "vehicle"),
            base_register_kwh=event.energy_kwh,
        )
    elif site.walk_in is not None:
        place = event.pile if len(event.pile) <= 40 else str(fixed(site).piles[event.pile].index)
        session = f"walk-in-{place}-{epoch_s(event.now)}"
        count = draft.get("session_count") + 1
        draft.put("session_count", count)
        record = SessionRecord(
            request=Request(
                session=session,
                pile=event.pile,
                arrival=event.now,
                departure=event.now + timedelta(hours=site.walk_in.stay_h),
                energy_kwh=site.walk_in.energy_kwh,
                priority=site.walk_in.priority,
                walk_in=True,
            ),
            state="waiting",
            base_register_kwh=event.energy_kwh,
            order=count,
        )
    else:
        return
    sessions[session] = record
    draft.own("pile_session")[event.pile] = session
    draft.news = True
