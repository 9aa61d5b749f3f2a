"""How fast a limit cut reaches the piles: ``python -m tests.integration.limit_cuts 500 200``.

Every pile charges at its full 10 kW. The grid company cuts to 7 and then to 4 kW a pile and takes
the limit back, again and again. Measured from its publish to the arrival of the last decrease that
was needed, at a subscriber in another process, on one machine's clock. The floor of the bare
transport is told beside it: as many messages of the same size as such a cut has, from one paho
client to the same subscriber, in the same company.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from adapters.wire import root_of
from tests.integration.field import ROOT, SITE, Peer, Yard, limit, raw, request, until, yard
from tests.integration.limit_load import TELEMETRY_PERIOD_S

FULL_KW = 10.0
"""Nameplate, and contract for each pile."""

STAIR_KW = (7.0, 4.0)
"""The cuts between two returns to full power, kW for each pile."""

FLOORS = 50

TOLD_EVERY = 20
"""After so many cuts it says how far it is."""


class Ear:
    """What has arrived at the piles: the sum of their setpoints, and when it fell to a limit."""

    def __init__(self, port: int, piles: int) -> None:
        self.sum_kw, self.floors, self.floor_s = 0.0, 0, 0.0
        self._power_kw: dict[str, float] = {}
        self._limit_kw = 0.0
        self._within_s: float | None = None
        self._first_s = 0.0
        self._decreases = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.limit_load", str(port), str(piles)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def end(self) -> None:
        """End the piles, and with them the process that hears for them."""
        for process in (*psutil.Process(self.process.pid).children(), self.process):
            process.kill()
        self.process.wait()

    def expect(self, limit_kw: float) -> None:
        """From now on, note when the sum falls to a limit."""
        self._decreases, self._within_s, self._limit_kw = 0, None, limit_kw
        self._first_s = 0.0

    def within(self) -> tuple[float, float, int]:
        """When the first decrease came, when the last, and how many they were; waits for it."""
        until(lambda: self._within_s is not None, "the cut is obeyed")
        assert self._within_s is not None
        return self._first_s, self._within_s, self._decreases

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            kind, at, pile, value, *_ = line.split()
            if kind == "floor":
                self.floor_s, self.floors = float(at), self.floors + 1
                continue
            change_kw = float(value) - self._power_kw.get(pile, 0.0)
            self._power_kw[pile] = float(value)
            self.sum_kw += change_kw
            if self._within_s is None:
                if change_kw < 0.0:
                    self._first_s = self._first_s or float(at)
                    self._decreases += 1
                if self.sum_kw <= self._limit_kw + 1e-6:
                    self._within_s = float(at)


def measure(piles: int, cuts: int, folder: Path, *, flood: int = 0) -> dict[str, Any]:
    """The figures of so many cuts at so many piles, with so many other messages a second."""
    chance = random.Random(1)
    with yard(folder, piles=piles, lease_s=30) as place:
        _enlarge(place, piles)
        grid, operator = place.peer("g"), place.peer("op")
        place.daemon.start()
        place.ready()
        ear = Ear(place.broker.port, piles)
        time.sleep(TELEMETRY_PERIOD_S + 3.0)
        for k in range(piles):
            request(operator, f"s{k}", f"P-{k}", energy_kwh=25.0)

        def at_full() -> bool:
            return ear.sum_kw > piles * FULL_KW * 0.99

        until(at_full, "the cars charge", 180)
        _note("all charge")
        topic = f"{root_of(SITE)}pile/P-0/telemetry"
        words = ["tests.chaos.flood", str(place.broker.port), topic, str(flood), "86400"]
        noise = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT) if flood else None
        took_s: list[float] = []
        first_after_s: list[float] = []
        needed: list[int] = []
        first_s = time.monotonic()
        while len(took_s) < cuts:
            for level_kw in STAIR_KW:
                # Long enough for the piles' answers; at another place of the daemon's second.
                time.sleep(chance.uniform(0.4, 0.7))
                ear.expect(piles * level_kw)
                began = time.monotonic()
                limit(grid, "cut", piles * level_kw)
                first_of_s, within_s, decreases = ear.within()
                first_after_s.append(first_of_s - began)
                took_s.append(within_s - began)
                needed.append(decreases)
                if len(took_s) % TOLD_EVERY == 0:
                    worst = max(took_s[-TOLD_EVERY:]) * 1000
                    passed = time.monotonic() - first_s
                    _note(f"{len(took_s)} cuts, {passed:.0f} s, the last at most {worst:.0f} ms")
            limit(grid, "cut", None, revoked=True)
            until(at_full, "power is back", 120)
        many = round(statistics.median(needed))
        sender = place.peer("floor")
        floor_s = [_floor(sender, ear, many) for _ in range(FLOORS)]
        control = psutil.Process(place.daemon.pid)
        control_mb = round(control.memory_info().rss / 1e6, 1)
        memory = [round(c.memory_info().rss / 1e6, 1) for c in control.children(recursive=True)]
        ear.end()
        if noise is not None:
            noise.kill()
            noise.wait()
    return {
        "piles": piles,
        "cuts": len(took_s),
        "telemetry_per_s": round(piles / TELEMETRY_PERIOD_S),
        "flood_per_s": flood,
        "decreases_p50": many,
        **_shares("cut", took_s),
        **_shares("first_decrease", first_after_s),
        **_shares("floor", floor_s),
        "control_process_mb": control_mb,
        "other_processes_mb": memory,
        "load_average_1min": round(psutil.getloadavg()[0], 1),
    }


def _note(text: str) -> None:
    """How far it is, beside the figures."""
    print(text, file=sys.stderr, flush=True)


def _shares(name: str, took_s: list[float]) -> dict[str, float]:
    ranked = sorted(s * 1000 for s in took_s)
    return {
        f"{name}_ms_p50": round(statistics.median(ranked), 1),
        f"{name}_ms_p99": round(ranked[min(int(len(ranked) * 0.99), len(ranked) - 1)], 1),
        f"{name}_ms_max": round(ranked[-1], 1),
    }


def _enlarge(place: Yard, piles: int) -> None:
    text = place.config.read_text()
    for old, new in (
        ("limit_kw = 300", f"limit_kw = {piles * FULL_KW * 2}"),
        ("contract_kw = 150", f"contract_kw = {piles * FULL_KW}"),
        ("failsafe_kw = 30", f"failsafe_kw = {piles}"),
        ("telemetry_period_s = 1", f"telemetry_period_s = {TELEMETRY_PERIOD_S}"),
        ("max_kw = 40", f"max_kw = {FULL_KW}"),
        ("offline_kw = 5", "offline_kw = 0"),
    ):
        assert old in text
        text = text.replace(old, new)
    place.config.write_text(text)


_FLOOR = b'{"epoch":1,"seq":20000,"power_kw":3.5,"lease_s":60.0,"fallback_kw":0.0,"reason":"plan"}'


def _floor(sender: Peer, ear: Ear, many: int) -> float:
    """From the first to the last of as many messages as a cut has, through the same broker, s."""
    time.sleep(0.3)
    before, began = ear.floors, time.monotonic()
    for k in range(many):
        sender.send_raw(raw(f"floor/P-{k}", _FLOOR))
    until(lambda: ear.floors >= before + many, "the floor is measured")
    return ear.floor_s - began


def main() -> None:
    """Print the figures as JSON."""
    piles = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    flood = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with tempfile.TemporaryDirectory(prefix="cuts-") as folder:
        print(json.dumps(measure(piles, cuts, Path(folder), flood=flood), indent=2))


if __name__ == "__main__":
    main()
