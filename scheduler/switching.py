"""Minimum times on and off, and starts a day: a manner, which no limit and no promise waits for.

Power wanted is bent before the kernel sees it, so whatever the kernel takes away is taken away at
once. Among the wishes the order is: who was promised energy that waiting would lose starts; then
the rule; then money. See docs/decisions/0017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import Horizon, instant_of
from models.pile import Pile
from models.switching import FREE, SwitchingRule
from models.units import ENERGY_EPSILON_KWH, POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.state import PileState, SessionRecord, changed
from scheduler.switching_terms import SwitchingTerms

KEEP_ON_SHARE = 0.05
"""Of its power: what keeps a pile on that has no minimum."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Both clocks of a drain and the local day.

    ``day`` is its ordinal, ``midnight_s`` when the next one begins, epoch seconds.
    """

    mono_s: float
    now_s: float
    day: int
    midnight_s: float


def clock_of(now: datetime, mono_s: float, zone: ZoneInfo) -> Clock:
    """The clock of a drain."""
    today = now.astimezone(zone).date()
    tomorrow = today + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
    return Clock(mono_s, now.timestamp(), today.toordinal(), midnight.timestamp())


def is_on(pile: PileState) -> bool:
    """Whether the setpoint sent last lets it draw or give."""
    return pile.sent and abs(pile.wanted_kw) > POWER_EPSILON_KW


def switched(pile: PileState, power_kw: float, clock: Clock) -> PileState:
    """The pile with its last start, its last stop and its starts of the day as they are once a
    setpoint of ``power_kw`` is on its way.
    """
    on = abs(power_kw) > POWER_EPSILON_KW
    if on == is_on(pile):
        return pile
    if not on:
        return changed(pile, stopped_mono_s=clock.mono_s)
    starts = pile.starts if pile.starts_day == clock.day else 0
    return changed(pile, started_mono_s=clock.mono_s, starts=starts + 1, starts_day=clock.day)


def starts_left(pile: PileState, rule: SwitchingRule, day: int) -> float:
    """Starts that the budget of a local day still holds; inf where there is none."""
    if rule.starts_per_day is None:
        return math.inf
    used = pile.starts if pile.starts_day == day else 0
    return max(rule.starts_per_day - used, 0)


def keep_on_kw(plate: Pile) -> float:
    """Least power at which a pile counts as on, kW."""
    least = plate.min_kw or KEEP_ON_SHARE * plate.max_kw
    if plate.step_kw > 0:
        least = math.ceil(least / plate.step_kw - 1e-9) * plate.step_kw
    return min(least, plate.max_kw)


def steady_kw(
    want_kw: float,
    pile: PileState,
    record: SessionRecord,
    plate: Pile,
    clock: Clock,
    most_kw: float,
) -> float:
    """Power wanted at a pile once its switching rule has been heard, kW.

    Parameters
    ----------
    want_kw : float
        What plan, mode and vehicle come to.
    pile, record, plate
        Its state, its session's, its nameplate.
    clock : Clock
        Now.
    most_kw : float
        Most that the vehicle may be offered now, kW.
    """
    rule = plate.switching
    if is_on(pile):
        owes = record.delivered_kwh < record.request.energy_kwh - ENERGY_EPSILON_KWH
        if want_kw != 0.0 or not owes or record.state == "full":
            return want_kw
        young = clock.mono_s < pile.started_mono_s + rule.min_on_s
        if young or starts_left(pile, rule, clock.day) < 1:
            return min(keep_on_kw(plate), most_kw)
        return 0.0
    if want_kw == 0.0:
        return 0.0
    promised_kwh = (record.promised_kwh or 0.0) - record.delivered_kwh
    wait_s = pile.stopped_mono_s + rule.min_off_s - clock.mono_s
    if wait_s > 0:
        left_s = record.request.departure_s - clock.now_s
        need_s = promised_kwh / max(most_kw, POWER_EPSILON_KW) * SECONDS_PER_HOUR
        if promised_kwh <= ENERGY_EPSILON_KWH or left_s - need_s >= wait_s:
            return 0.0
    # Who is off and was promised more must start once more at the least.
    if starts_left(pile, rule, clock.day) < 1 and promised_kwh <= ENERGY_EPSILON_KWH:
        return 0.0
    return want_kw


def on_for_h(pile: PileState, rule: SwitchingRule, mono_s: float) -> float:
    """How long it is still to stay on by its rule, h >= 0."""
    if not rule.min_on_s or not is_on(pile):
        return 0.0
    return max(pile.started_mono_s + rule.min_on_s - mono_s, 0.0) / SECONDS_PER_HOUR


def next_s(pile: PileState, rule: SwitchingRule, mono_s: float) -> float:
    """When its rule next lets go of a pile by time alone, monotonic, s; inf: it holds nothing."""
    if rule is FREE:
        return math.inf
    at = (
        pile.started_mono_s + rule.min_on_s if is_on(pile) else pile.stopped_mono_s + rule.min_off_s
    )
    return at if at > mono_s else math.inf


def carried_over(pile: PileState, then_s: float, now_s: float, away_s: float) -> PileState:
    """The pile in a new run, whose monotonic clock shows ``now_s``; the last run's showed
    ``then_s``, and ``away_s`` lie between.
    """
    shift = now_s - then_s - away_s
    return replace(
        pile,
        started_mono_s=pile.started_mono_s + shift,
        stopped_mono_s=pile.stopped_mono_s + shift,
    )


def switching_terms(
    plates: Sequence[Pile], piles: Sequence[PileState], horizon: Horizon, clock: Clock
) -> SwitchingTerms | None:
    """What the planner is told of these piles' rules; None where none has one.

    Parameters
    ----------
    plates, piles : sequence of n
        Nameplate and state of each session's pile.
    horizon : Horizon
        T slots.
    clock : Clock
        Now.
    """
    rules = [plate.switching for plate in plates]
    if all(rule == FREE for rule in rules):
        return None
    days = [
        instant_of(s).astimezone(horizon.zone).date().toordinal()
        for s in horizon.edges_s[:-1].tolist()
    ]
    left = [starts_left(p, r, clock.day) for p, r in zip(piles, rules, strict=True)]
    per_day = [math.inf if r.starts_per_day is None else r.starts_per_day for r in rules]
    return SwitchingTerms(
        on=np.array([is_on(p) for p in piles], dtype=np.bool_),
        starts=np.array(left, dtype=np.float64),
        starts_later=np.array(per_day, dtype=np.float64),
        min_on_s=np.array([r.min_on_s for r in rules], dtype=np.float64),
        min_off_s=np.array([r.min_off_s for r in rules], dtype=np.float64),
        day=np.array(days, dtype=np.int64) - days[0],
    )
