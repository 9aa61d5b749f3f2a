"""The safety kernel against its two promises, on random trees and random piles."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.safety import Budget, Outlet, enforce

TOLERANCE = 1e-6


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
def test_setpoints_fit_every_node_and_phase(scene: tuple[list[Outlet], list[int], Budget]) -> None:
    outlets, order, budget = scene
    powers = enforce(outlets, order, budget)
    for v, kw in enumerate(budget.kw):
        assert load(outlets, powers, v) <= max(kw, 0.0) + TOLERANCE
        amps = budget.amps[v]
        if amps is not None:
            for phase in range(3):
                assert current(outlets, powers, v, phase) <= max(amps[phase], 0.0) + TOLERANCE


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
