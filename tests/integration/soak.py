"""A day over the broker, in lockstep: ``python -m tests.integration.soak PILES HOURS``.

Three vehicles a day come to every pile, each asks for what its limit share can give. The control
process is weighed once in every simulated hour: after the first one it must not grow. The solving
process is weighed beside it: it may be ended and started again at any time, and holds more.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from adapters.config import SiteFile
from adapters.config_mqtt import MqttSettings
from adapters.config_writer import site_to_toml
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.over_mqtt import LockstepDepot
from tests.integration.field import Broker
from tests.unit.simulated import START_S, at, pile, site_of, vehicle

GROWTH_ASKED = 0.05
STEP_S = 300.0

FULL_AFTER_H = 0.75
"""The yard is full by the end of the first hour, from which on memory must stay flat."""


def soak(piles: int, hours: float, folder: Path, *, seed: int = 1) -> dict[str, Any]:
    """The figures of so many piles over so many simulated hours."""
    names = [f"P{k}" for k in range(piles)]
    site = site_of(
        [pile(n, min_kw=1.0) for n in names],
        limit_kw=3.0 * piles,
        lease_s=900.0,
        telemetry_period_s=300.0,
    )
    chance, stay_h = random.Random(seed), min(6.0, hours / 2)
    cars = [
        vehicle(f"{name}-{k}", name, (begin, begin + stay_h), chance.uniform(5.0, 25.0))
        for name in names
        for k in range(int(hours // 8) + 1)
        if (begin := 8.0 * k + chance.uniform(0.0, FULL_AFTER_H)) + stay_h < hours
    ]
    broker = Broker(folder)
    broker.start()
    settings = MqttSettings(host="127.0.0.1", port=broker.port, tls=False)
    file = SiteFile(site=site, mqtt=settings, clock="lockstep", store_path=folder / "s.db")
    path = folder / "site.toml"
    path.write_text(site_to_toml(replace(file, path=path)), encoding="utf-8")
    daemon = subprocess.Popen([sys.executable, "-m", "adapters.cli", "run", str(path)])
    lockstep = LockstepDepot(VirtualDepot(site, cars, start_s=START_S), settings)
    weights: list[float] = []
    solving: list[float] = []
    began = time.monotonic()

    def weigh(reached_s: float) -> None:
        if reached_s >= at(len(weights) + 1):
            control = psutil.Process(daemon.pid)
            weights.append(_mb(control))
            solving.append(max((_mb(child) for child in control.children()), default=0.0))
            told = f"hour {len(weights)}: {weights[-1]} MB, solving {solving[-1]} MB"
            print(told, file=sys.stderr, flush=True)

    try:
        lockstep.connect()
        lockstep.await_daemon(60.0, alive=lambda: daemon.poll() is None)
        trace = lockstep.run(at(hours), step_s=STEP_S, told=weigh)
    finally:
        lockstep.close()
        daemon.terminate()
        daemon.wait(20)
        broker.kill()
    first = weights[0] if weights else 0.0
    return {
        "piles": piles,
        "simulated_h": hours,
        "sessions": len(cars),
        "memory_mb_by_hour": weights,
        "solving_mb_by_hour": solving,
        "growth_after_first_hour": round(max(weights[1:], default=first) / first - 1.0, 4),
        "exceeded_node_seconds": trace.exceeded_node_seconds,
        "delivered_kwh": round(sum(s.delivered_kwh for s in trace.sessions), 1),
        "setpoints": trace.setpoints,
        "store_mb": round((folder / "s.db").stat().st_size / 1e6, 1),
        "wall_s": round(time.monotonic() - began),
    }


def _mb(process: psutil.Process) -> float:
    """What a process holds in memory, MB; 0 for one that has just ended."""
    try:
        return round(process.memory_info().rss / 1e6, 1)
    except psutil.NoSuchProcess:
        return 0.0


def main() -> None:
    """Print the figures as JSON; 1 when memory grew or a limit was exceeded."""
    piles = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 24.0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        figures = soak(piles, hours, Path(folder))
    print(json.dumps(figures, indent=2))
    grown = figures["growth_after_first_hour"] > GROWTH_ASKED
    sys.exit(1 if grown or figures["exceeded_node_seconds"] else 0)


if __name__ == "__main__":
    main()
