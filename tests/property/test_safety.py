"""The safety kernel against its two promises, on random trees and random piles."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.imbalance import Imbalance
from scheduler.safety import Budget, Outlet, alone_kw, enforce, possible_kw

TOLERANCE = 1e-4
"""A rise of a milliwatt counts as none, for each of eight piles, and as 4.5 mA a milliwatt."""


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Outlet], list[int], Budget]:
    m = draw(st.integers(1, 6))
    parents = [-1] + [draw(st.integers(0, k - 1)) for k in range(1, m)]
    paths = []
    for k in range(m):
        path, v = [], k
        while v >= 0:
            path.append(v)
            v = parents[v]
        paths.append(tuple(path))
    power = st.floats(0, 22, allow_nan=False)
    n = draw(st.integers(0, 8))
    outlets = []
    for _ in range(n):
        max_kw = draw(st.floats(1, 22))
        min_kw = draw(st.sampled_from([0.0, 1.0])) if max_kw >= 1 else 0.0
        phases = draw(st.sampled_from([(0,), (1,), (2,), (0, 1, 2)]))
        outlets.append(
            Outlet(
                path=paths[draw(st.integers(0, m - 1))],
                want_kw=draw(power),
                held_kw=draw(power),
                sent_kw=draw(power),
                min_kw=min_kw,
                max_kw=max_kw,
                step_kw=draw(st.sampled_from([0.0, 0.22])),
                factor=draw(st.sampled_from([1.0, 1.07])),
                phases=phases,
                amps_per_kw=1000 / (220 * len(phases)),
                may_rise=draw(st.booleans()),
                floor_kw=draw(st.sampled_from([0.0, 0.0, 3.0, 9.0])),
            )
        )
    kw = [draw(st.floats(-5, 60)) for _ in range(m)]
    amps = [
        draw(st.one_of(st.none(), st.lists(st.floats(0, 150), min_size=3, max_size=3)))
        for _ in range(m)
    ]
    order = draw(st.permutations(range(n)))
    return outlets, list(order), Budget(kw, amps)


def load(outlets: list[Outlet], powers: list[float], v: int) -> float:
    return sum(p * o.factor for o, p in zip(outlets, powers, strict=True) if v in o.path)


def current(outlets: list[Outlet], powers: list[float], v: int, phase: int) -> float:
    return sum(
        p * o.amps_per_kw
        for o, p in zip(outlets, powers, strict=True)
        if v in o.path and phase in o.phases
    )


@settings(max_examples=600, deadline=None)
@given(scenes())
def test_setpoints_fit_every_node_and_phase_beside_what_is_drawn_against_orders(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    outlets, order, budget = scene
    powers = enforce(outlets, order, budget)
    floors = [o.floor_kw for o in outlets]
    drawn = [max(p, f) for p, f in zip(powers, floors, strict=True)]
    for v, kw in enumerate(budget.kw):
        assert load(outlets, drawn, v) <= max(kw, load(outlets, floors, v), 0.0) + TOLERANCE
        amps = budget.amps[v]
        if amps is not None:
            for phase in range(3):
                stuck = current(outlets, floors, v, phase)
                most = max(amps[phase], stuck, 0.0) + TOLERANCE
                assert current(outlets, drawn, v, phase) <= most


@settings(max_examples=600, deadline=None)
@given(scenes())
def test_no_node_rises_above_its_limit_while_powers_change(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    outlets, order, budget = scene
    powers = enforce(outlets, order, budget)
    held = [o.held_kw for o in outlets]
    worst = [max(p, h) for p, h in zip(powers, held, strict=True)]
    for v, kw in enumerate(budget.kw):
        before, during = load(outlets, held, v), load(outlets, worst, v)
        assert during <= max(kw, before) + TOLERANCE
        amps = budget.amps[v]
        if amps is not None:
            for phase in range(3):
                already = current(outlets, held, v, phase)
                assert current(outlets, worst, v, phase) <= max(amps[phase], already) + TOLERANCE


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_never_more_than_wanted_and_never_between_zero_and_the_minimum(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    outlets, order, budget = scene
    for outlet, power in zip(outlets, enforce(outlets, order, budget), strict=True):
        assert 0 <= power <= outlet.want_kw + TOLERANCE
        assert power == 0 or power >= outlet.min_kw - TOLERANCE
        if not outlet.may_rise:
            assert power <= max(outlet.sent_kw, outlet.held_kw) + TOLERANCE


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_who_comes_first_matters_only_in_a_shortage(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    outlets, order, budget = scene
    left = budget.copy()
    for outlet in outlets:
        left.take(outlet, max(outlet.want_kw, outlet.held_kw, outlet.floor_kw))
    if min(left.kw) < 0 or any(min(a) < 0 for a in left.amps if a):
        return
    powers = enforce(outlets, order, budget)
    assert powers == pytest.approx([alone_kw(outlet) for outlet in outlets], abs=1e-9)
    for outlet, power in zip(outlets, powers, strict=True):
        if outlet.may_rise:
            assert power == pytest.approx(possible_kw(outlet, outlet.want_kw), abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(scenes())
def test_the_first_in_line_gets_all_that_fits(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    outlets, order, budget = scene
    if not outlets or any(o.floor_kw or o.held_kw or not o.may_rise for o in outlets):
        return
    first = outlets[order[0]]
    room = budget.room_kw(first)
    power = enforce(outlets, order, budget)[order[0]]
    assert power == possible_kw(first, min(first.want_kw, room))


def outlet(**changes: Any) -> Outlet:
    values: dict[str, Any] = {
        "path": (0,),
        "want_kw": 7.0,
        "held_kw": 0.0,
        "sent_kw": 0.0,
        "min_kw": 1.32,
        "max_kw": 7.04,
        "step_kw": 0.0,
        "factor": 1.0,
        "phases": (0,),
        "amps_per_kw": 1000 / 220,
        "may_rise": True,
    }
    return Outlet(**(values | changes))


def one(room_kw: float, amps: float | None = None, **changes: Any) -> float:
    limit = None if amps is None else [amps, 1e9, 1e9]
    return enforce([outlet(**changes)], [0], Budget([room_kw], [limit]))[0]


def test_a_setpoint_is_rounded_toward_zero_never_into_the_gap_below_the_minimum() -> None:
    assert one(7.0, step_kw=0.22) == pytest.approx(31 * 0.22)
    assert one(6.6, step_kw=0.22) == pytest.approx(30 * 0.22)
    assert one(1.31) == 0
    assert one(1.32) == 1.32
    assert one(100.0, want_kw=50.0) == 7.04
    assert one(-math.inf, step_kw=0.22) == 0
    assert one(math.inf, step_kw=0.22, want_kw=1e-9) == 0


def test_voltage_counts_and_so_does_current() -> None:
    assert one(7.0, factor=1.07) == pytest.approx(7.0 / 1.07)
    assert one(7.0, amps=10.0) == pytest.approx(2.2)


def test_a_decrease_never_waits_and_an_increase_waits_for_what_others_hold() -> None:
    falling = outlet(want_kw=0.0, held_kw=7.0, sent_kw=7.0)
    rising = outlet(want_kw=7.0)
    assert enforce([falling, rising], [1, 0], Budget([8.5], [None])) == [0, 1.5]
    assert enforce([falling, rising], [1, 0], Budget([8.0], [None])) == [0, 0]


def test_an_increase_that_must_wait_keeps_what_was_sent() -> None:
    waiting = outlet(want_kw=7.0, held_kw=3.0, sent_kw=3.0)
    falling = outlet(want_kw=0.0, held_kw=7.0, sent_kw=7.0)
    assert enforce([waiting, falling], [0, 1], Budget([10.0], [None])) == [3.0, 0]
    assert one(10.0, held_kw=3.0, sent_kw=3.0, may_rise=False) == 3.0
    assert one(10.0, held_kw=7.0, sent_kw=3.0, may_rise=False) == 3.0
    assert one(10.0, held_kw=3.0, sent_kw=1.0, may_rise=False) == 0


def test_others_give_way_to_a_pile_that_draws_against_orders() -> None:
    stubborn = outlet(want_kw=0.0, held_kw=6.0, sent_kw=0.0, floor_kw=6.0)
    polite = outlet(held_kw=7.0, sent_kw=7.0)
    assert enforce([stubborn, polite], [0, 1], Budget([10.0], [None])) == [0, 4.0]
    wanted = outlet(want_kw=5.0, held_kw=6.0, sent_kw=5.0, floor_kw=6.0)
    assert enforce([polite, wanted], [0, 1], Budget([10.0], [None])) == [4.0, 5.0]


@st.composite
def uneven_scenes(draw: st.DrawFn) -> tuple[list[Outlet], list[int], Budget]:
    """The same with limits of imbalance, and piles that draw anything up to what they hold."""
    outlets, order, budget = draw(scenes())
    for one in outlets:
        one.drawn_kw = draw(st.floats(0, 1)) * one.held_kw
    for _ in budget.kw:
        base = draw(st.lists(st.floats(0, 30), min_size=3, max_size=3))
        limit = Imbalance(draw(st.floats(0, 40)), list(base), list(base))
        budget.uneven.append(draw(st.sampled_from([None, limit, limit])))
    return outlets, order, budget


def apart(upper: list[float], lower: list[float]) -> dict[tuple[int, int], float]:
    return {(p, q): upper[p] - lower[q] for p in range(3) for q in range(3) if p != q}


def phases_of(outlets: list[Outlet], powers: list[float], v: int, base: list[float]) -> list[float]:
    """By phase, without what draws the same on all three."""
    single = [p if len(o.phases) == 1 else 0.0 for o, p in zip(outlets, powers, strict=True)]
    return [base[k] + current(outlets, single, v, k) for k in range(3)]


@settings(max_examples=600, deadline=None)
@given(uneven_scenes())
def test_no_phase_rises_further_above_another_than_its_node_allows(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    """With every pile between the least and the most it may be drawing, before and after."""
    outlets, order, budget = scene
    powers = enforce(outlets, order, budget)
    most = [max(o.held_kw, o.floor_kw) for o in outlets]
    raised = [max(p, m) for p, m in zip(powers, most, strict=True)]
    least = [min(o.drawn_kw, max(p, o.floor_kw)) for o, p in zip(outlets, powers, strict=True)]
    for v, limit in enumerate(budget.uneven):
        if limit is None:
            continue
        lowest = phases_of(outlets, least, v, limit.lower_a)
        before = apart(phases_of(outlets, most, v, limit.upper_a), lowest)
        after = apart(phases_of(outlets, raised, v, limit.upper_a), lowest)
        for pair, gap in after.items():
            assert gap <= max(limit.most_a, before[pair]) + TOLERANCE


@settings(max_examples=300, deadline=None)
@given(uneven_scenes())
def test_setpoints_settle_within_the_limit_of_imbalance(
    scene: tuple[list[Outlet], list[int], Budget],
) -> None:
    """Piles follow and draw what they were told; then phases are as even as they have to be."""
    outlets, order, budget = scene
    for one in outlets:
        one.floor_kw = 0.0
    powers: list[float] = []
    for _ in range(60):
        before = powers
        powers = enforce(outlets, order, budget)
        for one, power in zip(outlets, powers, strict=True):
            one.held_kw = one.sent_kw = one.drawn_kw = power
        if powers == before:
            break
    for v, limit in enumerate(budget.uneven):
        if limit is None:
            continue
        base = apart(limit.upper_a, limit.lower_a)
        loads = phases_of(outlets, powers, v, limit.upper_a)
        assert max(apart(loads, loads).values()) <= max(limit.most_a, *base.values()) + TOLERANCE


def test_three_that_lift_each_other_all_get_what_they_want() -> None:
    """32 A each on a phase of its own, 20 A apart at most: none is refused for coming first."""
    cars = [outlet(phases=(k,), want_kw=7.04) for k in range(3)]
    budget = Budget([100.0], [None], [Imbalance(20.0, [0.0] * 3, [0.0] * 3)])
    seen = []
    for _ in range(4):
        powers = enforce(cars, [0, 1, 2], budget)
        for car, power in zip(cars, powers, strict=True):
            car.held_kw = car.sent_kw = car.drawn_kw = power
        seen.append([round(p, 2) for p in powers])
    assert seen[0] == [4.4, 4.4, 4.4]
    assert seen[-1] == [7.04, 7.04, 7.04]
    # One of them has enough: the others follow down to 20 A in the same drain.
    cars[2].want_kw = 0.0
    assert enforce(cars, [0, 1, 2], budget) == pytest.approx([4.4, 4.4, 0.0])
