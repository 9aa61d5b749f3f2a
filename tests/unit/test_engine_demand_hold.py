"""Dispatch holds the demand that the plan aimed at, second by second, and costs nobody energy."""

from __future__ import annotations

import numpy as np
import pytest

from scheduler import control
from tests.unit.test_engine_demand import tariff
from tests.world import World, pile, site

SITE = {"base_load": "meter", "margin_kw": 0.0, "telemetry_period_s": 30.0}


def over_the_aim(slide_s: int, base_kw: np.ndarray) -> tuple[World, float]:
    """Two cars that can wait under a base load by second; and how far the highest interval of a
    quarter hour came above what the plan aimed at when it ended, as a share.
    """
    w = World(site((pile("p1"), pile("p2")), **SITE), tariff=tariff(slide_s=slide_s))
    w.say(w.meter(float(base_kw[0])))
    w.plug("p1", "p2")
    w.say(*(w.request(f"s{k}", f"p{k}", 9.0, hours=3.0) for k in (1, 2)))
    drawn, aims = np.zeros(base_kw.size), np.zeros(base_kw.size)
    for t, base in enumerate(base_kw.tolist()):
        w.say(w.meter(base + w.total_kw()))
        drawn[t], aims[t] = base + w.total_kw(), aim(w)
        w.wait(1.0, step_s=1.0)
    total = np.concatenate([[0.0], np.cumsum(drawn)])
    begins = np.arange(0, drawn.size - 900 + 1, slide_s)
    means = (total[begins + 900] - total[begins]) / 900
    return w, float(np.max(means / aims[begins + 899])) - 1.0


def aim(w: World) -> float:
    plan = w.state.plan
    assert plan is not None
    assert len(plan.aims) == 1
    return plan.aims[0][1]


def breathing() -> np.ndarray:
    """10 kW, and for four minutes out of twenty 16 kW: no forecast tells it."""
    seconds = np.arange(2400)
    return np.where((seconds > 600) & (seconds % 1200 < 240), 16.0, 10.0)


@pytest.mark.parametrize("slide_s", [900, 60])
def test_every_running_average_stays_at_what_the_plan_aims_at(slide_s: int) -> None:
    w, over = over_the_aim(slide_s, breathing())
    assert over <= 0.01
    # Both went on charging: what was held back is planned for later, and short of nothing.
    assert min(w.registers.values()) - 100.0 > 0.5
    # (A plan that piles can hold may leave less than a tenth of a kWh to the rounding.)
    assert max(r.short_kwh for r in w.state.sessions.values()) < 0.1


def test_without_it_the_same_hour_comes_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "hold", lambda draft, site, wanted, room: wanted)
    assert over_the_aim(60, breathing())[1] > 0.05


def test_a_session_that_cannot_wait_is_served_whatever_the_peak_costs() -> None:
    """Base load doubles for good: who needs the whole hour that is left goes on at full power."""
    w = World(site((pile("p1"), pile("p2")), **SITE), tariff=tariff(slide_s=60))
    w.say(w.meter(10.0))
    w.plug("p1", "p2")
    w.say(w.request("now", "p1", 7.0, hours=1.0), w.request("later", "p2", 7.0, hours=6.0))
    for _ in range(1800):
        w.say(w.meter(20.0 + w.total_kw()))
        w.wait(1.0, step_s=1.0)
        assert w.power_kw("p1") > 6.9 or w.registers["p1"] - 100.0 > 6.9
    assert w.registers["p1"] - 100.0 == pytest.approx(3.5, abs=0.05)
