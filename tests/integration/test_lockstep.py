"""Lockstep: the depot owns time, a day passes in seconds, and leases mean what they say."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.config import parse_site
from adapters.daemon import Daemon
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire.outside import decode_out
from models.errors import ConfigurationError
from tests.integration.field import Peer, Yard, needs_broker, until, yard

pytestmark = [needs_broker, pytest.mark.broker]

DAWN = datetime(2030, 1, 1, 0, 0, tzinfo=UTC)
MINUTE_S = 60.0


class Depot(Peer):
    """All piles behind one connection, and the time."""

    def __init__(self, port: int, piles: int) -> None:
        self.done: list[int] = []
        self.power_kw = {f"P-{k}": 0.0 for k in range(piles)}
        self.register_kwh = dict.fromkeys(self.power_kw, 0.0)
        self.lease_s: dict[str, float] = {}
        self.now = DAWN
        self.step = 0
        super().__init__(port, "depot", ("pile/+/setpoint", "sim/done", "status"))

    def stamp(self) -> dict[str, Any]:
        return {**super().stamp(), "issued_at": self.now}

    def on_message(self, topic: str, payload: bytes) -> None:
        body, ids = decode_out("yard", topic, payload)
        if isinstance(body, o.SimDone):
            self.done.append(body.step)
        elif isinstance(body, o.Setpoint):
            self.power_kw[ids[0]] = body.power_kw
            self.lease_s[ids[0]] = body.lease_s
            self.send(
                w.PileAck(
                    **self.stamp(),
                    setpoint_epoch=body.epoch,
                    setpoint_seq=body.seq,
                    applied_kw=body.power_kw,
                ),
                ids[0],
            )

    def minute(self) -> None:
        """A minute of the site: what the piles measured, then the time; wait for the daemon."""
        self.step += 1
        self.now += timedelta(seconds=MINUTE_S)
        for pile, power in self.power_kw.items():
            self.register_kwh[pile] += power * MINUTE_S / 3600
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
        now = w.SimTime(step=self.step, now=self.now, mono_s=self.step * MINUTE_S)
        self.send(now, wait=True)
        until(lambda: self.done[-1:] == [self.step], f"step {self.step} is done", 90)


def start(place: Yard, piles: int) -> Depot:
    text = place.config.read_text().replace("telemetry_period_s = 1", "telemetry_period_s = 60")
    place.config.write_text(text)
    depot = Depot(place.broker.port, piles)
    place.peers.append(depot)
    place.daemon.start()
    place.ready()
    return depot


def test_four_hours_pass_in_seconds_and_every_step_is_answered(tmp_path: Path) -> None:
    with yard(tmp_path, piles=6, lease_s=900, clock="lockstep") as place:
        depot = start(place, 6)
        for pile in depot.power_kw:
            depot.send(w.PileBirth(**depot.stamp()), pile, wait=True)
            depot.send(
                w.SessionRequest(
                    **depot.stamp(),
                    pile=pile,
                    arrival=DAWN,
                    departure=DAWN + timedelta(hours=4),
                    energy_kwh=60.0,
                ),
                f"s-{pile}",
                wait=True,
            )
        began = time.monotonic()
        most = 0.0
        for _ in range(240):
            depot.minute()
            most = max(most, sum(depot.power_kw.values()))
        assert depot.done == list(range(1, 241))
        assert most <= 150.0 + 1e-6
        for pile, energy in depot.register_kwh.items():
            assert energy == pytest.approx(60.0, abs=1.0), pile
        print(f"{(time.monotonic() - began) / 240 * 1000:.1f} ms a step")


def test_a_pile_that_never_answers_does_not_stop_the_run(tmp_path: Path) -> None:
    with yard(tmp_path, piles=2, lease_s=900, clock="lockstep") as place:
        depot = start(place, 2)
        mute = depot.on_message

        def deaf(topic: str, payload: bytes) -> None:
            if "P-1/setpoint" not in topic:
                mute(topic, payload)

        depot.on_message = deaf  # type: ignore[method-assign]
        for pile in depot.power_kw:
            depot.send(w.PileBirth(**depot.stamp()), pile, wait=True)
        depot.minute()
        for _ in range(20):
            depot.minute()
        assert depot.done == list(range(1, 22))


def test_lockstep_off_loopback_is_refused(tmp_path: Path) -> None:
    with yard(tmp_path, piles=1) as place:
        file = parse_site(place.config.read_text())
    object.__setattr__(file, "clock", "lockstep")
    object.__setattr__(file.mqtt, "host", "broker.example.org")
    with pytest.raises(ConfigurationError, match="loopback"):
        Daemon(file).run()
