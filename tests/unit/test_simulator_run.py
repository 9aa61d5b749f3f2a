"""The closed loop in process: engine, cascade and virtual depot, and the figures it ends in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.books import load_book
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.replay import ReplaySession
from adapters.simulator.simulate import simulate
from adapters.simulator.trace import Piece, SessionTrace, Trace
from adapters.simulator.waiting import limit_share_used_while_waiting
from models.errors import DataError
from scheduler.engine import Engine
from tests.unit.simulated import START, START_S, at, pile, site_of, vehicle

TARIFF = load_book("zhejiang-2026", holidays="none")
KEYS = (
    "sessions",
    "requested_kwh",
    "feasible_kwh",
    "delivered_kwh",
    "short_sessions",
    "cost",
    "cost_per_kwh",
    "perfect_foresight_cost_at_delivered",
    "exceeded_node_seconds",
    "peak_kw",
    "limit_share_used_while_waiting",
    "setpoints",
    "solve_ms_p50",
    "solve_ms_p99",
    "wall_s",
)
SITE = site_of([pile(n, min_kw=1.0) for n in "ABC"], limit_kw=15.0)


def recorded() -> list[ReplaySession]:
    """Three cars from 8:00: two leave at noon, one in the evening."""
    stays = {"A": (0.0, 4.0, 20.0), "B": (0.5, 4.0, 20.0), "C": (1.0, 10.0, 25.0)}
    return [
        ReplaySession(
            id=f"s{name}",
            pile=name,
            arrival=START + timedelta(hours=begin),
            departure=START + timedelta(hours=end),
            delivered_kwh=kwh,
            stated_departure=START + timedelta(hours=end + 1),
            stated_kwh=kwh * 1.5,
        )
        for name, (begin, end, kwh) in stays.items()
    ]


def test_with_the_truth_the_loop_comes_to_what_foresight_would_have_done() -> None:
    figures = simulate(SITE, TARIFF, recorded(), START, START + timedelta(days=1), requests="truth")
    assert set(KEYS) <= set(figures)
    for name in ("uncontrolled", "first_come", "perfect_foresight"):
        assert {f"{name}_cost", f"{name}_cost_per_kwh", f"{name}_delivered_kwh"} <= set(figures)
    assert figures["sessions"] == 3
    assert figures["delivered_kwh"] == pytest.approx(65.0, abs=0.05)
    assert figures["feasible_kwh"] == pytest.approx(65.0, abs=1e-3)
    assert figures["short_sessions"] == 0
    assert figures["exceeded_node_seconds"] == 0
    assert figures["peak_kw"] <= 15.0 + 1e-6
    # The loop learns of each car as it comes, so it may pay a little more, never less.
    assert figures["perfect_foresight_cost"] <= figures["cost"] + 1e-6
    assert figures["cost"] <= figures["perfect_foresight_cost"] * 1.03
    assert figures["cost_per_kwh"] < figures["uncontrolled_cost_per_kwh"]
    assert figures["uncontrolled_exceeded_node_seconds"] > 0


def test_the_losses_of_words_are_told_apart() -> None:
    figures = simulate(
        SITE,
        TARIFF,
        recorded(),
        START,
        START + timedelta(days=1),
        requests="stated",
        losses=True,
    )
    for key in ("loss_departure", "loss_energy"):
        assert set(figures[key]) == {"cost", "cost_per_kwh", "delivered_kwh"}
    assert figures["requested_kwh"] == pytest.approx(65.0 * 1.5)
    assert figures["delivered_kwh"] <= 65.0 + 1e-6
    # Who believes that cars leave an hour later serves some of them too late.
    assert figures["loss_departure"]["delivered_kwh"] > 1.0


def test_a_stretch_without_sessions_is_said_so() -> None:
    later = START + timedelta(days=9)
    with pytest.raises(DataError, match="no session arrives"):
        simulate(SITE, TARIFF, recorded(), later, later + timedelta(days=1))


def test_the_same_seedless_run_ends_the_same() -> None:
    def once() -> list[list[Piece]]:
        cars = [vehicle("s", "A", (0, 4), 20.0), vehicle("t", "B", (0.3, 6), 30.0)]
        depot = VirtualDepot(SITE, cars, start_s=START_S)
        trace = run(Engine(SITE, TARIFF), depot, until_s=at(7), solve=cascade_of("highs"))
        return [s.pieces for s in trace.sessions]

    assert once() == once()


def test_share_of_the_limit_used_counts_only_while_a_short_session_could_take_more() -> None:
    short = SessionTrace("s", "A", 0.0, 7200.0, wants_kwh=15.0, max_kw=10.0)
    short.pieces = [Piece(0.0, 3600.0, 10.0, 10.0)]
    other = SessionTrace("o", "B", 0.0, 7200.0, wants_kwh=5.0, max_kw=10.0)
    other.pieces = [Piece(0.0, 3600.0, 2.0, 2.0), Piece(3600.0, 7200.0, 3.0, 3.0)]
    trace = Trace(
        sessions=(short, other), verdicts=(), limits={"transformer": [(0.0, 12.0)]}, base=[]
    )
    # Only the second hour: 3 of 12 kWh, while the first session got nothing and left short.
    assert limit_share_used_while_waiting(trace) == pytest.approx(0.25)
    short.wants_kwh = 10.0
    assert limit_share_used_while_waiting(trace) == 1.0
