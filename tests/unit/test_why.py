"""The sentence says what holds a session, with numbers that can be checked by hand."""

from __future__ import annotations

import dataclasses

import numpy as np

from scheduler.problem import ImbalanceLimit, Problem
from scheduler.reasons import Reasons
from scheduler.shortage import explain
from scheduler.solvers import flow
from scheduler.why import Why, why
from tests.problems import problem_of, session


def said(problem: Problem, i: int, plan=None, periods=(), *, cut: bool = True) -> Why:
    energy = flow.solve(problem, work_limit=10**9).energy_kwh if plan is None else np.array(plan)
    cuts = {c.session: c for c in explain(problem, energy)} if cut else {}
    reason = Reasons(problem, energy, periods=periods).of(i, cuts.get(problem.fleet.ids[i]))
    return why(reason, zone=problem.horizon.zone, currency="CNY")


def test_who_waits_for_the_valley_is_told_its_hour_and_what_it_saves():
    problem = problem_of(
        [session(0, 4, 10, 10, node=1)],
        price=[1.0, 1.0, 0.3, 0.3],
        parent=[-1, 0],
        cap_kw=[[50.0] * 4, [20.0] * 4],
    )
    answer = said(problem, 0, periods=("peak", "peak", "valley", "valley"))
    ready, at = (
        f"{np.datetime64(int(problem.horizon.edges_s[k]), 's').astype(object):%H:%M}"
        for k in (1, 2)
    )
    assert answer.text == (
        f"waits for the valley at {at} (0.30 instead of 1.00 yuan/kWh); saves 7.00 yuan; "
        f"at once it would be ready at {ready} for 10.00 yuan; n1 free"
    )
    assert answer.text_zh == (
        f"等待 {at} 起的谷段（每千瓦时 0.30 而非 1.00 元）；节省 7.00 元；"
        f"立即充电可于 {ready} 完成，费用 10.00 元；n1 有余量"
    )


def test_who_begins_in_the_flat_hours_and_charges_mostly_in_the_valley_is_told_of_both():
    """One period alone would stand beside a price that is not its own."""
    problem = problem_of([session(0, 4, 10, 22)], price=[1.0, 0.6, 0.3, 0.3], cap_kw=50.0)
    answer = said(problem, 0, periods=("peak", "flat", "valley", "valley"))
    flat, valley = (
        f"{np.datetime64(int(problem.horizon.edges_s[k]), 's').astype(object):%H:%M}"
        for k in (1, 2)
    )
    assert answer.text.startswith(
        f"waits for the flat hours at {flat}, then the valley at {valley} "
        "(0.33 instead of 1.00 yuan/kWh); "
    )
    assert answer.text_zh.startswith(
        f"等待 {flat} 起的平段及 {valley} 起的谷段（每千瓦时 0.33 而非 1.00 元）；"
    )


def test_a_short_session_is_told_the_hours_the_others_and_when_leaving_would_do():
    problem = problem_of(
        [session(0, 2, 10, 20, node=1), session(0, 2, 10, 10, node=1)],
        price=[1.0] * 4,
        parent=[-1, 0],
        cap_kw=[[100.0] * 4, [12.0] * 4],
    )
    answer = said(problem, 1)
    lines = answer.text.split("; ")
    assert "kWh short: n1 full " in lines[0]
    assert lines[1] == "shared with 1 other"
    assert lines[2].startswith("leaving at ")
    assert answer.text_zh.startswith("缺 ")


def test_leaving_when_it_says_does_serve_everything():
    problem = problem_of(
        [session(0, 2, 10, 20), session(0, 4, 10, 10)], price=[1.0] * 4, cap_kw=8.0
    )
    plan = flow.solve(problem, work_limit=10**9).energy_kwh
    short = problem.fleet.energy_kwh[0] - plan[: problem.offsets[1]].sum()
    assert short > 0.1
    reason = Reasons(problem, plan).of(0, short_kwh=float(short))
    later = reason.later_s
    assert later is not None
    hours = (later - problem.horizon.start_s) / 3600
    again = problem_of(
        [session(0, hours, 10, 20), session(0, 4, 10, 10)], price=[1.0] * 4, cap_kw=8.0
    )
    energy = flow.solve(again, work_limit=10**9).energy_kwh
    assert energy.sum() > 30 - 1e-3


def test_a_stay_too_short_for_its_pile_names_no_node():
    answer = said(problem_of([session(0, 1, 10, 15)], price=[1.0, 1.0], cap_kw=50.0), 0)
    assert answer.text.startswith("5.0 kWh short: the stay is too short for 10.0 kW; leaving at ")


def test_who_waits_for_room_is_told_what_is_full():
    problem = problem_of(
        [session(0, 2, 10, 10), session(0, 2, 10, 10)], price=[1.0, 1.0], cap_kw=10.0
    )
    answer = said(problem, 1, plan=[10.0, 0.0, 0.0, 10.0])
    assert answer.text.startswith("waits for room until ")
    assert "n0 full " in answer.text


def test_who_waits_out_a_limit_into_the_night_does_not_wait_for_the_peak_that_runs():
    """It begins in the same peak, once there is room, and ends at a lower price."""
    problem = problem_of(
        [session(0, 3, 10, 20)],
        price=[1.0, 1.0, 0.5],
        cap_kw=[[0.0, 20.0, 20.0]],
    )
    answer = said(problem, 0, plan=[0.0, 10.0, 10.0], periods=("peak", "peak", "flat"))
    assert answer.text.startswith("waits for room until ")
    assert "n0 full " in answer.text
    assert "peak" not in answer.text
    free = problem_of([session(0, 3, 10, 20)], price=[1.0, 1.0, 0.5], cap_kw=20.0)
    answer = said(free, 0, plan=[0.0, 10.0, 10.0], periods=("peak", "peak", "flat"))
    assert " at no higher price; ready at " in answer.text


def test_who_is_short_for_the_least_power_of_its_pile_alone_is_told_so():
    """4 kW of room for two hours hold 8 kWh, but not at a pile that starts at 6 kW."""
    problem = problem_of(
        [session(0, 2, 10, 8, min_kw=6.0), session(0, 2, 10, 12)], price=[1.0] * 3, cap_kw=10.0
    )
    relaxed = np.array([4.0, 4.0, 6.0, 6.0])
    plan = np.array([0.0, 0.0, 6.0, 6.0])
    reasons = Reasons(problem, plan, relaxed_kwh=relaxed)
    answer = why(reasons.of(0, reasons.cuts.of(0)), zone=problem.horizon.zone, currency="CNY")
    assert answer.text.startswith(
        "8.0 kWh short: the room left is less than the 6.0 kW that its pile can hold"
    )
    assert answer.text_zh.startswith("缺 8.0 kWh：剩余容量不足桩的最小可调功率 6.0 kW")


def test_who_is_short_because_phases_may_not_lie_further_apart_is_told_so():
    """Nothing is full, and any power would fit, were it not on the phase that is loaded alone."""
    alone = {"phases": 1, "amps_per_kw": 5.0, "min_kw": 1.0}
    problem = problem_of(
        [session(0, 2, 10, 8, **alone), session(0, 2, 10, 8, **alone)],
        price=[1.0] * 3,
        cap_kw=100.0,
    )
    uneven = ImbalanceLimit(0, 20.0, np.zeros(3))
    problem = dataclasses.replace(problem, imbalances=(uneven,))
    relaxed = np.array([8.0, 0.0, 8.0, 0.0])
    plan = np.array([4.0, 4.0, 0.0, 0.0])
    reasons = Reasons(problem, plan, relaxed_kwh=relaxed)
    reason = reasons.of(1, reasons.cuts.of(1))
    answer = why(reason, zone=problem.horizon.zone, currency="CNY")
    assert answer.text == "8.0 kWh short: the phases of n0 may not be loaded further apart"
    assert answer.text_zh == "缺 8.0 kWh：n0 三相不平衡已达限值"
    # With room between the phases it is its least power that holds it.
    wide = dataclasses.replace(problem, imbalances=(ImbalanceLimit(0, 30.0, np.zeros(3)),))
    reasons = Reasons(wide, plan, relaxed_kwh=relaxed)
    assert reasons.of(1, reasons.cuts.of(1)).uneven == ""
