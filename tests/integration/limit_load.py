"""All piles of a measurement in one process: ``python -m tests.integration.limit_load PORT PILES``.

They obey, acknowledge and measure. What a process of its own hears (``limit_ear``) is told on
standard output as it is told here, and answered.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass

from adapters.wire import inbound as w
from tests.integration.field import ROOT, Peer

TELEMETRY_PERIOD_S = 1.0

ANSWER_AFTER_S = 0.05
"""A pile answers so long after its setpoint; and measures anew once its power has followed."""

_TURN_S = 0.01


@dataclass(frozen=True)
class Told:
    """A setpoint, and when it came."""

    at_s: float
    pile: str
    power_kw: float
    epoch: int
    seq: int


class Piles:
    """The piles behind the one that hears."""

    def __init__(self, port: int, count: int) -> None:
        self._ear = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.limit_ear", str(port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._ear.stdout is not None
        assert self._ear.stdout.readline() == "listens\n"
        self._sender = Peer(port, "piles")
        self._power_kw = {f"P-{k}": 0.0 for k in range(count)}
        self._register_kwh = dict.fromkeys(self._power_kw, 0.0)
        self._measured_s = dict.fromkeys(self._power_kw, 0.0)
        self._told: deque[Told] = deque()
        threading.Thread(target=self._read, daemon=True).start()
        for pile in self._power_kw:
            self._sender.send(w.PileBirth(**self._sender.stamp()), pile)

    def run(self) -> None:
        """Read, answer and measure without end."""
        rounds = list(self._power_kw)
        began_s, sent = time.monotonic(), 0
        while True:
            time.sleep(_TURN_S)
            now_s = time.monotonic()
            for pile in self._answer(now_s):
                self._measure(pile, now_s)
            due = int((now_s - began_s) * len(rounds) / TELEMETRY_PERIOD_S)
            for k in range(sent, min(due, sent + len(rounds))):
                self._measure(rounds[k % len(rounds)], now_s)
            sent = due

    def _read(self) -> None:
        assert self._ear.stdout is not None
        for line in self._ear.stdout:
            print(line, end="", flush=True)
            kind, at, pile, *told = line.split()
            if kind == "setpoint":
                self._told.append(Told(float(at), pile, float(told[0]), int(told[1]), int(told[2])))

    def _answer(self, now_s: float) -> list[str]:
        """Acknowledge what was told a while ago; whose power is another one now."""
        changed = []
        while self._told and self._told[0].at_s <= now_s - ANSWER_AFTER_S:
            told = self._told.popleft()
            if told.power_kw != self._power_kw[told.pile]:
                changed.append(told.pile)
            self._power_kw[told.pile] = told.power_kw
            ack = w.PileAck(
                **self._sender.stamp(),
                setpoint_epoch=told.epoch,
                setpoint_seq=told.seq,
                applied_kw=told.power_kw,
            )
            self._sender.send(ack, told.pile)
        return changed

    def _measure(self, pile: str, now_s: float) -> None:
        power = self._power_kw[pile]
        passed_s = now_s - (self._measured_s[pile] or now_s)
        self._measured_s[pile] = now_s
        self._register_kwh[pile] += power * passed_s / 3600
        self._sender.send(
            w.PileTelemetry(
                **self._sender.stamp(),
                power_kw=power,
                energy_kwh=self._register_kwh[pile],
                status="charging" if power else "waiting",
                vehicle=True,
            ),
            pile,
        )


if __name__ == "__main__":
    Piles(int(sys.argv[1]), int(sys.argv[2])).run()
