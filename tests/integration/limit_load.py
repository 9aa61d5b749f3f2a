"""All piles of a measurement in one process: ``python -m tests.integration.limit_load PORT PILES``.

They obey, acknowledge and measure. What arrives is only noted with its instant where it arrives;
it is read, told on standard output and answered by another thread, on a connection of its own, so
that the piles' answers do not hold up the measurement of the setpoints behind them.
"""

from __future__ import annotations

import sys
import time
from collections import deque

from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire.outside import decode_out
from tests.integration.field import SITE, Peer

TELEMETRY_PERIOD_S = 1.0

ANSWER_AFTER_S = 0.05
"""A pile answers so long after its setpoint; and measures anew once its power has followed."""

_TURN_S = 0.01


class Subscriber(Peer):
    """Notes what arrives, and when."""

    def __init__(self, port: int) -> None:
        self.arrived: deque[tuple[float, str, bytes]] = deque()
        super().__init__(port, "subscriber", ("pile/+/setpoint", "floor/+"))

    def on_message(self, topic: str, payload: bytes) -> None:
        self.arrived.append((time.monotonic(), topic, payload))
        self.heard.clear()


class Piles:
    """The piles behind the subscriber."""

    def __init__(self, port: int, count: int) -> None:
        self._subscriber = Subscriber(port)
        self._sender = Peer(port, "piles")
        self._power_kw = {f"P-{k}": 0.0 for k in range(count)}
        self._register_kwh = dict.fromkeys(self._power_kw, 0.0)
        self._measured_s = dict.fromkeys(self._power_kw, 0.0)
        self._told: deque[tuple[float, str, o.Setpoint]] = deque()
        for pile in self._power_kw:
            self._sender.send(w.PileBirth(**self._sender.stamp()), pile)

    def run(self) -> None:
        """Read, answer and measure without end."""
        rounds = list(self._power_kw)
        began_s, sent = time.monotonic(), 0
        while True:
            time.sleep(_TURN_S)
            now_s = time.monotonic()
            self._read()
            for pile in self._answer(now_s):
                self._measure(pile, now_s)
            due = int((now_s - began_s) * len(rounds) / TELEMETRY_PERIOD_S)
            for k in range(sent, min(due, sent + len(rounds))):
                self._measure(rounds[k % len(rounds)], now_s)
            sent = due

    def _read(self) -> None:
        lines = []
        while self._subscriber.arrived:
            at_s, topic, payload = self._subscriber.arrived.popleft()
            if "/floor/" in topic:
                lines.append(f"floor {at_s!r} {topic.rpartition('/')[2]} 0")
                continue
            body, (pile,) = decode_out(SITE, topic, payload)
            assert isinstance(body, o.Setpoint)
            lines.append(f"setpoint {at_s!r} {pile} {body.power_kw!r}")
            self._told.append((at_s, pile, body))
        if lines:
            print("\n".join(lines), flush=True)

    def _answer(self, now_s: float) -> list[str]:
        """Acknowledge what was told a while ago; whose power is another one now."""
        changed = []
        while self._told and self._told[0][0] <= now_s - ANSWER_AFTER_S:
            _, pile, body = self._told.popleft()
            if body.power_kw != self._power_kw[pile]:
                changed.append(pile)
            self._power_kw[pile] = body.power_kw
            ack = w.PileAck(
                **self._sender.stamp(),
                setpoint_epoch=body.epoch,
                setpoint_seq=body.seq,
                applied_kw=body.power_kw,
            )
            self._sender.send(ack, pile)
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
