"""Demand response events: what the site answers, what it promises, what its meter says (需求响应).

A mandatory ``limit_to`` is obeyed as a limit, by the kernel. Other events count from the baseline
of the last like days, or follow a series: mandatory ones are accepted at once, the rest are weighed
by the next plan, which takes as much as pays, and what it takes is promised and then held. What the
site cannot take on it refuses with its reason: an event that nobody answers would be counted as
accepted by some senders. A reduction is bought once: what another event has bought, or what a limit
takes away anyway, lowers the level that a later one counts from; and of two that wait for the same
hours the plan weighs the earlier one first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from models.events import DemandCalled
from models.horizon import FloatArray
from models.limits import is_limit
from models.plan import Plan
from models.site import Site
from scheduler.calls import asked_kw, target_kw, waiting
from scheduler.draft import Draft
from scheduler.effects import EventAnswer
from scheduler.problem import Problem
from scheduler.quarters import QUARTER_S, Quarters, baseline_kw, begun, like_days, quarter_starts
from scheduler.state import CalledRecord, NodeState
from scheduler.view import limit_now_kw

CALLS_KEPT = timedelta(days=1)
"""How long an event that is over is still known by name."""

CALLS_MAX = 256
"""Events that a site keeps; one more is refused."""

LEAST_SHARE = 0.05
"""A voluntary event of which a plan takes less is refused: it costs more than it pays."""

LEAST_KW = 0.05
"""A promise smaller than the meters' error is none."""

FOLLOWED_SHARE = 0.1
"""A voluntary series is followed when the plan keeps within this share of it."""

BY_WEEKDAY = "the baseline's like days are told by weekday, the tariff names no country's holidays"


def called(draft: Draft, event: DemandCalled, site: Site) -> None:
    """An event, a newer word on it, or its withdrawal."""
    calls = draft.own("calls")
    if event.revoked:
        calls.pop(event.event, None)
        _answer(draft, CalledRecord(event, event.now, "revoked", "withdrawn by its sender"), site)
    else:
        calls.pop(event.event, None)
        record = decide(draft, event, site)
        calls[event.event] = record
        _answer(draft, record, site)
    draft.put("next_limit_edge_s", 0.0)
    draft.news = True


def decide(draft: Draft, event: DemandCalled, site: Site) -> CalledRecord:
    """What the site says at once: ``accepted``, ``refused``, or ``weighed`` by the next plan."""
    heard = CalledRecord(event, event.now, "refused")
    rule = site.response
    if event.end <= draft.get("now"):
        return replace(heard, why="it is over already")
    if is_limit(event) and rule is None:
        return replace(heard, decision="accepted", why="held as a limit at the point of connection")
    if rule is None:
        if event.mandatory:
            why = f"{event.kind} needs a baseline that this site has not measured yet"
            return replace(heard, why=f"{why}; state [site.response]")
        return replace(heard, why="this site takes no voluntary part in such events")
    pay = event.incentive_per_kwh or 0.0
    if not event.mandatory and pay < max(rule.least_per_kwh, 1e-9):
        return replace(
            heard, why=f"it pays {pay:g} per kWh, at least {rule.least_per_kwh:g} wanted"
        )
    starts = quarter_starts(event.start, event.end)
    held = _followed(draft, starts)
    if held and not event.mandatory:
        return replace(heard, why=f"what is drawn then follows the series of {held} already")
    quarters: Quarters | None = draft.get("quarters")
    record = replace(heard, starts_s=tuple(starts))
    if event.kind == "follow":
        said = [target_kw(record, k) for k in range(len(starts))]
        level = np.array([math.nan if s is None else s for s in said])
    else:
        known = [] if quarters is None else like_days(quarters, starts, site.zone, rule)
        if len(known) < rule.like_days and is_limit(event):
            return replace(
                heard, decision="accepted", why="held as a limit at the point of connection"
            )
        if len(known) < rule.like_days:
            why = f"the baseline needs {rule.like_days} like days by meter, {len(known)} are known"
            return replace(heard, why=why)
        level = _not_sold_twice(draft, site, event, starts, baseline_kw(known, rule))
    record = replace(record, level_kw=tuple(level.tolist()))
    if not event.mandatory:
        why = "the next plan says how much of it pays"
        return replace(record, decision="weighed", why=why)
    wanted = asked_kw(record)
    if event.kind != "raise_by":
        wanted = np.minimum(wanted, np.maximum(level, 0.0))
    return replace(
        record,
        decision="accepted",
        why="mandatory",
        promised_kw=() if event.kind == "follow" else tuple(wanted.tolist()),
    )


def _followed(draft: Draft, starts: Sequence[int]) -> str:
    """The event whose series is followed in some of these quarter hours; empty: none."""
    wanted = set(starts)
    for name, record in draft.get("calls").items():
        follows = record.called.kind == "follow" and record.decision == "accepted"
        if follows and not wanted.isdisjoint(record.starts_s):
            return str(name)
    return ""


def _not_sold_twice(
    draft: Draft, site: Site, event: DemandCalled, starts: Sequence[int], level: FloatArray
) -> FloatArray:
    """A baseline without what other events, and limits that must be obeyed, have taken off it."""
    out = level.copy()
    at = {s: k for k, s in enumerate(starts)}
    raises = event.kind == "raise_by"
    for record in draft.get("calls").values():
        follows = record.called.kind == "follow"
        same_way = follows or (record.called.kind == "raise_by") == raises
        if record.decision != "accepted" or not same_way:
            continue
        sold = np.zeros(len(record.starts_s)) if follows else np.array(record.promised_kw)
        for start, kw, less in zip(record.starts_s, record.level_kw, sold, strict=False):
            if start in at and math.isfinite(kw):
                k = at[start]
                out[k] = max(out[k], kw + less) if raises else min(out[k], kw - less)
    if not raises:
        for start, k in at.items():
            middle = event.start + timedelta(
                seconds=start + QUARTER_S / 2 - event.start.timestamp()
            )
            out[k] = min(out[k], limit_now_kw(draft, site, 0, middle))
    return out


def weigh(draft: Draft, problem: Problem, plan: Plan, site: Site) -> None:
    """What the new plan takes of the events that it weighed is promised; the rest is refused.

    An event that came while the plan was made waits for the next one. One that waits for another
    one's hours counts from what is left of them by then.
    """
    calls = list(draft.get("calls").items())
    later = waiting(draft.get("calls"))
    weighed = {term.event for term in problem.microgrid.calls} if problem.microgrid else set()
    for name, record in calls:
        if record.decision != "weighed" or name not in weighed:
            continue
        ends = [s + QUARTER_S for s in record.starts_s]
        lo, hi = record.called.start.timestamp(), record.called.end.timestamp()
        planned = np.array(
            [
                plan.connection_between(max(s, lo, plan.edges_s[0]), min(e, hi))
                if min(e, hi) > max(s, lo, plan.edges_s[0])
                else math.nan
                for s, e in zip(record.starts_s, ends, strict=True)
            ]
        )
        if not bool(np.isfinite(planned).any()) or hi > plan.end_s:
            continue
        draft.own("calls")[name] = done = _promised(record, planned)
        _answer(draft, done, site)
    for name, record in calls:
        if name in later - waiting(draft.get("calls")) and record.called.kind != "follow":
            level = np.array(record.level_kw)
            left = _not_sold_twice(draft, site, record.called, record.starts_s, level)
            draft.own("calls")[name] = replace(record, level_kw=tuple(left.tolist()))
            draft.news = True


def _promised(record: CalledRecord, planned: FloatArray) -> CalledRecord:
    level = np.array(record.level_kw)
    known = np.isfinite(planned)
    if record.called.kind == "follow":
        off = float(np.abs(planned - level)[known].mean())
        size = float(np.abs(level[known]).mean())
        if off > max(FOLLOWED_SHARE * size, LEAST_KW):
            return replace(
                record, decision="refused", why=f"it could be followed within {off:.1f} kW only"
            )
        return replace(record, decision="accepted", why="followed")
    sign = -1.0 if record.called.kind == "raise_by" else 1.0
    asked = asked_kw(record)
    taken = np.where(known, np.clip(sign * (level - planned), 0.0, asked), 0.0)
    if float(taken.sum()) < max(LEAST_SHARE * float(asked.sum()), LEAST_KW):
        return replace(record, decision="refused", why="it would cost more than it pays")
    share = float(taken.sum()) / max(float(asked.sum()), 1e-9)
    why = "in full" if share > 0.995 else f"{share:.0%} of what was asked pays"
    return replace(record, decision="accepted", why=why, promised_kw=tuple(taken.tolist()))


def over(draft: Draft, site: Site) -> None:
    """Say once of each accepted event that it has ended and what the meter says of it; forget
    what ended a day ago.
    """
    now = draft.get("now")
    for name, record in list(draft.get("calls").items()):
        if now < record.called.end:
            continue
        if record.decision in ("accepted", "weighed"):
            ended = replace(record, decision="ended", why="")
            if record.decision == "weighed":
                ended = replace(record, decision="refused", why="no plan came in time")
            elif record.starts_s:
                _count_event_day(draft, record, site)
            draft.own("calls")[name] = ended
            _answer(draft, ended, site)
            draft.news = True
        elif now > record.called.end + CALLS_KEPT:
            del draft.own("calls")[name]


def _count_event_day(draft: Draft, record: CalledRecord, site: Site) -> None:
    """A day on which an event was answered is no like day for others."""
    quarters: Quarters | None = draft.get("quarters")
    day = record.called.start.astimezone(site.zone).date().toordinal()
    if quarters is not None and day not in quarters.event_days:
        kept = (*quarters.event_days, day)[-64:]
        draft.put("quarters", replace(quarters, event_days=kept))


def measure(draft: Draft, site: Site) -> None:
    """Count what flows through the connection, where the site takes part in demand response."""
    if site.response is None:
        return
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    if node is None:
        return
    now_s = draft.get("now").timestamp()
    before: Quarters | None = draft.get("quarters")
    if before is None:
        draft.put("quarters", begun(now_s, node.power_kw))
    elif before.power_kw != node.power_kw or now_s >= before.begin_s + QUARTER_S:
        draft.put("quarters", replace(before.counted_to(now_s), power_kw=node.power_kw))


def _answer(draft: Draft, record: CalledRecord, site: Site) -> None:
    why = record.why
    promised = delivered = baseline = paid = None
    if record.level_kw and record.decision in ("accepted", "ended"):
        level = np.array(record.level_kw)
        follows = record.called.kind == "follow"
        told = level if follows else np.array(record.promised_kw or (math.nan,))
        promised = float(np.nanmean(told))
        baseline = None if follows else float(level.mean())
        if not follows and site.response is not None and site.response.calendar is None:
            why = "; ".join(filter(None, (why, BY_WEEKDAY)))
        quarters: Quarters | None = draft.get("quarters")
        if record.decision == "ended" and quarters is not None and follows:
            drawn = np.array([quarters.mean_kw(s) for s in record.starts_s])
            if bool(np.isfinite(drawn).all()):
                delivered = float(drawn.sum() * QUARTER_S / 3600.0)
        elif record.decision == "ended" and quarters is not None:
            sign = -1.0 if record.called.kind == "raise_by" else 1.0
            hours = QUARTER_S / 3600.0
            drawn = np.array([quarters.mean_kw(s) for s in record.starts_s])
            if bool(np.isfinite(drawn).all()):
                by_quarter = sign * (level - drawn)
                delivered = float(by_quarter.sum() * hours)
                counted = np.minimum(np.maximum(by_quarter, 0.0), told)
                paid = float(counted.sum() * hours) * (record.called.incentive_per_kwh or 0.0)
    draft.emit(
        EventAnswer(
            event=record.called.event,
            received_at=record.received_at,
            decision=record.decision,
            why=why,
            promised_kw=promised,
            delivered_kwh=delivered,
            baseline_kw=baseline,
            paid=paid,
        )
    )
