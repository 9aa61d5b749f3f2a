"""What a vehicle gets that has all it asked for and would take more."""

from __future__ import annotations

import pytest

from scheduler.effects import SessionStatus, Solve
from scheduler.owed import BEYOND_TRIED_KWH
from tests.world import World, pile, site


def test_a_vehicle_that_would_take_more_gets_what_is_left_until_it_is_full() -> None:
    w = World(site((pile("A"),), beyond_request="spare"))
    w.plug("A")
    w.say(w.request("a", "A", 2.0, hours=3.0))
    w.wait(3600, step_s=60)
    assert w.registers["A"] - 100 > 3.0
    w.draws["A"] = 0.0
    w.wait(300, step_s=10)
    assert w.state.sessions["a"].state == "full"
    said = [e for e in w.effects if isinstance(e, SessionStatus) and e.session == "a"]
    assert all(e.promised_kwh == pytest.approx(2.0, abs=0.01) for e in said if e.state != "full")
    assert all(e.short_kwh == 0 for e in said)


def test_nobody_goes_short_for_what_was_not_asked() -> None:
    def given(rule: str) -> tuple[float, float]:
        w = World(site((pile("A"), pile("B")), limit_kw=7.04, beyond_request=rule))
        w.plug("A", "B")
        w.say(w.request("a", "A", 2.0, hours=2.0, priority=9))
        w.wait(3000, step_s=60)
        had = w.registers["A"]
        w.say(w.request("b", "B", 7.5, hours=1.1, priority=1))
        w.wait(3900, step_s=60)
        return w.registers["A"] - had, w.registers["B"] - 100

    stopped, spared = given("stop"), given("spare")
    assert spared[1] == pytest.approx(stopped[1], abs=0.1)
    assert spared[0] < 0.5


def test_one_that_stopped_by_itself_is_kept_little_room_until_it_takes_it() -> None:
    """A sale of cheap hours to a full vehicle would send others to dear ones."""

    def kept_kwh(draws_kw: float) -> float:
        w = World(site((pile("A"), pile("B")), beyond_request="spare"))
        w.plug("A", "B")
        w.say(w.request("a", "A", 8.0, hours=6.0))
        while w.registers["A"] < 108.0:
            w.wait(10.0)
        w.draws["A"] = draws_kw
        w.wait(10.0)
        said = w.say(w.request("b", "B", 5.0))
        problem = next(e.problem for e in said if isinstance(e, Solve))
        return float(problem.fleet.energy_kwh[problem.fleet.ids.index("a")])

    assert kept_kwh(0.0) == pytest.approx(BEYOND_TRIED_KWH)
    assert kept_kwh(7.04) == pytest.approx(4.0, abs=0.2)
