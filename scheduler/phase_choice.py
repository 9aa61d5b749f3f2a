"""One phase or three for piles that can do both: by the power wanted, within a budget of switches.

A pile changes over only while it draws nothing and holds no setpoint, so it always has one set of
phases, and the kernel's proof is that of any other pile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.pile import Pile
from models.units import ENERGY_EPSILON_KWH, POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.fixed import FixedPile
from scheduler.state import PileState, SessionRecord
from scheduler.switching import Clock

KEPT_S = 600.0
"""So long after its start a pile is not stopped to change phases, whatever a plan would like."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """A pile as it is wired now: phases 0 to 2, A on each per kW, and what it can hold, kW."""

    phases: tuple[int, ...]
    amps_per_kw: float
    min_kw: float
    max_kw: float
    step_kw: float


def wiring(one: FixedPile, count: int) -> Wiring:
    """A pile on ``count`` phases; one that cannot be switched is as its nameplate says."""
    plate = one.pile
    if plate.one_phase is None:
        return Wiring(one.phases, one.amps_per_kw, plate.min_kw, plate.max_kw, plate.step_kw)
    if count == 1:
        phase = plate.one_phase - 1
        return Wiring(
            (phase,), 3.0 * one.amps_per_kw, plate.min_kw, plate.max_kw / 3.0, plate.step_kw
        )
    return Wiring(
        one.phases, one.amps_per_kw, 3.0 * plate.min_kw, plate.max_kw, 3.0 * plate.step_kw
    )


def wired(one: FixedPile, pile: PileState) -> Wiring:
    """A pile as it was told last."""
    return wiring(one, pile.phases)


def chosen(
    want_kw: float,
    held_kw: float,
    pile: PileState,
    record: SessionRecord | None,
    one: FixedPile,
    clock: Clock,
) -> tuple[int, float]:
    """On how many phases a pile is to be, and what is then wanted of it, kW.

    Parameters
    ----------
    want_kw, held_kw : float
        Power wanted, and the most it may be drawing now, kW.
    pile, record, one
        Its state, its session's, its nameplate.
    clock : Clock
        Now.

    Returns
    -------
    count : int
        1 or 3.
    want_kw : float
        0 where it has to stop first; else what these phases can hold of it.
    """
    plate, count = one.pile, pile.phases
    if want_kw <= POWER_EPSILON_KW:
        return count, want_kw
    now = wiring(one, count)
    if now.min_kw - POWER_EPSILON_KW <= want_kw <= now.max_kw + POWER_EPSILON_KW:
        return count, want_kw
    stays_kw = min(max(want_kw, now.min_kw), now.max_kw)
    if count == 1 and want_kw < 3.0 * plate.min_kw - POWER_EPSILON_KW:
        # Between what one phase can give and what three must.
        return count, stays_kw
    pressed = count == 1 and record is not None and _lost_on_one(record, now.max_kw, clock)
    young = held_kw > 0.0 and clock.mono_s < pile.started_mono_s + KEPT_S
    if not pressed and (young or _switches_left(pile, plate, clock.day) < 1):
        return count, stays_kw
    return (count, 0.0) if held_kw > 0.0 else (4 - count, want_kw)


def _lost_on_one(record: SessionRecord, most_kw: float, clock: Clock) -> bool:
    """Whether what was promised cannot be had on one phase any more."""
    left_h = (record.request.departure_s - clock.now_s) / SECONDS_PER_HOUR
    promised_kwh = (record.promised_kwh or 0.0) - record.delivered_kwh
    return promised_kwh > max(left_h, 0.0) * most_kw + ENERGY_EPSILON_KWH


def _switches_left(pile: PileState, plate: Pile, day: int) -> int:
    used = pile.phase_switches if pile.phases_day == day else 0
    return plate.phase_switches_per_day - used


def rewired(pile: PileState, count: int, clock: Clock) -> PileState:
    """The pile once a setpoint on ``count`` phases is on its way."""
    if count == pile.phases:
        return pile
    used = pile.phase_switches if pile.phases_day == clock.day else 0
    return replace(pile, phases=count, phase_switches=used + 1, phases_day=clock.day)


def silent_amps(one: FixedPile, power_kw: float) -> tuple[float, float, float]:
    """Current by phase that a pile of which nothing is heard may be drawing, A.

    Of one that can be switched nobody knows which way it is.
    """
    amps = [0.0, 0.0, 0.0]
    for count in (1, 3) if one.pile.one_phase is not None else (3,):
        wire = wiring(one, count)
        for phase in wire.phases:
            amps[phase] = max(amps[phase], min(power_kw, wire.max_kw) * wire.amps_per_kw)
    return (amps[0], amps[1], amps[2])
