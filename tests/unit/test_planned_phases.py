"""Under limits of phases a plan counts a switchable pile on the phases it will draw on."""

from __future__ import annotations

import dataclasses

import pytest

from models.network import Node
from models.pile import Pile
from scheduler.draft import Draft
from scheduler.owed import fleet_of, owed_sessions
from scheduler.planned_phases import as_wired
from scheduler.problem import Fleet
from tests.world import World, pile, site

EVEN = {"limit_a": (40.0, 40.0, 40.0)}


def switchable(name: str) -> Pile:
    """Three phases of 16 A (10.56 kW, from 3.96), or phase 2 alone (1.32 to 3.52 kW)."""
    return pile(name, phases=(1, 2, 3), max_a=16.0, one_phase=2, phase_switches_per_day=4)


def planned(energy_kwh: float, *, hours: float = 10, phases: int = 3, **node: object) -> Fleet:
    """The fleet of one session, its pile wired on so many phases now."""
    w = World(
        site((switchable("P1"),), Node("transformer", limit_kw=50.0, heartbeat="none", **node))
    )
    w.plug("P1")
    w.say(w.request("s1", "P1", energy_kwh, hours=hours))
    now = dataclasses.replace(w.state.piles["P1"], phases=phases)
    draft = Draft(dataclasses.replace(w.state, piles={"P1": now}))
    owed = owed_sessions(draft, w.site, w.now, int(w.now.timestamp()) + 86_400)
    return as_wired(draft, w.site, owed, fleet_of(draft, w.site, owed))


def test_without_limits_of_phases_all_it_can_hold_is_planned() -> None:
    fleet = planned(20.0)
    assert (fleet.min_kw[0], fleet.max_kw[0]) == pytest.approx((1.32, 10.56))


@pytest.mark.parametrize("limit", [EVEN, {"imbalance_a": 20.0}])
def test_on_three_phases_nothing_below_what_three_must_take_is_planned(limit) -> None:
    fleet = planned(20.0, **limit)
    assert (fleet.min_kw[0], fleet.max_kw[0]) == pytest.approx((3.96, 10.56))
    assert fleet.phases[0] == 0b111


def test_on_one_phase_it_is_planned_on_that_phase_as_long_as_that_is_enough() -> None:
    fleet = planned(20.0, phases=1, **EVEN)
    assert (fleet.min_kw[0], fleet.max_kw[0]) == pytest.approx((1.32, 3.52))
    assert fleet.phases[0] == 0b010
    three = planned(40.0, phases=1, **EVEN)
    assert three.phases[0] == 0b111
    assert fleet.amps_per_kw[0] == pytest.approx(3 * three.amps_per_kw[0])
