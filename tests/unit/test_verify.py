"""Every bound, broken on purpose, is named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.instances import fleet_problem
from benchmarks.microgrids import around
from scheduler.problem import PhaseLimit
from scheduler.solution import Solution
from scheduler.solvers import general
from scheduler.verify import verify
from tests.problems import problem_of, session


def answer(*energy: float) -> Solution:
    return Solution(np.array(energy), "optimal", "test", 0.0, 0)


def problem():
    base = problem_of(
        [
            session(0, 2, 10.0, 15.0, node=1, phases=1, amps_per_kw=4.0),
            session(0, 2, 10.0, 20.0, node=2, taper_per_h=1.0, taper_room_kwh=12.0),
        ],
        price=[1.0, 1.0],
        parent=[-1, 0, 0],
        cap_kw=[[14.0, 14.0], [9.0, 9.0], [np.inf, np.inf]],
    )
    return dataclasses.replace(base, phase_limits=(PhaseLimit(1, 0, np.array([30.0, 30.0])),))


def kinds(*energy: float) -> set[tuple[str, str, int]]:
    return {(v.kind, v.name, v.slot) for v in verify(problem(), answer(*energy)).violations}


def test_a_good_answer_passes():
    assert verify(problem(), answer(7.0, 7.0, 6.0, 3.0)).ok


@pytest.mark.parametrize(
    ("energy", "named"),
    [
        ((-1.0, 0.0, 0.0, 0.0), ("entry", "s0", 0)),
        ((0.0, 0.0, 0.0, 10.5), ("entry", "s1", 1)),
        ((8.0, 7.5, 0.0, 0.0), ("energy", "s0", -1)),
        ((9.5, 0.0, 0.0, 0.0), ("node", "n1", 0)),
        ((7.0, 0.0, 7.5, 0.0), ("node", "n0", 0)),
        ((0.0, 8.0, 0.0, 0.0), ("phase", "n1/L1", 1)),
        ((0.0, 0.0, 7.6, 0.0), ("taper", "s1", 0)),
        ((0.0, 0.0, 7.0, 4.0), ("taper", "s1", 1)),
        ((0.0, float("nan"), 0.0, 0.0), ("number", "s0", 1)),
    ],
)
def test_each_bound_is_named(energy, named):
    assert named in kinds(*energy)


def test_a_count_factor_makes_a_kw_count_more_at_the_node():
    tight = problem_of([session(0, 1, 10.0, 10.0, count_factor=1.1)], price=[1.0], cap_kw=10.0)
    assert verify(tight, answer(10.0 / 1.1)).ok
    assert not verify(tight, answer(10.0)).ok


def test_a_plan_of_the_wrong_length_is_told():
    verdict = verify(problem(), answer(1.0))
    assert [v.kind for v in verdict.violations] == ["shape"]


def test_rounding_is_no_violation_but_a_watt_hour_is():
    small = problem_of([session(0, 1, 10.0, 10.0)], price=[1.0], cap_kw=8.0)
    assert verify(small, answer(8.0 + 1e-9)).ok
    assert not verify(small, answer(8.001)).ok


def test_a_vehicle_that_would_give_more_than_it_may_is_named_with_its_slots() -> None:
    site = around(fleet_problem(12), giving_share=1.0)
    assert site.microgrid is not None
    giving = site.microgrid.giving
    assert giving is not None
    solved = general.solve(site, work_limit=10**6)
    assert verify(site, solved).ok
    i = int(np.argmax(giving.discharge_kw))
    own = slice(int(site.offsets[i]), int(site.offsets[i + 1]))
    energy = solved.energy_kwh.copy()
    energy[own] = -giving.discharge_kw[i] * site.entry_s[own] / 3600.0
    found = verify(site, dataclasses.replace(solved, energy_kwh=energy)).violations
    told = [v for v in found if v.kind == "giving"]
    assert {v.name for v in told} == {site.fleet.ids[i]}
    # The most is missing when it leaves.
    assert max(told, key=lambda v: v.by).slot == int(site.last[i]) - 1
