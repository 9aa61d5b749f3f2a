"""Phases as even as a node asks: in the plan, at the piles, and in a site file."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from models.errors import ConfigurationError
from models.network import Node
from scheduler.cascade import load_solver, run_cascade
from scheduler.evenness import uneven
from scheduler.problem import ImbalanceLimit, Problem
from scheduler.verify import verify
from tests.problems import problem_of, session
from tests.unit.test_config_microgrid import FILE
from tests.world import World, pile, site

ALL = 2**31 - 1


def yard(imbalance_a: float | None) -> World:
    node = Node("transformer", limit_kw=100.0, heartbeat="none", imbalance_a=imbalance_a)
    piles = tuple(pile(f"P{k}", phases=(k % 3 + 1,)) for k in range(6))
    return World(site(piles, node))


def amps(w: World) -> list[float]:
    kw = [sum(w.power_kw(f"P{k}") for k in range(6) if k % 3 == p) for p in range(3)]
    return [round(p * 1000 / 220, 3) for p in kw]


def charge(w: World, *names: str) -> None:
    w.plug(*names)
    for name in names:
        w.say(w.request(f"s-{name}", name, 40.0, hours=8, mode="now"))
    w.wait(60)


def test_two_on_one_phase_get_no_more_than_the_limit_alone() -> None:
    w = yard(20.0)
    charge(w, "P0", "P3")
    assert amps(w) == pytest.approx([20.0, 0.0, 0.0], abs=0.01)
    free = yard(None)
    charge(free, "P0", "P3")
    assert amps(free) == pytest.approx([64.0, 0.0, 0.0])


def test_who_comes_on_the_other_phases_lifts_all_and_who_goes_lets_them_down() -> None:
    w = yard(20.0)
    charge(w, "P0", "P3", "P1", "P2")
    assert amps(w) == pytest.approx([52.0, 32.0, 32.0], abs=0.5)
    w.vehicles["P2"] = False
    w.say(w.telemetry("P2"))
    w.wait(10)
    assert amps(w) == pytest.approx([20.0, 20.0, 0.0], abs=0.5)


def three_on_one_phase(most_a: float) -> Problem:
    """Three vehicles on phase 1, one on each other; all want the first, cheapest hour."""
    cars = [
        session(0, 4, 7.0, 7.0, phases=bits, amps_per_kw=1000 / 220, promised_kwh=7.0)
        for bits in (1, 1, 1, 2, 4)
    ]
    problem = problem_of(cars, price=[0.1, 0.2, 0.3, 0.4])
    limit = ImbalanceLimit(0, most_a, np.zeros(3))
    return dataclasses.replace(problem, imbalances=(limit,))


def test_a_plan_moves_to_dearer_hours_what_would_make_phases_uneven() -> None:
    problem = three_on_one_phase(25.0)
    relaxed = load_solver("flow")(problem, work_limit=ALL)
    assert uneven(problem, relaxed.energy_kwh).any()
    answer = run_cascade(problem, [("flow", load_solver("flow"))], ALL)
    assert not uneven(problem, answer.energy_kwh).any()
    assert float(answer.energy_kwh.sum()) == pytest.approx(35.0, abs=1e-4)
    assert answer.gap > 0
    assert verify(problem, answer).ok
    held = dataclasses.replace(problem, running_kwh=answer.energy_kwh)
    again = run_cascade(held, [("flow", load_solver("flow"))], ALL)
    assert again.energy_kwh.tolist() == answer.energy_kwh.tolist()


@pytest.mark.parametrize("seed", range(60))
def test_random_plans_are_as_even_as_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cars = []
    for _ in range(15):
        begin = rng.uniform(0, 6)
        end = begin + rng.uniform(1, 5)
        bits = int(rng.choice([1, 2, 4, 7]))
        per_kw = 1000 / (220 * bits.bit_count())
        least = 1.32 * bits.bit_count() * rng.integers(0, 2)
        kwh = rng.uniform(1, 5 * (end - begin))
        cars.append(
            session(begin, end, 7.0, kwh, phases=bits, amps_per_kw=per_kw, min_kw=float(least))
        )
    problem = problem_of(cars, price=rng.uniform(0.1, 1.0, 12).tolist(), cap_kw=40.0)
    problem = dataclasses.replace(
        problem, imbalances=(ImbalanceLimit(0, 20.0, rng.uniform(0, 15, 3)),)
    )
    answer = run_cascade(problem, [("flow", load_solver("flow"))], ALL)
    assert verify(problem, answer).ok
    assert not uneven(problem, answer.energy_kwh).any()


def test_it_is_read_written_and_refused_by_name() -> None:
    text = FILE.replace("limit_kw = 400", "limit_kw = 400\nimbalance_a = 20")
    made = parse_site(text)
    assert made.site.network.root.imbalance_a == 20.0
    assert parse_site(site_to_toml(made)).site.network.root.imbalance_a == 20.0
    with pytest.raises(ConfigurationError) as caught:
        parse_site(text.replace("imbalance_a = 20", "imbalance_a = -1"))
    assert caught.value.where == "nodes.transformer.imbalance_a"
