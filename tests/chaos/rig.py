"""Everything of one run: broker, two proxies, daemon, piles, meter, and the roles that send."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from adapters.wire import inbound as w
from adapters.wire import outbound as o
from tests.chaos.meter import Limits, Meter
from tests.chaos.plant import SITE, PileKind, Powers, yard_piles
from tests.integration.field import (
    ROOT,
    Broker,
    DaemonProcess,
    Peer,
    flat_book,
    free_port,
    until,
)

CONTRACT_KW, FAILSAFE_KW, FEEDER_KW = 150.0, 40.0, 30.0
LEASE_S = 20.0
RESPONSE_S = 2.0
HEARTBEAT_LOST_S = 120.0

_SITE = """\
[site]
name = "{site}"
timezone = "Asia/Shanghai"
currency = "CNY"
tariff = "{tariff}"
base_load = "meter"
margin_kw = 2
lease_s = {lease_s}
telemetry_period_s = 2
walk_in = "refuse"

[solver]
deadline_s = 4

[nodes.transformer]
limit_kw = 300
contract_kw = {contract}
failsafe_kw = {failsafe}
heartbeat = "required"
export_kw = 100

[nodes.feeder-a]
parent = "transformer"
limit_kw = {feeder}
limit_a = [100, 100, 100]

[store]
path = "{store}"

[mqtt]
host = "127.0.0.1"
port = {port}
tls = false
"""

_GIVES = """
[site.v2g]
price_per_kwh = 0.1
wear_per_kwh = 0.05
efficiency = 0.9
reserve_soc = 0.2
cycles_per_day = 1
"""

_PROGRAM = """\
import logging, os, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
from tests.chaos.inject import inject
from adapters.cli import main
if __name__ == "__main__":
    inject(Path(sys.argv[2]))
    sys.exit(main(["run", sys.argv[1]]))
"""


class ChaosDaemon(DaemonProcess):
    """The daemon with the harness's two injections: a shifted clock and points to die at."""

    def __init__(self, config: Path, folder: Path, *, name: str = "daemon") -> None:
        super().__init__(config, folder)
        self.config, self.folder = config, folder
        self.log = folder / f"{name}.log"

    def start(self, **environment: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self.config), str(self.folder)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def worker(self) -> psutil.Process | None:
        """Its solving process: the child that holds most memory."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.pid).children()
            return max(children, key=lambda c: c.memory_info().rss, default=None)
        return None


class Script:
    """A process that listens to words on its standard input."""

    def __init__(self, module: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def tell(self, line: str) -> None:
        """One word."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line: str) -> str:
        """One word, and the answer."""
        self.tell(line)
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Take it away."""
        self.process.kill()
        self.process.wait()


class Voices:
    """Grid company, operator, meter and viewer: what they send, and what they have heard."""

    def __init__(self, port: int) -> None:
        self.grid = Peer(port, "chaos-grid", ("answer/#",))
        self.operator = Peer(port, "chaos-operator", ("session/+/status",))
        self.viewer = Peer(port, "chaos-viewer", ("status", "alert/#", "rejected", "plan"))

    def close(self) -> None:
        """Leave."""
        for peer in (self.grid, self.operator, self.viewer):
            peer.close()


@dataclass
class Rig:
    """A running site under test.

    ``beats`` and ``metered`` switch the grid company's heartbeat and the site's meter on and
    off; ``base`` gives the true base load; ``meter_sign`` is -1 for a meter wired backwards;
    ``kept_free_kw`` what the site keeps free of the limit without any fault.
    """

    folder: Path
    broker: Broker
    to_daemon: Script
    to_piles: Script
    daemon: ChaosDaemon
    kinds: tuple[PileKind, ...]
    powers: Powers
    meter: Meter
    depots: list[Script]
    voices: Voices
    store: Path
    config: Path
    daemon_port: int
    beats: bool = True
    metered: bool = True
    meter_sign: float = 1.0
    extra_base_kw: float = 0.0
    kept_free_kw: float = 0.0
    excused: list[tuple[float, float]] = field(default_factory=list)
    unserved: list[tuple[float, float]] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)
    _pushed: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    # -- the background: base load, site meter, heartbeat ------------------------------------

    def background(self) -> None:
        """Base load, its meter and the heartbeat, four times a second."""
        beat_at = meter_at = 0.0
        register = 0.0
        while not self._stop.wait(0.1):
            now = time.monotonic()
            self.powers.base(15.0 + math.sin(now / 9.0) + self.extra_base_kw)
            total, _, base = self.meter.now_kw()
            register += max(total + base, 0.0) * 0.1 / 3600
            with contextlib.suppress(Exception):
                if self.beats and now >= beat_at:
                    beat_at = now + 1.0
                    self.voices.grid.send(w.Heartbeat(**self.voices.grid.stamp()))
                if self.metered and now >= meter_at:
                    meter_at = now + 0.5
                    self.voices.viewer.send(
                        w.NodeTelemetry(
                            **self.voices.viewer.stamp(),
                            power_kw=self.meter_sign * (total + base),
                            import_kwh=register,
                        ),
                        "transformer",
                    )

    # -- what the roles say ---------------------------------------------------------------------

    def limit(self, name: str, kw: float | None, *, revoked: bool = False, **change: Any) -> None:
        """A limit of the grid company, known to the judge from now on."""
        stamp = self.voices.grid.stamp() | change.pop("stamp", {})
        values: dict[str, Any] = {
            "valid_from": datetime.now(UTC) - timedelta(seconds=1),
            "import_kw": kw,
            "source": "chaos",
            "revoked": revoked,
        }
        body = w.Limit(**stamp, **(values | change))
        if revoked:
            self._pushed.pop(name, None)
        elif kw is not None and change.pop("counts", True):
            self._pushed[name] = kw
        until(self.voices.grid.client.is_connected, "the grid company is connected")
        # A lower one counts from its publication; a higher one no sooner than it is sent.
        self.judge_from(time.monotonic())
        self.voices.grid.send(body, "transformer", name, wait=True)
        self.sent.append((body.epoch, body.seq))

    def judge_from(self, at_s: float) -> None:
        """The judge's limit from an instant on: the lowest pushed, else the contract."""
        in_force = min(self._pushed.values(), default=CONTRACT_KW)
        self.meter.limits.set(at_s, min(in_force, 300.0))

    def request(self, session: str, pile: str, energy_kwh: float, **change: Any) -> None:
        """The operator asks for energy."""
        until(self.voices.operator.client.is_connected, "the operator is connected")
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "arrival": now - timedelta(minutes=1),
            "departure": now + timedelta(hours=6),
            "mode": "now",
        }
        body = w.SessionRequest(
            **self.voices.operator.stamp(),
            pile=pile,
            energy_kwh=energy_kwh,
            **(values | change),
        )
        self.voices.operator.send(body, session, wait=True)

    def command(self, pile: str, word: str) -> None:
        """Tell a pile's process to behave in some way."""
        for depot in self.depots:
            depot.tell(f"{pile} {word}")

    # -- what is seen ---------------------------------------------------------------------------

    @property
    def drawn_kw(self) -> float:
        """What the piles truly draw."""
        return self.meter.now_kw()[0]

    @property
    def room_kw(self) -> float:
        """What the limit in force leaves for piles."""
        return self.meter.limits.at(time.monotonic()) - self.meter.now_kw()[2]

    def serving(self) -> bool:
        """Whether the piles use what the limit leaves, as far as they did without a fault."""
        return self.drawn_kw >= 0.95 * max(self.room_kw - self.kept_free_kw, 0.0)

    def wait_serving(self, timeout_s: float = 40.0) -> float:
        """Wait until the piles use what they may; how long it took, s."""
        return until(self.serving, f"{self.drawn_kw:.0f} of {self.room_kw:.0f} kW", timeout_s)

    def status(self) -> o.Status | None:
        """The daemon's last word about itself."""
        said = self.voices.viewer.bodies(o.Status)
        return said[-1] if said else None

    @property
    def heard(self) -> int:
        """How many messages the viewer has heard so far."""
        return len(self.voices.viewer.heard)

    def alerts(self, since: int = 0) -> set[str]:
        """Kind and place of every alert raised, after so many messages to the viewer."""
        out = set()
        for topic, payload in list(self.voices.viewer.heard)[since:]:
            if "/alert/" in topic and b'"cleared":false' in payload:
                where = payload.split(b'"where":"')[1].split(b'"')[0].decode()
                out.add(f"{topic.rsplit('/', 1)[1]}/{where}")
        return out

    def obeyed_in_s(self, kw: float, timeout_s: float = 20.0) -> float:
        """Cut the limit; the seconds until the true power of all is under it."""
        self.limit("probe", kw)

        def under() -> bool:
            piles, _, base = self.meter.now_kw()
            return piles + base <= kw + 0.1

        return until(under, f"under {kw} kW", timeout_s)

    def calm(self) -> None:
        """The state that every fault begins from."""
        for name in list(self._pushed):
            self.limit(name, None, revoked=True)
        self.extra_base_kw, self.meter_sign = 0.0, 1.0
        self.beats = self.metered = True
        self.command("*", "honest")
        self.wait_serving()

    def close(self) -> None:
        """Take everything away."""
        self._stop.set()
        self.meter.stop()
        self.voices.close()
        for script in (*self.depots, self.to_daemon, self.to_piles):
            script.end()
        if self.daemon.alive:
            self.daemon.kill()
        self.broker.kill()


def _site_text(kinds: tuple[PileKind, ...], **values: object) -> str:
    text = _SITE.format(contract=CONTRACT_KW, failsafe=FAILSAFE_KW, feeder=FEEDER_KW, **values)
    if any(kind.give_kw for kind in kinds):
        text += _GIVES
    for kind in kinds:
        text += f'\n[[assets]]\nid = "{kind.name}"\nkind = "pile"\nnode = "{kind.node}"\n'
        text += f"fallback_kw = 0\noffline_kw = 0\nresponse_s = {kind.response_s}\n"
        if kind.ac:
            text += f"phases = [{kind.phase}]\nvolts = 220\nmax_a = 32\nmin_a = 6\n"
        else:
            text += f'current = "dc"\nmax_kw = {kind.max_kw}\nmin_kw = {kind.min_kw}\n'
            if kind.give_kw:
                text += f"discharge_kw = {kind.give_kw}\n"
    return text


@contextlib.contextmanager
def rig(folder: Path, *, piles: int = 20, alone: int = 5, gives: bool = False) -> Iterator[Rig]:
    """A site in service, cars charging, nothing wrong yet.

    Parameters
    ----------
    folder : Path
        For store and logs.
    piles, alone : int
        Piles in all, and how many of them are processes of their own.
    gives : bool
        Whether vehicles may give back at its DC piles.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = yard_piles(piles, gives=gives)
    broker = Broker(folder)
    broker.start()
    daemon_port, piles_port = free_port(), free_port()
    store, config = folder / "yard.db", folder / "yard.toml"
    config.write_text(
        _site_text(
            kinds,
            site=SITE,
            tariff=flat_book(folder),
            lease_s=LEASE_S,
            store=store,
            port=daemon_port,
        )
    )
    powers = Powers(folder / "powers", piles, create=True)
    powers.base(15.0)
    meter = Meter(powers, kinds, FEEDER_KW)
    meter.limits = Limits([0.0], [CONTRACT_KW])
    to_daemon = Script("tests.chaos.proxy", daemon_port, broker.port)
    to_piles = Script("tests.chaos.proxy", piles_port, broker.port)
    groups = [list(range(piles - alone)), *([k] for k in range(piles - alone, piles))]
    depots: list[Script] = []
    place = Rig(
        folder,
        broker,
        to_daemon,
        to_piles,
        ChaosDaemon(config, folder),
        kinds,
        powers,
        meter,
        depots,
        Voices(broker.port),
        store,
        config,
        daemon_port,
    )
    try:
        until(lambda: _listens(piles_port) and _listens(daemon_port), "the proxies listen")
        place.daemon.start()
        depots.extend(
            Script("tests.chaos.depot", piles_port, folder / "powers", piles, *group)
            for group in groups
            if group
        )
        meter.start()
        threading.Thread(target=place.background, name="background", daemon=True).start()
        until(lambda: (s := place.status()) is not None and s.state == "online", "it runs", 120)
        # The first start of a site waits one lease before the first increase.
        for kind in kinds:
            place.request(f"s-{kind.name}", kind.name, 900.0 if not kind.ac else 40.0)
        until(lambda: place.drawn_kw > 0.8 * place.room_kw, "the cars charge", 120)
        time.sleep(3.0)
        begin = time.monotonic()
        time.sleep(6.0)
        quiet = meter.judge(begin, time.monotonic(), response_s=RESPONSE_S)
        # The margin and the tolerance for voltage: what is kept free with no fault too.
        place.kept_free_kw = (quiet.allowed_kwh - quiet.delivered_kwh) * 3600 / quiet.seconds
        yield place
    finally:
        place.close()
        powers.close()


def _listens(port: int) -> bool:
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


Check = Callable[[bool, str], None]
