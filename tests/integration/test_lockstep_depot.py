"""The same virtual depot in process and behind a real broker: the same truth comes out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from adapters.books import load_book
from adapters.broker import wheel_broker
from adapters.config import SiteFile
from adapters.config_mqtt import MqttSettings
from adapters.config_writer import site_to_toml
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.over_mqtt import LockstepDepot
from scheduler.engine import Engine
from tests.unit.simulated import START_S, at, pile, site_of, vehicle

pytestmark = pytest.mark.skipif(
    find_spec("iotcore") is None, reason="the broker from the wheel is not installed (extra demo)"
)

SITE = site_of(
    [pile(n, min_kw=1.0) for n in "ABC"], limit_kw=14.0, lease_s=900.0, telemetry_period_s=60.0
)


def depot() -> VirtualDepot:
    """Three cars that want 45 kWh where two hours let 28 kWh through; one needs no announcing."""
    cars = [
        vehicle("s", "A", (0, 1.5), 12.0),
        vehicle("t", "B", (0.25, 2), 15.0),
        vehicle("u", "C", (0.5, 2), 18.0, words=False),
    ]
    return VirtualDepot(SITE, cars, start_s=START_S)


def test_a_depot_over_mqtt_draws_what_it_draws_in_process(tmp_path: Path) -> None:
    tariff = load_book("zhejiang-2026")
    inside = run(Engine(SITE, tariff), depot(), until_s=at(2) + 1, solve=cascade_of("highs"))
    with wheel_broker() as port:
        settings = MqttSettings(host="127.0.0.1", port=port, tls=False)
        file = SiteFile(site=SITE, mqtt=settings, clock="lockstep", store_path=tmp_path / "s.db")
        path = tmp_path / "site.toml"
        path.write_text(site_to_toml(replace(file, path=path)), encoding="utf-8")
        daemon = subprocess.Popen([sys.executable, "-m", "adapters.cli", "run", str(path)])
        lockstep = LockstepDepot(depot(), settings)
        try:
            lockstep.connect()
            lockstep.await_daemon(120.0, alive=lambda: daemon.poll() is None)
            outside = lockstep.run(at(2) + 1, step_s=120.0, told=lambda _: None)
        finally:
            lockstep.close()
            daemon.terminate()
            daemon.wait(60)
    assert daemon.returncode == 0
    assert outside.exceeded_node_seconds == 0
    assert outside.setpoints > 3
    assert outside.solve_ms
    taken = [sum(s.delivered_kwh for s in t.sessions) for t in (inside, outside)]
    assert taken[0] == pytest.approx(14.0 * 2, rel=0.05)
    assert taken[1] == pytest.approx(taken[0], rel=0.03)
