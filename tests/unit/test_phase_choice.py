"""Piles switched between one phase and three: by power, through zero, within a budget."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.wire.encode import encode
from models.errors import ConfigurationError
from models.network import Node
from models.pile import Pile
from scheduler.effects import SetpointSent
from tests.world import World, pile, site


def switchable(budget: int = 4, **changes: object) -> Pile:
    """Three phases of 16 A (10.56 kW, from 3.96), or phase 2 alone (1.32 to 3.52 kW)."""
    values: dict[str, object] = {"phases": (1, 2, 3), "max_a": 16.0, "one_phase": 2}
    return pile("P1", **(values | {"phase_switches_per_day": budget} | changes))


def world(budget: int = 4, limit_a: tuple[float, float, float] | None = None) -> World:
    node = Node("transformer", limit_kw=50.0, heartbeat="none", limit_a=limit_a)
    w = World(site((switchable(budget),), node))
    w.plug("P1")
    return w


def hold(w: World, power_kw: float) -> float:
    """The driver's vehicle takes so much; what the pile was told a while later."""
    w.say(w.request("s1", "P1", 60.0, hours=12, mode="now", max_kw=power_kw))
    w.wait(900)
    return w.setpoints["P1"]


def told(w: World) -> list[tuple[int | None, float]]:
    """Phases and power, each new pair once."""
    pairs = [(s.phases, round(s.power_kw, 2)) for s in w.sent if not s.renewal]
    return [pair for pair, _ in itertools.groupby(pairs)]


def test_less_than_three_phases_must_take_is_drawn_on_one() -> None:
    w = world()
    assert hold(w, 2.0) == pytest.approx(2.0)
    assert w.state.piles["P1"].phases == 1
    assert hold(w, 10.0) == pytest.approx(10.0)
    assert w.state.piles["P1"].phases == 3
    # It changes over only from nothing.
    for before, after in itertools.pairwise(told(w)):
        assert before[0] == after[0] or before[1] == 0.0


def test_between_the_two_it_stays_as_it_is() -> None:
    w = world()
    assert hold(w, 2.0) == pytest.approx(2.0)
    assert hold(w, 3.7) == pytest.approx(3.52)
    assert w.state.piles["P1"].phase_switches == 1


def test_a_spent_budget_keeps_three_phases_at_their_minimum() -> None:
    w = world(budget=1)
    assert hold(w, 2.0) == pytest.approx(2.0)
    w = world(budget=0)
    assert hold(w, 2.0) == pytest.approx(3.96)
    assert {s.phases for s in w.sent} == {3}


def test_a_promise_outranks_the_budget() -> None:
    w = world(budget=1)
    assert hold(w, 2.0) == pytest.approx(2.0)
    w.say(w.request("s1", "P1", 20.0, hours=3, mode="now"))
    w.wait(60)
    assert w.setpoints["P1"] == pytest.approx(10.56)
    assert w.state.piles["P1"].phase_switches == 2


def test_the_kernel_counts_the_phase_it_draws_on() -> None:
    w = world(limit_a=(50.0, 10.0, 50.0))
    assert hold(w, 3.0) == pytest.approx(2.2)
    assert w.state.piles["P1"].phases == 1


def test_a_limit_stops_it_at_once_on_the_phases_it_is_on() -> None:
    w = world()
    hold(w, 2.0)
    w.say(w.limit(0.0))
    assert (w.sent[-1].phases, w.sent[-1].power_kw) == (1, 0.0)


def test_only_setpoints_of_switchable_piles_say_phases() -> None:
    sent: list[SetpointSent] = []
    for plate in (switchable(), pile("P1")):
        w = World(site((plate,), limit_kw=50.0))
        w.plug("P1")
        hold(w, 6.0)
        sent.append(w.sent[-1])
    bodies = [msgspec.json.decode(encode("depot-1", s)[0].payload) for s in sent]
    assert [body.get("phases") for body in bodies] == [3, None]
    assert "phases" not in bodies[1]


FILE = """
[site]
name = "depot-1"
timezone = "Asia/Shanghai"
currency = "CNY"
tariff = "zhejiang-2026"
base_load = "none"
walk_in = "refuse"

[nodes.transformer]
limit_kw = 400
heartbeat = "none"

[[assets]]
id = "A-01"
kind = "pile"
node = "transformer"
phases = [1, 2, 3]
volts = 220
max_a = 16
one_phase = 2
phase_switches_per_day = 6
offline_kw = 0
response_s = 5
"""


def test_a_switchable_pile_is_read_and_written() -> None:
    plate = parse_site(FILE).site.piles[0]
    assert (plate.one_phase, plate.phase_switches_per_day) == (2, 6)
    assert (plate.min_kw, plate.max_kw) == (pytest.approx(1.32), pytest.approx(10.56))
    assert parse_site(site_to_toml(parse_site(FILE))).site.piles[0] == plate


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("one_phase = 2", "one_phase = 4", "assets.A-01.one_phase"),
        ("phases = [1, 2, 3]", "phases = [1]", "assets.A-01.one_phase"),
        ("phase_switches_per_day = 6", "", "assets.A-01.phase_switches_per_day"),
        ("one_phase = 2", "", "assets.A-01.one_phase"),
        ("= 6", "= -1", "assets.A-01.phase_switches_per_day"),
        ("offline_kw = 0", "offline_kw = 0\nfallback_kw = 1.4", "assets.A-01.one_phase"),
    ],
)
def test_what_cannot_be_switched_is_refused_by_name(old: str, new: str, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_site(FILE.replace(old, new, 1))
    assert caught.value.where == where
