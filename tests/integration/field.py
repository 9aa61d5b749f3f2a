"""A site as seen from outside: Mosquitto, the daemon as a process, piles, grid and operator.

Everything runs on loopback, each test with its own port and folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.mqtt.buffered import BufferedClient
from adapters.wire import Publish, root_of
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire.outside import decode_out, encode_in

ROOT = Path(__file__).parents[2]
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="Mosquitto is not installed")

SITE = "yard"

SLOT_S = 900.0
"""Length of the site's slots."""

SLOT_AHEAD_S = 40.0
"""A test that compares setpoints begins no nearer to the end of a slot."""

_BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 100000
persistence false
"""

_SITE = """\
[site]
name = "{site}"
timezone = "Asia/Shanghai"
currency = "CNY"
tariff = "{tariff}"
base_load = "none"
margin_kw = 0
lease_s = {lease_s}
telemetry_period_s = 1
walk_in = "refuse"
clock = "{clock}"

[nodes.transformer]
limit_kw = 300
contract_kw = 150
failsafe_kw = 30
heartbeat = "{heartbeat}"

[store]
path = "{store}"

[mqtt]
host = "127.0.0.1"
port = {port}
tls = false
"""

_PILE = """
[[assets]]
id = "{id}"
kind = "pile"
node = "transformer"
current = "dc"
max_kw = 40
min_kw = 5
fallback_kw = 0
offline_kw = 5
response_s = 1
"""


def free_port() -> int:
    """A port that nobody listens on, below those that the system hands out for connections.

    One of the latter could be gone before it is used, and a client that keeps asking for a broker
    that is away could be connected to itself.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Broker:
    """Mosquitto, to be killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(_BROKER.format(port=self.port))
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log
            )

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            return False

        until(listens, "the broker listens")

    def kill(self) -> None:
        """Take it away without a goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def until(happens: Callable[[], object], what: str, timeout_s: float = 60.0) -> float:
    """Wait until something is so; how long it took, s."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        if happens():
            return time.monotonic() - began
        time.sleep(0.01)
    raise AssertionError(f"after {timeout_s:g} s still not: {what}")


class Peer:
    """A client of the broker: one credential, one connection, its own epoch and counter."""

    def __init__(self, port: int, name: str, filters: tuple[str, ...] = ()) -> None:
        self.epoch = int(time.time() * 1000)
        self._seq = 0
        self._lock = threading.Lock()
        self.heard: list[tuple[str, bytes]] = []
        self._up = threading.Event()
        client = BufferedClient(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5
        )

        def on_connect(c: Client, _u: Any, _f: Any, _code: Any, _p: Any) -> None:
            for topic in filters:
                c.subscribe(root_of(SITE) + topic, 1)
            if not filters:
                self._up.set()

        granted: list[int] = []

        def on_subscribe(_c: Client, _u: Any, mid: int, _codes: Any, _p: Any) -> None:
            granted.append(mid)
            if len(granted) >= len(filters):
                self._up.set()

        def on_message(_c: Client, _u: Any, message: Any) -> None:
            self.heard.append((message.topic, message.payload))
            self.on_message(message.topic, message.payload)

        client.on_connect = on_connect
        client.on_subscribe = on_subscribe
        client.on_message = on_message
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", port, clean_start=True)
        client.loop_start()
        self.client = client
        assert self._up.wait(60), f"{name} is not connected"

    def on_message(self, topic: str, payload: bytes) -> None:
        """What a peer does about a message; nothing unless it is a pile."""

    def stamp(self) -> dict[str, Any]:
        """Epoch, counter and instant of the next message."""
        with self._lock:
            self._seq += 1
            return {"epoch": self.epoch, "seq": self._seq, "issued_at": datetime.now(UTC)}

    def send(self, body: msgspec.Struct, *ids: str, wait: bool = False) -> None:
        """Publish a body on its topic."""
        self.send_raw(encode_in(SITE, body, *ids), wait=wait)

    def send_raw(self, publish: Publish, *, wait: bool = False) -> None:
        """Publish bytes."""
        info = self.client.publish(publish.topic, publish.payload, publish.qos, publish.retain)
        if wait:
            info.wait_for_publish(60)

    def bodies(self, kind: type[Any]) -> list[Any]:
        """What has been heard of one wire type, in order."""
        out = []
        for topic, payload in list(self.heard):
            if payload:
                body, _ = decode_out(SITE, topic, payload)
                if isinstance(body, kind):
                    out.append(body)
        return out

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()


class PilePeer(Peer):
    """A pile with a car: obeys what it is told while the lease runs, measures, acknowledges."""

    def __init__(self, port: int, name: str, *, period_s: float = 0.5) -> None:
        self.name = name
        self.power_kw = 0.0
        self.register_kwh = 1000.0
        self.told: list[o.Setpoint] = []
        self.told_s: list[float] = []
        self.obeys = True
        self._lease_ends_s = 0.0
        self._period_s = period_s
        self._stop = threading.Event()
        super().__init__(port, f"pile-{name}", (f"pile/{name}/setpoint",))
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def start(self) -> None:
        """Boot: say so, then measure."""
        self.send(w.PileBirth(**self.stamp()), self.name)
        self._thread.start()

    def on_message(self, topic: str, payload: bytes) -> None:
        body, _ = decode_out(SITE, topic, payload)
        assert isinstance(body, o.Setpoint)
        if self.told and (body.epoch, body.seq) <= (self.told[-1].epoch, self.told[-1].seq):
            return
        self.told_s.append(time.monotonic())
        self.told.append(body)
        if not self.obeys:
            return
        self._lease_ends_s = time.monotonic() + body.lease_s
        self.power_kw = body.power_kw
        ack = w.PileAck(
            **self.stamp(),
            setpoint_epoch=body.epoch,
            setpoint_seq=body.seq,
            applied_kw=body.power_kw,
        )
        self.send(ack, self.name)

    def _measure(self) -> None:
        while not self._stop.is_set():
            if time.monotonic() > self._lease_ends_s:
                self.power_kw = 0.0
            self.register_kwh += self.power_kw * self._period_s / 3600
            self.send(
                w.PileTelemetry(
                    **self.stamp(),
                    power_kw=self.power_kw,
                    energy_kwh=self.register_kwh,
                    status="charging" if self.power_kw else "waiting",
                    vehicle=True,
                ),
                self.name,
            )
            self._stop.wait(self._period_s)

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2)
        super().close()


class DaemonProcess:
    """The daemon, as its own process."""

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Start it; returns at once."""
        program = (
            "import sys, logging; logging.basicConfig(level=logging.INFO)\n"
            "from adapters.config import load_site\n"
            "from adapters.daemon import run_daemon\n"
            "if __name__ == '__main__': sys.exit(run_daemon(load_site(sys.argv[1])))\n"
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(self._config)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait for its end; the exit code."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid


@dataclass
class Yard:
    """Everything of one test."""

    folder: Path
    broker: Broker
    daemon: DaemonProcess
    store: Path
    config: Path
    piles: list[PilePeer] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    _planner: Peer | None = None

    def peer(self, name: str, *filters: str) -> Peer:
        """Another client."""
        peer = Peer(self.broker.port, name, filters)
        self.peers.append(peer)
        return peer

    def plug_in(self, count: int) -> None:
        """Boot piles P-0, P-1, ... with a car at each."""
        for k in range(count):
            pile = PilePeer(self.broker.port, f"P-{k}")
            self.piles.append(pile)
            pile.start()

    @property
    def drawn_kw(self) -> float:
        """What all piles draw together."""
        return sum(p.power_kw for p in self.piles)

    def said_kw(self) -> float:
        """Sum of the last setpoints, all of the same instant: read until twice the same."""
        last: list[int] = []
        while True:
            now = [len(p.told) for p in self.piles]
            if now == last:
                return sum(
                    p.told[n - 1].power_kw for p, n in zip(self.piles, now, strict=True) if n
                )
            last = now

    def most_said_kw(self, since_s: float) -> float:
        """The highest sum of the last setpoints at any instant since then, of those said since."""
        said = sorted(
            (at_s, pile.name, setpoint.power_kw)
            for pile in self.piles
            for at_s, setpoint in zip(list(pile.told_s), list(pile.told), strict=False)
            if at_s >= since_s
        )
        now: dict[str, float] = {}
        most = 0.0
        for _, name, power_kw in said:
            now[name] = power_kw
            most = max(most, sum(now.values()))
        return most

    def ready(self) -> None:
        """Wait until the daemon hears on all of its connections: before that, what is said to a
        broker that has not met it is said to nobody.
        """
        viewer = self.peer(f"ready-{len(self.peers)}", "status")
        until(
            lambda: (
                (said := viewer.bodies(o.Status))
                and said[-1].state == "online"
                and "broker" not in said[-1].degraded
            ),
            "the daemon hears on all of its connections",
        )

    def settled(self, drawn_kw: float, *, plans: int = 0, asked_kwh: float = 0.0) -> None:
        """Wait until nothing is left that could move power from pile to pile.

        Parameters
        ----------
        drawn_kw : float
            What the piles must draw together, at least.
        plans : int
            More plans than this must have been heard by ``planner``.
        asked_kwh : float
            What the newest must speak of: the energy of all sessions.
        """
        wait_s = time.time() % SLOT_S - (SLOT_S - SLOT_AHEAD_S)
        if wait_s > 0:
            # With a slot's end another part of the plan holds, and rightly so.
            time.sleep(SLOT_AHEAD_S - wait_s + 2.0)

        def at_rest() -> bool:
            made = self.planner.bodies(o.Plan)
            covers = made[-1].planned_kwh + made[-1].short_kwh if made else 0.0
            return (
                len(made) > plans
                and covers >= 0.95 * asked_kwh
                and self.still(2.0)
                and self.drawn_kw >= drawn_kw
                and len(self.planner.bodies(o.Plan)) == len(made)
            )

        until(at_rest, f"the piles have settled at {drawn_kw:g} kW", 120)

    @property
    def planner(self) -> Peer:
        """Who hears every plan, from the first time he is asked for."""
        if self._planner is None:
            self._planner = self.peer("planner", "plan")
        return self._planner

    def still(self, seconds: float) -> bool:
        """Whether no pile changes what it draws for so long."""
        first = [p.power_kw for p in self.piles]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            if [p.power_kw for p in self.piles] != first:
                return False
        return True


@contextlib.contextmanager
def yard(
    folder: Path,
    *,
    piles: int = 6,
    lease_s: float = 6.0,
    heartbeat: str = "none",
    clock: str = "wall",
    tariff: str | None = None,
) -> Iterator[Yard]:
    """A broker and a site; the daemon is there and not yet started."""
    broker = Broker(folder)
    broker.start()
    store, config = folder / "yard.db", folder / "yard.toml"
    text = _SITE.format(
        site=SITE,
        tariff=tariff or flat_book(folder),
        lease_s=lease_s,
        clock=clock,
        heartbeat=heartbeat,
        store=store,
        port=broker.port,
    )
    config.write_text(text + "".join(_PILE.format(id=f"P-{k}") for k in range(piles)))
    place = Yard(folder, broker, DaemonProcess(config, folder), store, config)
    try:
        yield place
    finally:
        for peer in (*place.piles, *place.peers):
            peer.close()
        if place.daemon.process is not None and place.daemon.process.poll() is None:
            place.daemon.kill()
        broker.kill()


def flat_book(folder: Path) -> str:
    """A book with one price all year, so that no test depends on the hour it runs at."""
    path = folder / "flat.toml"
    path.write_text(
        'name = "flat"\ntitle = "one price"\nkind = "flat"\ncurrency = "CNY"\n'
        'source = "made for a test"\nmark = "example"\nsell = "nothing"\nbuy_per_kwh = 0.7\n'
    )
    return str(path)


def request(
    peer: Peer,
    session: str,
    pile: str,
    *,
    energy_kwh: float = 100.0,
    hours: float = 3.0,
    mode: Literal["smart", "now"] = "now",
) -> None:
    """The operator asks for energy at a pile, for so many hours from now."""
    now = datetime.now(UTC)
    body = w.SessionRequest(
        **peer.stamp(),
        pile=pile,
        arrival=now - timedelta(minutes=1),
        departure=now + timedelta(hours=hours),
        energy_kwh=energy_kwh,
        mode=mode,
    )
    peer.send(body, session, wait=True)


def limit(peer: Peer, name: str, import_kw: float | None, *, revoked: bool = False) -> None:
    """The grid company sets a limit from now on, or takes it back."""
    body = w.Limit(
        **peer.stamp(),
        valid_from=datetime.now(UTC) - timedelta(seconds=1),
        import_kw=import_kw,
        source="grid",
        revoked=revoked,
    )
    peer.send(body, "transformer", name, wait=True)


def raw(path: str, payload: bytes, qos: int = 1) -> Publish:
    """Bytes on a path under the root."""
    return Publish(root_of(SITE) + path, payload, qos, retain=False)


def as_json(payload: bytes) -> Any:
    """A body read without its wire type."""
    return json.loads(payload)
