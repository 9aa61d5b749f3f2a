"""The safety kernel against a slow one that adds every sum up anew, on a few thousand scenes."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable

import pytest

from models.units import POWER_EPSILON_KW
from scheduler.imbalance import Imbalance
from scheduler.safety import Budget, Outlet, alone_kw, enforce, possible_kw

Scene = tuple[list[Outlet], list[int], Budget]


def scene(chance: random.Random) -> Scene:
    m, n = chance.randint(1, 4), chance.randint(0, 6)
    parents = [-1, *(chance.randrange(k) for k in range(1, m))]
    outlets = []
    for _ in range(n):
        path, v = [], chance.randrange(m)
        while v >= 0:
            path.append(v)
            v = parents[v]
        phases = chance.choice([(0,), (1,), (2,), (0, 1, 2)])
        powers = [0.0, 1e-12, 1.0, 3.3, 6.6, 7.04, chance.uniform(0, 12)]
        outlets.append(
            Outlet(
                path=tuple(path),
                want_kw=chance.choice(powers),
                held_kw=chance.choice(powers),
                sent_kw=chance.choice(powers),
                min_kw=chance.choice([0.0, 1.32, 3.3]),
                max_kw=chance.choice([3.3, 7.04, 11.0]),
                step_kw=chance.choice([0.0, 0.22, 0.5]),
                factor=chance.choice([1.0, 1.07]),
                phases=phases,
                amps_per_kw=chance.choice([0.0, 1000 / (220 * len(phases))]),
                may_rise=chance.random() < 0.7,
                floor_kw=chance.choice([0.0, 0.0, 3.0, 6.6]),
            )
        )
    kw = [chance.choice([-2.0, 0.0, chance.uniform(0, 40)]) for _ in range(m)]
    amps: list[list[float] | None] = [
        None if chance.random() < 0.5 else [chance.uniform(0, 80) for _ in range(3)]
        for _ in range(m)
    ]
    return outlets, chance.sample(range(n), n), Budget(kw, amps)


def possible(o: Outlet, kw: float) -> float:
    """The largest multiple of the step up to ``kw``; 0 below the minimum."""
    top = min(kw, o.max_kw)
    if o.step_kw and top > 0:
        count = 0
        while (count + 1) * o.step_kw <= top + 1e-9 * o.step_kw:
            count += 1
        top = min(top, count * o.step_kw)
    return top if top >= POWER_EPSILON_KW and top >= o.min_kw - POWER_EPSILON_KW else 0.0


def room(outlets: list[Outlet], drawn: list[float], budget: Budget, i: int) -> float:
    """What fits at pile ``i`` beside what all draw, without limits of imbalance."""
    rooms = []
    for v in outlets[i].path:
        below = [(o, kw) for o, kw in zip(outlets, drawn, strict=True) if v in o.path]
        rooms.append((budget.kw[v] - sum(kw * o.factor for o, kw in below)) / outlets[i].factor)
        limit = budget.amps[v]
        if limit is not None and outlets[i].amps_per_kw > 0:
            for phase in outlets[i].phases:
                used = sum(kw * o.amps_per_kw for o, kw in below if phase in o.phases)
                rooms.append((limit[phase] - used) / outlets[i].amps_per_kw)
    return min(rooms)


def even_room(
    outlets: list[Outlet], most: list[float], least: list[float], budget: Budget, i: int
) -> float:
    """By how much pile ``i`` may rise until one phase carries too much more than another, while
    each pile draws anything between its least and its most.
    """
    rooms = [math.inf]
    one = outlets[i]
    for v in one.path if budget.uneven and one.amps_per_kw > 0 and len(one.phases) < 3 else ():
        limit = budget.uneven[v]
        if limit is None:
            continue
        upper, lower = list(limit.upper_a), list(limit.lower_a)
        for o, top, bottom in zip(outlets, most, least, strict=True):
            for phase in o.phases if v in o.path and len(o.phases) < 3 else ():
                upper[phase] += top * o.amps_per_kw
                lower[phase] += bottom * o.amps_per_kw
        for mine in one.phases:
            for other in {0, 1, 2} - set(one.phases):
                gap = lower[other] + limit.most_a - upper[mine]
                rooms.append(gap / one.amps_per_kw)
    return min(rooms)


def slow_end(outlets: list[Outlet], order: list[int], budget: Budget) -> list[float]:
    """Who is first takes what fits beside what all draw against orders; where phases must be even
    they are asked in turn until nobody can have more.
    """
    granted = [0.0] * len(outlets)
    floors = [o.floor_kw for o in outlets]
    while True:
        before = list(granted)
        for i in order:
            o = outlets[i]
            end = [max(g, f) for g, f in zip(granted, floors, strict=True)]
            want = o.want_kw
            if not o.may_rise and any(
                budget.uneven[v] is not None for v in o.path if budget.uneven
            ):
                want = min(want, o.sent_kw, o.held_kw)
            fits = min(
                room(outlets, end, budget, i) + end[i],
                even_room(outlets, end, end, budget, i) + end[i],
            )
            if want > granted[i]:
                granted[i] = max(granted[i], possible(o, min(want, fits)))
        if granted == before or not budget.uneven:
            return granted


def slow(outlets: list[Outlet], order: list[int], budget: Budget) -> list[float]:
    """What all may have in the end; then rises wait for what the others may still draw."""
    granted = slow_end(outlets, order, budget)
    drawn = [o.held_kw for o in outlets]
    most = [max(o.held_kw, o.floor_kw) for o in outlets]
    least = []
    for o, end in zip(outlets, granted, strict=True):
        stays = possible(o, min(o.sent_kw, o.held_kw))
        least.append(min(o.drawn_kw, max(end, o.floor_kw), max(stays, o.floor_kw)))
    out = list(granted)
    for i in order:
        o = outlets[i]
        if granted[i] <= o.held_kw + POWER_EPSILON_KW:
            if granted[i] > o.sent_kw and not o.may_rise:
                out[i] = possible(o, o.sent_kw)
            continue
        stays = min(granted[i], o.sent_kw, o.held_kw)
        fits = min(room(outlets, drawn, budget, i), even_room(outlets, most, least, budget, i))
        risen = possible(o, min(granted[i], o.held_kw + max(fits, 0.0)))
        if risen <= stays or not o.may_rise:
            out[i] = possible(o, stays)
        else:
            out[i] = risen
            drawn[i] = max(risen, o.held_kw)
            most[i] = max(risen, most[i])
    return out


def uneven_scene(chance: random.Random) -> Scene:
    """The same where nodes limit how unevenly their phases are loaded."""
    outlets, order, budget = scene(chance)
    for one in outlets:
        one.drawn_kw = chance.choice([0.0, 0.5, 1.0]) * one.held_kw
    for _ in budget.kw:
        base = [chance.uniform(0, 20) for _ in range(3)]
        limit = Imbalance(chance.choice([0.0, 10.0, 25.0]), base, [b * 0.8 for b in base])
        budget.uneven.append(chance.choice([None, limit, limit]))
    return outlets, order, budget


@pytest.mark.parametrize(
    ("made", "seed", "scenes"), [(scene, 20261125, 4000), (uneven_scene, 20261126, 3000)]
)
def test_the_kernel_does_what_a_slow_one_does_and_leaves_the_budget_as_it_was(
    made: Callable[[random.Random], Scene], seed: int, scenes: int
) -> None:
    chance = random.Random(seed)
    for number in range(scenes):
        outlets, order, budget = made(chance)
        before = budget.copy()
        found = enforce(outlets, order, budget)
        assert found == pytest.approx(slow(outlets, order, budget), abs=1e-6), number
        assert budget == before


def test_where_no_budget_binds_each_gets_what_it_gets_alone() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        outlets, order, budget = scene(chance)
        plenty = Budget([1e6] * len(budget.kw), [None] * len(budget.kw))
        found = enforce(outlets, order, plenty)
        assert found == pytest.approx([alone_kw(o) for o in outlets], abs=1e-9)


def plain(**changes: object) -> Outlet:
    return dataclasses.replace(
        Outlet((0,), 7.0, 0.0, 0.0, 1.32, 7.04, 0.0, 1.0, (0,), 1000 / 220, may_rise=True),
        **changes,  # type: ignore[arg-type]
    )


def test_a_pile_draws_against_orders_only_when_it_is_said_to() -> None:
    assert plain().floor_kw == 0.0


def test_the_smallest_power_that_counts_and_the_edges_of_minimum_and_step() -> None:
    free = plain(min_kw=0.0)
    assert possible_kw(free, POWER_EPSILON_KW) == POWER_EPSILON_KW
    assert possible_kw(free, POWER_EPSILON_KW * 0.99) == 0.0
    assert possible_kw(free, math.nan) == 0.0
    assert possible_kw(free, -1.0) == 0.0
    assert possible_kw(plain(), 1.32 - POWER_EPSILON_KW / 2) > 0.0
    assert possible_kw(plain(), 1.32 - 2 * POWER_EPSILON_KW) == 0.0
    edge = 1.32 - POWER_EPSILON_KW
    assert possible_kw(plain(), edge) == edge
    stepped = plain(step_kw=0.22, min_kw=0.0)
    assert possible_kw(stepped, 5 * 0.22) == pytest.approx(1.1)
    assert possible_kw(stepped, 5 * 0.22 - 1e-11) == pytest.approx(1.1)
    assert possible_kw(stepped, 5 * 0.22 - 1e-11) <= 5 * 0.22 - 1e-11
    assert possible_kw(stepped, 5 * 0.22 - 1e-6) == pytest.approx(0.88)


def test_using_up_a_budget_leaves_its_copy_alone() -> None:
    budget = Budget([10.0, 10.0], [[50.0, 50.0, 50.0], None])
    copy = budget.copy()
    budget.take(plain(path=(1, 0), factor=1.07, phases=(1,)), 2.2)
    assert budget.kw == pytest.approx([10.0 - 2.2 * 1.07] * 2)
    assert budget.amps[0] == pytest.approx([50.0, 40.0, 50.0])
    assert (copy.kw, copy.amps) == ([10.0, 10.0], [[50.0, 50.0, 50.0], None])
    budget.take(plain(path=(1, 0)), 0.0)
    assert budget.kw == pytest.approx([10.0 - 2.2 * 1.07] * 2)
    # What one gives back another may have.
    budget.take(plain(path=(0,)), -1.0)
    assert budget.kw[0] == pytest.approx(11.0 - 2.2 * 1.07)


def test_a_rise_of_less_than_counts_is_none() -> None:
    holds = plain(want_kw=3.0, held_kw=3.0 - POWER_EPSILON_KW / 2, sent_kw=2.0)
    assert enforce([holds], [0], Budget([-9.0], [None])) == [0.0]
    assert enforce([holds], [0], Budget([3.0], [None])) == [3.0]
    still = dataclasses.replace(holds, may_rise=False)
    assert enforce([still], [0], Budget([9.0], [None])) == [2.0]
    assert alone_kw(still) == 2.0
    least = plain(min_kw=0.0, want_kw=POWER_EPSILON_KW)
    falling = plain(want_kw=0.0, held_kw=5.0, sent_kw=5.0)
    assert enforce([least, falling], [0, 1], Budget([1.0], [None])) == [POWER_EPSILON_KW, 0.0]
    told = dataclasses.replace(least, sent_kw=2.0, may_rise=False)
    assert alone_kw(told) == POWER_EPSILON_KW


def test_small_rises_use_up_no_more_than_they_are_and_few_amps_count_too() -> None:
    small = plain(want_kw=2.5, held_kw=2.0, sent_kw=2.0)
    assert enforce([small, small], [0, 1], Budget([5.0], [None])) == [2.5, 2.5]
    # A DC pile at 1,250 V draws less than an ampere for each kW.
    high = plain(amps_per_kw=0.8, min_kw=0.0)
    assert Budget([50.0], [[4.0, 9.0, 9.0]]).room_kw(high) == pytest.approx(5.0)


def test_a_rise_leans_on_its_phase_by_what_it_rises_and_no_more() -> None:
    """20 A apart at most: of 3 kW held on the first phase there is room for 1.4 kW more."""
    holds = plain(held_kw=3.0, sent_kw=3.0, drawn_kw=3.0)
    rises = plain(held_kw=0.0, want_kw=1.32, min_kw=0.0)
    more = plain(held_kw=0.0, want_kw=7.0, min_kw=0.0)
    budget = Budget([100.0], [None], [Imbalance(20.0, [0.0] * 3, [0.0] * 3)])
    found = enforce([dataclasses.replace(holds, want_kw=3.0), rises, more], [0, 1, 2], budget)
    assert found == pytest.approx([3.0, 1.32, 0.08])
    # One that rises from what it holds: only the difference is new on its phase.
    up = dataclasses.replace(holds, want_kw=3.5)
    assert enforce([up, more], [0, 1], budget) == pytest.approx([3.5, 0.9])


def test_few_amps_make_phases_uneven_too() -> None:
    high = plain(amps_per_kw=0.8, min_kw=0.0)
    budget = Budget([50.0], [None], [Imbalance(4.0, [0.0] * 3, [0.0] * 3)])
    assert budget.room_kw(high) == pytest.approx(5.0)


def test_others_do_not_lean_on_what_one_holds_that_was_told_more_or_less() -> None:
    """Who may not rise is counted on with the least of what it wants, was told and holds."""
    limit = Imbalance(10.0, [0.0] * 3, [0.0] * 3)
    still = plain(phases=(1,), want_kw=7.0, sent_kw=6.0, held_kw=2.2, may_rise=False, min_kw=0.0)
    third = dataclasses.replace(still, phases=(2,))
    first = plain(phases=(0,), held_kw=7.0, sent_kw=7.0, drawn_kw=7.0, min_kw=0.0)
    found = enforce([first, still, third], [1, 2, 0], Budget([99.0], [None], [limit]))
    assert found[0] == pytest.approx(4.4)


def test_a_rise_counts_on_the_least_that_one_who_is_lowered_will_draw() -> None:
    """Both of the others are told to stop. The one on its own phase may go on longer than the one
    on the second: so long there is room for 10 A beside it, and not for 10 A more than both.
    """
    beside = plain(want_kw=0.0, held_kw=2.0, sent_kw=2.0, drawn_kw=2.0)
    opposite = plain(phases=(1,), want_kw=0.0, held_kw=5.0, sent_kw=5.0, drawn_kw=5.0)
    third = plain(phases=(2,), want_kw=2.0, held_kw=2.0, sent_kw=2.0, drawn_kw=2.0)
    rises = plain(want_kw=2.0, min_kw=0.0)
    limit = Imbalance(10.0, [0.0] * 3, [0.0] * 3)
    outlets = [rises, beside, opposite, third]
    found = enforce(outlets, [0, 1, 2, 3], Budget([99.0], [None], [limit]))
    assert found == pytest.approx([0.2, 0.0, 0.0, 2.0])


def test_a_rise_leans_on_what_the_others_draw_and_not_on_what_they_were_told() -> None:
    """A vehicle that takes 1 of its 5 kW may go on taking 1: beside it 10 A more find room."""
    takes_less = plain(phases=(1,), want_kw=5.0, held_kw=5.0, sent_kw=5.0, drawn_kw=1.0)
    third = plain(phases=(2,), want_kw=5.0, held_kw=5.0, sent_kw=5.0, drawn_kw=5.0)
    rises = plain(want_kw=5.0, min_kw=0.0)
    limit = Imbalance(10.0, [0.0] * 3, [0.0] * 3)
    found = enforce([rises, takes_less, third], [0, 1, 2], Budget([99.0], [None], [limit]))
    assert found == pytest.approx([3.2, 5.0, 5.0])
