"""Answers to the grid company's limits: received, applied, reached by the meter, unreachable."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from models.limits import begun, export_of, import_of
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.draft import Draft
from scheduler.effects import LimitAnswer
from scheduler.fixed import fixed
from scheduler.report import clear_alert, raise_alert
from scheduler.state import LimitRecord, NodeState
from scheduler.view import MISSED_PERIODS, Picture, base_now_kw, meter_talks, unmetered

REACHED_TOLERANCE_KW = 0.05
"""A limit counts as reached when the metered power is at most so much above it."""


def answer_limits(draft: Draft, site: Site, picture: Picture) -> None:
    """Tell the grid company how far each of its limits has come."""
    now: datetime = draft.get("now")
    out_of_reach: dict[str, float] = {}
    for node, records in draft.get("limits").items():
        for name, record in records.items():
            done = _answer(draft, site, picture, node, name, record)
            if done is None:
                continue
            if done.unreachable_for_s is not None:
                out_of_reach[node] = max(out_of_reach.get(node, 0.0), done.unreachable_for_s)
            if done.answered != record.answered:
                of_node = dict(draft.own("limits")[node])
                of_node[name] = done
                draft.own("limits")[node] = of_node
                draft.emit(_told(draft, site, node, name, done))
    for event in draft.withdrawn:
        draft.emit(
            LimitAnswer(
                node=event.node,
                limit=event.limit,
                received_at=event.now,
                applied_at=now,
                reached_at=now,
                shed_kw=0.0,
                unreachable_for_s=None,
                binding_piles=(),
            )
        )
    _alerts(draft, out_of_reach)


def _alerts(draft: Draft, out_of_reach: dict[str, float]) -> None:
    kind = "limit_unreachable"
    for node, seconds in out_of_reach.items():
        raise_alert(
            draft,
            kind,
            node,
            f"what cannot be steered is above the limit alone, for {seconds:.0f} s more; shed "
            "other load or ask the grid company",
            f"不可控负荷已超过限值，还将持续 {seconds:.0f} 秒；请切除其他负荷或联系电网公司",
        )
    for key in [k for k in draft.get("alerts") if k.startswith(f"{kind}/")]:
        node = key.partition("/")[2]
        if node not in out_of_reach:
            clear_alert(draft, kind, node)


def _answer(
    draft: Draft, site: Site, picture: Picture, node: str, name: str, record: LimitRecord
) -> LimitRecord | None:
    """The record as it stands now; None where there is nothing more to tell."""
    now: datetime = draft.get("now")
    pushed = record.pushed
    if pushed.valid_until is not None and now >= pushed.valid_until:
        # One that comes after its end is answered all the same: received, and never applied.
        return None if record.answered else replace(record, answered="over")
    if not begun(pushed, now):
        return replace(record, answered="received")
    limit, export = import_of(pushed, now), export_of(pushed, now)
    word = f"{limit}|{export}"
    if record.answered.startswith(word) and record.reached_at is not None:
        return None
    if not record.answered.startswith(word):
        record = replace(record, applied_at=None, reached_at=None)
    v = site.network.index[node]
    drawn, unheard, sent, fixed_kw = _powers(draft, site, picture, v, record.received_mono_s)
    before = record.before_kw if record.applied_at is not None else drawn
    top = float("inf") if limit is None else max(limit, 0.0)
    bottom = float("-inf") if export is None else -max(export, 0.0)
    applied = record.applied_at
    if applied is None and sent <= top + REACHED_TOLERANCE_KW:
        applied = now
    within = bottom - REACHED_TOLERANCE_KW <= drawn
    within = within and drawn + unheard <= top + REACHED_TOLERANCE_KW
    fresh = _metered_since(draft, site, node, record.received_mono_s)
    reached = now if applied is not None and within and fresh else None
    unreachable = None
    # Nobody is made to draw more against what flows back, so that is out of reach as it stands.
    fed_back = fresh and drawn < bottom - REACHED_TOLERANCE_KW
    if reached is None and (fixed_kw > top + POWER_EPSILON_KW or fed_back):
        unreachable = _seconds_left(site, record, now)
    return replace(
        record,
        applied_at=applied,
        reached_at=reached,
        before_kw=before,
        shed_kw=max(before - sent, 0.0),
        unreachable_for_s=unreachable,
        answered=f"{word}|{applied is not None}|{reached is not None}|{unreachable is not None}",
    )


def _powers(
    draft: Draft, site: Site, picture: Picture, v: int, since_mono_s: float
) -> tuple[float, float, float, float]:
    """Power drawn, what silent piles may draw beside it, power after the setpoints sent, and what
    cannot be steered, kW.
    """
    now, mono_s = draft.get("now"), draft.get("mono_s")
    base = base_now_kw(draft, site, v, now, mono_s)
    if math.isinf(base):
        # Its meter has never spoken: what piles hold is all that is known.
        base = 0.0
    parts, piles = fixed(site), draft.piles
    measured, unheard, sent, floors = 0.0, 0.0, 0.0, 0.0
    for name in parts.under[v]:
        pile = piles[name]
        measured += pile.power_kw
        unheard += max(picture.silent.get(name, 0.0) - pile.power_kw, 0.0)
        sent += pile.wanted_kw if pile.sent else 0.0
        floors += picture.floors.get(name, 0.0) * parts.piles[name].factor
    node: NodeState | None = draft.get("nodes").get(site.network.ids[v])
    drawn = base + measured
    if node is not None and meter_talks(node, site, mono_s) and node.heard_mono_s >= since_mono_s:
        drawn, unheard = node.power_kw, 0.0
    # Just started, it has not heard the piles that will speak in a moment.
    patience = MISSED_PERIODS * site.telemetry_period_s
    silent = picture.silent_kw[v] if mono_s - draft.get("started_mono_s") > patience else 0.0
    return drawn, unheard, base + sent, base + silent + floors


def _metered_since(draft: Draft, site: Site, node: str, since_mono_s: float) -> bool:
    """False while a meter lives here and has not spoken since; without one the piles count."""
    heard: NodeState | None = draft.get("nodes").get(node)
    if heard is None and node == site.network.ids[0] and unmetered(draft, site):
        return False
    if heard is None or not meter_talks(heard, site, draft.get("mono_s")):
        return True
    return heard.heard_mono_s >= since_mono_s


def _seconds_left(site: Site, record: LimitRecord, now: datetime) -> float:
    """For how long the limit cannot be met, as far as can be seen, s."""
    ends = [s for s, _ in record.pushed.slots if s > now]
    if record.pushed.valid_until is not None:
        ends.append(record.pushed.valid_until)
    if not ends:
        return site.horizon.hours * 3600.0
    return (min(ends) - now).total_seconds()


def _told(draft: Draft, site: Site, node: str, name: str, record: LimitRecord) -> LimitAnswer:
    under = fixed(site).under[site.network.index[node]]
    return LimitAnswer(
        node=node,
        limit=name,
        received_at=record.received_at,
        applied_at=record.applied_at,
        reached_at=record.reached_at,
        shed_kw=record.shed_kw,
        unreachable_for_s=record.unreachable_for_s,
        binding_piles=tuple(p for p in under if draft.piles[p].wanted_kw > 0),
    )
