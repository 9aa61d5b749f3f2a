"""How fast a limit cut reaches the piles: ``python -m tests.integration.limit_cuts 500 200``.

Measured from the grid client's publish to the arrival of the last decrease that was needed, at a
subscriber in another process, on one machine's clock. The floor of the bare transport is told
beside it: as many messages of the same size from one paho client to the same subscriber.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire import root_of
from adapters.wire.outside import decode_out
from tests.integration.field import ROOT, SITE, Peer, Yard, limit, raw, request, until, yard

BEFORE_KW, AFTER_KW = 10.0, 4.0
"""Contract and cut, kW for each pile."""

TELEMETRY_PERIOD_S = 5.0


class Load(Peer):
    """All piles: they obey, acknowledge and measure. Tells on standard output what arrives."""

    def __init__(self, port: int, piles: int) -> None:
        self.power_kw = {f"P-{k}": 0.0 for k in range(piles)}
        self.register_kwh = dict.fromkeys(self.power_kw, 0.0)
        self.sum_kw = 0.0
        self.floor = 0
        super().__init__(port, "load", ("pile/+/setpoint", "floor"))

    def on_message(self, topic: str, payload: bytes) -> None:
        self.heard.clear()
        if topic.endswith("/floor"):
            self.floor += 1
            if self.floor % len(self.power_kw) == 0:
                say("floor", 0.0)
            return
        body, (pile,) = decode_out(SITE, topic, payload)
        assert isinstance(body, o.Setpoint)
        self.sum_kw += body.power_kw - self.power_kw[pile]
        if body.power_kw != self.power_kw[pile]:
            say("sum", self.sum_kw)
        self.power_kw[pile] = body.power_kw
        ack = w.PileAck(
            **self.stamp(),
            setpoint_epoch=body.epoch,
            setpoint_seq=body.seq,
            applied_kw=body.power_kw,
        )
        self.send(ack, pile)

    def measure(self) -> None:
        """One telemetry of every pile, spread over the period."""
        pause = TELEMETRY_PERIOD_S / len(self.power_kw)
        for pile, power in list(self.power_kw.items()):
            self.register_kwh[pile] += power * TELEMETRY_PERIOD_S / 3600
            self.send(
                w.PileTelemetry(
                    **self.stamp(),
                    power_kw=power,
                    energy_kwh=self.register_kwh[pile],
                    status="charging" if power else "waiting",
                    vehicle=True,
                ),
                pile,
            )
            time.sleep(pause)


def say(kind: str, value: float) -> None:
    """A line for the measuring process."""
    print(kind, time.monotonic(), value, flush=True)


class Ear:
    """Reads what the load process tells."""

    def __init__(self, port: int, piles: int) -> None:
        self.at_s, self.sum_kw, self.floors = 0.0, 0.0, 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.limit_cuts", "load", str(port), str(piles)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            kind, at, value = line.split()
            if kind == "sum":
                self.sum_kw, self.at_s = float(value), float(at)
            else:
                self.floors, self.at_s = self.floors + 1, float(at)


def measure(piles: int, cuts: int, folder: Path, *, flood: int = 0) -> dict[str, Any]:
    """The figures of so many cuts at so many piles, with so many other messages a second."""
    with yard(folder, piles=piles, lease_s=60) as place:
        _enlarge(place, piles)
        grid, operator = place.peer("g"), place.peer("op")
        place.daemon.start()
        place.ready()
        ear = Ear(place.broker.port, piles)
        time.sleep(TELEMETRY_PERIOD_S + 3.0)
        for k in range(piles):
            request(operator, f"s{k}", f"P-{k}", energy_kwh=300.0)
        until(lambda: ear.sum_kw > piles * BEFORE_KW * 0.97, "the cars charge", 180)
        floor_s = _floor(place, ear, piles)
        topic = f"{root_of(SITE)}pile/P-0/telemetry"
        words = ["tests.chaos.flood", str(place.broker.port), topic, str(flood), "86400"]
        noise = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT) if flood else None
        took_s = []
        for _ in range(cuts):
            began = time.monotonic()
            limit(grid, "cut", piles * AFTER_KW)
            until(lambda: ear.sum_kw <= piles * AFTER_KW + 1e-6, "the cut is obeyed", 60)
            took_s.append(ear.at_s - began)
            limit(grid, "cut", None, revoked=True)
            until(lambda: ear.sum_kw > piles * BEFORE_KW * 0.97, "power is back", 120)
            time.sleep(0.2)
        control = psutil.Process(place.daemon.pid)
        memory = [round(c.memory_info().rss / 1e6, 1) for c in control.children(recursive=True)]
        ear.process.kill()
        if noise is not None:
            noise.kill()
            noise.wait()
        return {
            "piles": piles,
            "cuts": cuts,
            "flood_per_s": flood,
            "cut_ms_p50": round(statistics.median(took_s) * 1000, 1),
            "cut_ms_p99": round(sorted(took_s)[int(len(took_s) * 0.99)] * 1000, 1),
            "floor_ms_p50": round(statistics.median(floor_s) * 1000, 1),
            "floor_ms_max": round(max(floor_s) * 1000, 1),
            "control_process_mb": round(control.memory_info().rss / 1e6, 1),
            "other_processes_mb": memory,
            "load_average_1min": round(psutil.getloadavg()[0], 1),
        }


def _enlarge(place: Yard, piles: int) -> None:
    text = place.config.read_text()
    for old, new in (
        ("limit_kw = 300", f"limit_kw = {piles * 40}"),
        ("contract_kw = 150", f"contract_kw = {piles * BEFORE_KW}"),
        ("failsafe_kw = 30", f"failsafe_kw = {piles}"),
        ("telemetry_period_s = 1", f"telemetry_period_s = {TELEMETRY_PERIOD_S}"),
        ("offline_kw = 5", "offline_kw = 0"),
    ):
        assert old in text
        text = text.replace(old, new)
    place.config.write_text(text)


def _floor(place: Yard, ear: Ear, piles: int) -> list[float]:
    """The same number of messages as a cut has at most, through the same broker."""
    sender, out = place.peer("floor"), []
    body = (
        b'{"epoch":1,"seq":20000,"power_kw":3.5,"lease_s":60.0,"fallback_kw":0.0,"reason":"plan"}'
    )
    for _ in range(10):
        count, began = ear.floors, time.monotonic()
        for _ in range(piles):
            sender.send_raw(raw("floor", body))
        until(lambda count=count: ear.floors > count, "the floor is measured", 60)
        out.append(ear.at_s - began)
        time.sleep(0.2)
    return out


def main() -> None:
    """Print the figures as JSON, or be the load of another such process."""
    if sys.argv[1:2] == ["load"]:
        load = Load(int(sys.argv[2]), int(sys.argv[3]))
        for pile in load.power_kw:
            load.send(w.PileBirth(**load.stamp()), pile)
        while True:
            load.measure()
    piles = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    cuts = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    flood = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with tempfile.TemporaryDirectory(prefix="cuts-") as folder:
        print(json.dumps(measure(piles, cuts, Path(folder), flood=flood), indent=2))


if __name__ == "__main__":
    main()
