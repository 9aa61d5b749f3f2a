"""Telemetry that says nothing new is noted without a look, and only such telemetry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from adapters.books import load_book
from benchmarks.bench_site import bench_site
from benchmarks.step import Loop
from models.events import PileMeasured, Ticked
from scheduler.effects import Alert, SetpointSent
from scheduler.sights import Sights

PILES = 12


@pytest.fixture
def loop() -> Loop:
    """Twelve piles, all taken, a third of their power: some charge and some wait."""
    return Loop(bench_site(PILES), load_book("zhejiang-2026"), ("greedy",), 3)


def telemetry(loop: Loop, seconds: float, **said: dict[str, object]) -> list[PileMeasured]:
    """Every pile draws what it was told for so long; ``said``: what some say instead."""
    loop.now += timedelta(seconds=seconds)
    loop.mono_s += seconds
    out = []
    for name, state in loop.state.piles.items():
        before = loop.registers.get(name, 0.0)
        loop.registers[name] = before + state.wanted_kw * seconds / 3600.0
        event = loop._telemetry(name, state.wanted_kw)
        assert isinstance(event, PileMeasured)
        out.append(replace(event, **said.get(name, {})))
    return out


def charging(loop: Loop) -> list[str]:
    return [name for name, state in loop.state.piles.items() if state.wanted_kw > 0]


def looked_at(loop: Loop, events: list[PileMeasured], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    honest = Sights.stale

    def stale(self: Sights, draft: object) -> list[str]:
        names = honest(self, draft)  # type: ignore[arg-type]
        found.extend(names)
        return names

    monkeypatch.setattr(Sights, "stale", stale)
    loop.state, _, _ = loop.engine.receive(loop.state, events)
    monkeypatch.setattr(Sights, "stale", honest)
    return found


def test_piles_that_say_what_was_known_are_not_looked_at(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    assert 0 < len(charging(loop)) < PILES
    assert looked_at(loop, telemetry(loop, 10.0), monkeypatch) == []
    one = charging(loop)[0]
    nearly = 0.97 * loop.state.piles[one].wanted_kw
    said = telemetry(loop, 5.0, **{one: {"power_kw": nearly}})
    assert looked_at(loop, said, monkeypatch) == []
    again = telemetry(loop, 5.0, **{one: {"power_kw": 0.99 * nearly}})
    assert looked_at(loop, again, monkeypatch) == []
    assert loop.state.piles[one].power_kw == 0.99 * nearly


@pytest.mark.parametrize("power", [0.5, 1.2])
def test_a_pile_that_draws_far_from_its_setpoint_is_looked_at(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, power: float
) -> None:
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    one = charging(loop)[0]
    said = {"power_kw": power * loop.state.piles[one].wanted_kw}
    assert looked_at(loop, telemetry(loop, 10.0, **{one: said}), monkeypatch) == [one]


def test_who_has_all_that_was_asked_for_is_stopped_by_that_very_telemetry(loop: Loop) -> None:
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    one = charging(loop)[0]
    session = loop.state.pile_session[one]
    record = loop.state.sessions[session]
    nearly = record.request.energy_kwh - 0.001
    had = loop.registers[one] - nearly
    record = replace(record, delivered_kwh=nearly, base_register_kwh=had)
    loop.state = replace(loop.state, sessions={**loop.state.sessions, session: record})
    loop.state, said, _ = loop.engine.receive(loop.state, telemetry(loop, 0.1))
    assert one not in {e.pile for e in said if isinstance(e, SetpointSent)}
    loop.state, said, _ = loop.engine.receive(loop.state, telemetry(loop, 10.0))
    told = {e.pile: e.power_kw for e in said if isinstance(e, SetpointSent)}
    assert told[one] == 0.0


def test_a_pile_heard_again_counts_as_silent_three_periods_later(loop: Loop) -> None:
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    loop.state, _, due_s = loop.engine.receive(loop.state, telemetry(loop, 10.0))
    heard = loop.mono_s
    assert due_s <= heard + 3 * loop.site.telemetry_period_s + 0.01
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 100.0)[1:])
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 81.0)[1:])
    picture = loop.engine._sights._known
    first, *others = loop.state.piles
    assert picture[first].silent_kw is not None
    assert all(picture[name].silent_kw is None for name in others)


def test_a_new_plan_s_columns_are_those_of_its_sessions(loop: Loop) -> None:
    plan = loop.state.plan
    assert plan is not None
    mine, gathered = plan.columns, replace(plan).columns
    assert mine.row == gathered.row
    assert len(mine.row) == PILES
    for one, other in (
        (mine.begins, gathered.begins),
        (mine.starts_s, gathered.starts_s),
        (mine.power_kw, gathered.power_kw),
    ):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_a_reading_after_a_new_setpoint_is_looked_at_though_it_shows_the_same(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it drew before was judged by what it was told then."""
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    one = charging(loop)[0]
    pile = loop.state.piles[one]
    told = replace(pile, changed_mono_s=pile.measured_mono_s + 1.0)
    loop.state = replace(loop.state, piles={**loop.state.piles, one: told})
    loop.now, loop.mono_s = loop.now + timedelta(seconds=2), loop.mono_s + 2.0
    tick = Ticked(now=loop.now, mono_s=loop.mono_s)
    loop.state, _, _ = loop.engine.receive(loop.state, [tick])
    assert looked_at(loop, telemetry(loop, 5.0), monkeypatch) == [one]
    assert looked_at(loop, telemetry(loop, 5.0), monkeypatch) == []


def test_a_pile_that_goes_on_to_draw_more_than_it_was_told_is_looked_at_each_time(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was just lowered: from when on its readings count against it hangs on the clock."""
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    one, pile = next((n, p) for n, p in loop.state.piles.items() if p.wanted_kw == 0)
    told = replace(pile, before_kw=7.0, changed_mono_s=loop.mono_s)
    loop.state = replace(loop.state, piles={**loop.state.piles, one: told})
    for seconds in (1.0, 2.0, 1.0, 1.0):
        said = telemetry(loop, seconds, **{one: {"power_kw": 2.0}})
        assert one in looked_at(loop, said, monkeypatch)


def test_a_fault_that_goes_on_is_told_once_and_its_end_once(loop: Loop) -> None:
    loop.state, _, _ = loop.engine.receive(loop.state, telemetry(loop, 30.0))
    one = next(name for name, pile in loop.state.piles.items() if pile.wanted_kw == 0)
    heard: list[bool] = []
    for fault in ("GroundFault", "GroundFault", "GroundFault", None, None):
        said = telemetry(loop, 10.0, **{one: {"fault": fault, "power_kw": 0.0}})
        loop.state, effects, _ = loop.engine.receive(loop.state, said)
        heard += [e.cleared for e in effects if isinstance(e, Alert) and e.kind == "pile_fault"]
        assert (f"pile_fault/{one}" in loop.state.alerts) == (fault is not None)
    assert heard == [False, True]
