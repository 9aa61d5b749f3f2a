"""One rolling step, as a list of its passes: control now, plan when there is news."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from models.events import Solved
from models.horizon import epoch_s
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler import report
from scheduler.dispatch import learn_unused, wants
from scheduler.draft import Draft
from scheduler.effects import SetpointSent, Solve
from scheduler.planning import build_problem, plan_of
from scheduler.problem import Problem
from scheduler.safety import Outlet, enforce
from scheduler.state import PileState, SentSetpoint, SessionRecord, SiteState
from scheduler.timers import renewal_due_s
from scheduler.view import (
    MESSAGE_EXPIRY_S,
    budget_now,
    counted_silent_kw,
    held_kw,
    in_emergency,
    is_silent,
    measure_base,
)
from tariffs.tariff import Tariff


def adopt(state: SiteState, site: Site, *, now: datetime, mono_s: float, epoch: int) -> SiteState:
    """Take over from a stored state: the same plan goes on and no setpoint jumps.

    Monotonic times of another run mean nothing here: every lease counts as just sent, every
    pile as just heard, and nothing rises for one lease.
    """
    piles: dict[str, PileState] = {}
    for pile in site.piles:
        old = state.piles.get(pile.id, PileState())
        until = mono_s + MESSAGE_EXPIRY_S + site.lease_s
        piles[pile.id] = replace(
            old,
            heard_mono_s=mono_s if old.heard_mono_s >= 0 else -1.0,
            acked=None
            if old.acked is None
            else replace(old.acked, sent_mono_s=mono_s, holds_until_mono_s=until),
            unacked=tuple(
                replace(s, sent_mono_s=mono_s, holds_until_mono_s=until) for s in old.unacked
            ),
            renewed_mono_s=-1.0,
            below_since_mono_s=-1.0,
            probe_mono_s=mono_s + 60.0 if old.learned_kw is not None else -1.0,
        )
    return replace(
        state,
        now=now,
        mono_s=mono_s,
        epoch=epoch,
        seq=0,
        started_mono_s=mono_s,
        hold_until_mono_s=mono_s + site.lease_s,
        piles=piles,
        nodes={
            k: replace(n, heard_mono_s=mono_s, base_mono_s=-1.0) for k, n in state.nodes.items()
        },
        heartbeat_mono_s=mono_s if state.heartbeat_mono_s >= 0 else -1.0,
        solving=None,
        plan_wanted=True,
        next_slot_s=0,
        next_limit_edge_s=0,
    )


def control(draft: Draft, site: Site) -> None:
    """Setpoints of this drain: what the plan wants, after the safety kernel."""
    now: datetime = draft.get("now")
    mono_s: float = draft.get("mono_s")
    silent = _silent(draft, site, mono_s)
    measure_base(draft, site, silent, mono_s)
    learn_unused(draft, site, mono_s)
    wanted = wants(draft, site, now)
    may_rise = mono_s >= draft.get("hold_until_mono_s")
    names: list[str] = []
    outlets: list[Outlet] = []
    keys: list[tuple[float, ...]] = []
    pile_session = draft.get("pile_session")
    for name, pile in draft.piles.items():
        if name in silent and not pile.sent:
            continue
        nameplate = site.pile_by_id[name]
        path = site.network.path[site.pile_node[name]]
        want = wanted.get(name, 0.0)
        stopped = in_emergency(draft, site, path)
        if stopped:
            want = 0.0
        quiet = name in silent
        names.append(name)
        outlets.append(
            Outlet(
                path=path,
                want_kw=0.0 if quiet else want,
                held_kw=0.0 if quiet else held_kw(pile, nameplate, mono_s, site.lease_s),
                sent_kw=pile.wanted_kw if pile.sent else 0.0,
                min_kw=nameplate.min_kw,
                max_kw=nameplate.max_kw,
                step_kw=nameplate.step_kw,
                factor=nameplate.count_factor(site.voltage_tolerance),
                phases=tuple(p - 1 for p in nameplate.phases)
                if nameplate.current == "ac"
                else (0, 1, 2),
                amps_per_kw=nameplate.amps_per_kw,
                may_rise=may_rise and not stopped and not quiet,
            )
        )
        keys.append(_rank(draft, pile_session.get(name), now))
    order = sorted(range(len(outlets)), key=lambda i: (keys[i], i))
    powers = enforce(outlets, order, budget_now(draft, site, silent))
    _send(draft, site, names, powers, mono_s)


def _silent(draft: Draft, site: Site, mono_s: float) -> dict[str, float]:
    """Silent piles and what each counts, kW."""
    return {
        name: counted_silent_kw(pile, site.pile_by_id[name], mono_s, site.lease_s)
        for name, pile in draft.piles.items()
        if is_silent(pile, site, mono_s)
    }


def _rank(draft: Draft, session: str | None, now: datetime) -> tuple[float, ...]:
    """Who is served first under a shortage: priority, then least laxity."""
    if session is None:
        return (10.0, 0.0)
    record = draft.sessions[session]
    request = record.request
    left_h = (request.departure - now).total_seconds() / 3600.0
    owed = max(request.energy_kwh - record.delivered_kwh, 0.0)
    return (-float(request.priority), left_h - owed / 7.0)


def _send(draft: Draft, site: Site, names: list[str], powers: list[float], mono_s: float) -> None:
    """Emit the setpoints that changed, decreases first, and renew the leases that are due."""
    index = {p: k for k, p in enumerate(draft.piles)}
    falling: list[SetpointSent] = []
    rising: list[SetpointSent] = []
    for name, power in zip(names, powers, strict=True):
        pile: PileState = draft.piles[name]
        reborn = name in draft.born
        changed = not pile.sent or abs(power - pile.wanted_kw) > POWER_EPSILON_KW
        # Without a vehicle, and with a fallback of 0, a lease that runs out changes nothing.
        idle = not pile.vehicle and site.pile_by_id[name].fallback_kw == 0 and power == 0
        due = pile.sent and mono_s >= renewal_due_s(index[name], pile.renewed_mono_s, site.lease_s)
        if not (changed or reborn or (due and not idle)):
            if due and idle:
                draft.own("piles")[name] = replace(pile, renewed_mono_s=mono_s)
            continue
        renewal = not changed and not reborn
        rises = power > (pile.wanted_kw if pile.sent else 0.0) + POWER_EPSILON_KW
        seq = draft.get("seq") + 1
        draft.put("seq", seq)
        stamp = (draft.get("epoch"), seq)
        effect = SetpointSent(
            pile=name,
            stamp=stamp,
            power_kw=power,
            lease_s=site.lease_s,
            fallback_kw=site.pile_by_id[name].fallback_kw,
            reason=report.reason_code(draft, name, power),
            after_commit=rises,
            renewal=renewal,
        )
        (rising if rises else falling).append(effect)
        sent = SentSetpoint(
            stamp=stamp,
            power_kw=power,
            sent_mono_s=mono_s,
            holds_until_mono_s=mono_s + MESSAGE_EXPIRY_S + site.lease_s,
        )
        kept = tuple(s for s in pile.unacked if s.holds_until_mono_s > mono_s)
        if renewal and pile.acked is not None and not kept:
            draft.own("piles")[name] = replace(
                pile, acked=replace(sent, power_kw=pile.acked.power_kw), renewed_mono_s=mono_s
            )
            continue
        draft.own("piles")[name] = replace(
            pile,
            unacked=(*kept, sent),
            wanted_kw=power,
            renewed_mono_s=mono_s,
            sent=True,
        )
    for effect in (*falling, *rising):
        draft.emit(effect)


def plan_if_wanted(draft: Draft, site: Site, tariff: Tariff) -> Problem | None:
    """Ask for a plan when there is news and none is being made."""
    if draft.news and not draft.get("plan_wanted"):
        draft.put("plan_wanted", True)
    if not draft.get("plan_wanted") or draft.get("solving") is not None:
        return None
    draft.put("plan_wanted", False)
    problem = build_problem(draft, site, tariff)
    if problem.fleet.n == 0:
        return None
    draft.put("solving", problem.digest)
    draft.emit(Solve(problem=problem, now=draft.get("now"), reason="news"))
    return problem


def take_plan(draft: Draft, problem: Problem, answer: Solved, site: Site) -> None:
    """A solver's answer becomes the running plan, and promises are given from it."""
    plan = plan_of(problem, answer)
    draft.put("plan", plan)
    sessions = draft.own("sessions")
    planned = np.bincount(
        problem.entry_session, weights=answer.energy_kwh, minlength=problem.fleet.n
    )
    most = np.bincount(problem.entry_session, weights=problem.upper_kwh, minlength=problem.fleet.n)
    for i, session in enumerate(problem.fleet.ids):
        record: SessionRecord | None = sessions.get(session)
        if record is None:
            continue
        asked = record.request.energy_kwh
        owed = float(problem.fleet.energy_kwh[i])
        short = 0.0
        if epoch_s(record.request.departure) <= plan.end_s:
            # What the car will likely not take is not planned; it must fit the stay all the same.
            unlikely = asked - record.delivered_kwh - owed
            short = max(owed - float(planned[i]), 0.0)
            short += max(unlikely - max(float(most[i] - planned[i]) - short, 0.0), 0.0)
        sessions[session] = replace(record, promised_kwh=asked - short, short_kwh=short)
    report.planned(draft, problem, answer, plan, site)
