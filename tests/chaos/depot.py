"""Piles with cars as a process: one connection for each, one event loop, commands on stdin.

``python -m tests.chaos.depot PORT POWERS COUNT INDEX...``. A pile obeys its setpoint while the
lease runs, counted from receipt, then goes to its fallback. A line on stdin such as
``P-3 ignore`` makes it misbehave, ``P-3 honest`` ends that; a wanted power below zero gives back.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire import root_of
from adapters.wire.outside import decode_out, encode_in
from tests.chaos.plant import SITE, PileKind, Powers, yard_piles

STEP_S = 0.05
PERIOD_S = 1.0
DC_RAMP_KW_S = 40.0
TOLERANCE = 0.07


class SimPile:
    """One pile, its car and its connection."""

    def __init__(self, kind: PileKind, index: int, port: int) -> None:
        self.kind, self.index, self._port = kind, index, port
        self.mode = "honest"
        self.car = True
        self.soc: float | None = None
        self.power_kw = 0.0
        self.register_kwh = 500.0
        self.epoch = int(time.time() * 1000)
        self.stale_obeyed = 0
        self._seq = 0
        self._wanted_kw = 0.0
        self._stamp = (-1, -1)
        self._lease_ends = 0.0
        self._due: list[tuple[float, o.Setpoint]] = []
        self._measure_at = time.monotonic() + PERIOD_S * (index % 10) / 10
        self._retry_at = 0.0
        self._frozen: float | None = None
        self.client: Client | None = None
        self.up = False

    def connect(self) -> None:
        """Open the connection; what fails is tried again half a second later."""
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"pile-{self.kind.name}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        self._retry_at = time.monotonic() + 0.5
        try:
            client.connect("127.0.0.1", self._port, keepalive=20, clean_start=True)
        except OSError:
            return
        self.client = client

    def _on_connect(self, client: Client, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        if code.is_failure:
            return
        client.subscribe(root_of(SITE) + f"pile/{self.kind.name}/setpoint", 1)
        self.up = True
        self._send(w.PileBirth(**self._head()))

    def _on_disconnect(self, *_: Any) -> None:
        self.up = False
        self.client = None

    def drop(self) -> None:
        """The connection is gone."""
        self.up = False
        client, self.client = self.client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.disconnect()

    def _head(self) -> dict[str, Any]:
        self._seq += 1
        return {"epoch": self.epoch, "seq": self._seq, "issued_at": datetime.now(UTC)}

    def _send(self, body: Any) -> None:
        if self.client is not None and self.up:
            p = encode_in(SITE, body, self.kind.name)
            self.client.publish(p.topic, p.payload, p.qos, p.retain)

    def _on_message(self, _c: Client, _u: Any, message: Any) -> None:
        with contextlib.suppress(Exception):
            body, _ = decode_out(SITE, message.topic, message.payload)
            assert isinstance(body, o.Setpoint)
            wait = 10.0 if self.mode == "slow" else 0.0
            self._due.append((time.monotonic() + wait, body))

    def _obey(self, body: o.Setpoint) -> None:
        if (body.epoch, body.seq) <= self._stamp:
            return
        self._stamp = (body.epoch, body.seq)
        if self.mode != "refuse":
            self._lease_ends = time.monotonic() + body.lease_s
            self._wanted_kw = body.power_kw
        applied = None if self.mode == "refuse" else body.power_kw
        refused = "out of order" if self.mode == "refuse" else None
        head = self._head()
        self._send(
            w.PileAck(
                **head,
                setpoint_epoch=body.epoch,
                setpoint_seq=body.seq,
                applied_kw=applied,
                refused=refused,
            )
        )

    def command(self, word: str) -> None:
        """Misbehave, behave, reboot, plug or unplug."""
        if word == "reboot":
            self.drop()
            self._retry_at = time.monotonic() + 2.0
            self._wanted_kw, self._lease_ends = self.kind.max_kw, time.monotonic() + 600
            self._stamp = (-1, -1)
        elif word.startswith("soc "):
            self.soc = float(word.partition(" ")[2])
        elif word in ("plug", "unplug"):
            self.car = word == "plug"
        elif word == "offline":
            self.drop()
            self._retry_at = math.inf
        elif word == "online":
            self._retry_at = 0.0
        else:
            self.mode = word
            self._frozen = self.power_kw if word == "frozen" else None

    def step(self, now: float, powers: Powers) -> None:
        """Physics of one step, and telemetry when it is due."""
        while self._due and self._due[0][0] <= now:
            self._obey(self._due.pop(0)[1])
        if self.mode != "ignore":
            target = self._wanted_kw if now < self._lease_ends else 0.0
        else:
            target = self.kind.max_kw
        if self.mode == "greedy":
            target *= 1.1
        # AC piles regulate amps: the voltage moves what they draw, never above the tolerance.
        if self.kind.ac:
            swing = 0.03 + 0.04 * math.sin(now / 17.0 + self.index)
            target *= 1.0 + min(swing, TOLERANCE)
        target = target if self.car else 0.0
        ramp = (1.0 if self.mode == "ramp" else DC_RAMP_KW_S) * STEP_S
        self.power_kw += min(max(target - self.power_kw, -ramp), ramp)
        self.register_kwh += self.power_kw * STEP_S / 3600
        powers.put(self.index, self.power_kw)
        if now >= self._measure_at and self.up:
            self._measure_at = now + PERIOD_S
            said = self.power_kw if self._frozen is None else self._frozen
            said = 0.0 if self.mode == "lie" else said
            self._send(
                w.PileTelemetry(
                    **self._head(),
                    power_kw=round(said, 4),
                    energy_kwh=round(self.register_kwh, 5),
                    status="charging" if self.car and said else "waiting",
                    vehicle=self.car,
                    soc=self.soc if self.car else None,
                )
            )


def main() -> None:
    """Run the piles until stdin closes."""
    port, path, count = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    kinds = yard_piles(count)
    powers = Powers(path, count)
    piles = [SimPile(kinds[k], k, port) for k in map(int, sys.argv[4:])]
    by_name = {p.kind.name: p for p in piles}
    os.set_blocking(0, False)
    pending = b""
    next_step = time.monotonic()
    while True:
        chunk = b""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(0, 65536)
            if not chunk:
                return
        pending += chunk
        *lines, pending = pending.split(b"\n")
        for line in lines:
            name, _, word = line.decode().partition(" ")
            for pile in piles if name == "*" else [by_name[name]] if name in by_name else []:
                pile.command(word)
        now = time.monotonic()
        _io(piles, now, max(next_step - now, 0.0))
        now = time.monotonic()
        if now >= next_step:
            next_step = max(next_step + STEP_S, now - 0.5)
            for pile in piles:
                pile.step(now, powers)


def _io(piles: list[SimPile], now: float, wait_s: float) -> None:
    """Read and write what is ready; connections that are gone are opened again."""
    with selectors.DefaultSelector() as select:
        for pile in piles:
            if pile.client is None:
                if now >= pile._retry_at:
                    pile.connect()
                continue
            end = pile.client.socket()
            if end is None:
                pile.drop()
                continue
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE * pile.client.want_write())
            select.register(end, events, pile)
        for key, mask in select.select(wait_s):
            pile = key.data
            client = pile.client
            if client is not None and mask & selectors.EVENT_READ:
                client.loop_read()
            if client is not None and mask & selectors.EVENT_WRITE:
                client.loop_write()
    for pile in piles:
        if pile.client is not None:
            pile.client.loop_misc()


if __name__ == "__main__":
    main()
