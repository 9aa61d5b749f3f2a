"""Faults of processes, connections and disks."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from adapters.config import load_site
from adapters.store.backup import backup_store, restore_store
from adapters.wire import outbound as o
from adapters.wire import root_of
from tests.chaos.inject import POINTS
from tests.chaos.plant import SITE
from tests.chaos.rig import LEASE_S, ChaosDaemon, Rig
from tests.chaos.trial import Fault, Trial
from tests.integration.field import until
from tests.integration.kill_loop import kill_loop

Script = Callable[[Trial], None]


def _planned_since(rig: Rig, before: int) -> bool:
    return len(rig.voices.viewer.bodies(o.Plan)) > before


def _under(rig: Rig, kw: float) -> bool:
    """Whether piles and base load together are under a limit."""
    piles, _, base = rig.meter.now_kw()
    return piles + base < kw + 0.2


def broker_away(seconds: float) -> Script:
    """The broker killed while the site plans, and back with an empty store."""

    def run(t: Trial) -> None:
        rig = t.rig
        rig.limit("kept", 120.0)
        time.sleep(1.0)
        rig.request("s-P-1", "P-1", 800.0)
        rig.broker.kill()
        gone = time.monotonic()
        time.sleep(seconds)
        if seconds > LEASE_S + 5:
            t.check(rig.drawn_kw < 0.1, f"{rig.drawn_kw:.1f} kW after the leases ran out")
        rig.broker.start()
        t.over()
        told = len(rig.voices.viewer.heard)
        until(lambda: len(rig.voices.viewer.heard) > told, "the daemon is heard again", 20)
        took = time.monotonic() - (t.over_s or 0.0)
        rig.wait_serving(30)
        if seconds > LEASE_S * 0.6:
            t.unserved(gone + LEASE_S * 0.6 - 2, time.monotonic())
        t.note(f"in service {took:.1f} s after the broker")
        t.check(
            took < (2.0 if seconds < LEASE_S * 0.6 else 8.0), f"service only after {took:.1f} s"
        )
        t.check(rig.drawn_kw + rig.meter.now_kw()[2] < 121, "the limit was forgotten")
        rig.limit("kept", None, revoked=True)
        rig.wait_serving()
        time.sleep(6.0)

    return run


def frozen(seconds: float) -> Script:
    """The daemon stopped, a limit falls meanwhile, and it wakes."""

    def run(t: Trial) -> None:
        rig = t.rig
        rig.daemon.signal(signal.SIGSTOP)
        began = time.monotonic()
        time.sleep(seconds / 2)
        rig.limit("frozen", 90.0)
        # Until it wakes nobody obeys: leases carry the old power, which physics cannot change.
        time.sleep(seconds / 2)
        woken = time.monotonic()
        t.excuse(began + seconds / 2, woken + 0.5)
        rig.daemon.signal(signal.SIGCONT)
        t.over()
        if seconds > LEASE_S * 0.6:
            t.unserved(began + LEASE_S * 0.6 - 2, woken + 10)
        until(lambda: rig.meter.now_kw()[0] + rig.meter.now_kw()[2] < 90.2, "the limit holds", 10)
        rig.limit("frozen", None, revoked=True)
        rig.wait_serving()
        time.sleep(5.0)

    return run


def split(word: str, seconds: float) -> Script:
    """The daemon's network gone: cut, or open with nothing coming through."""

    def run(t: Trial) -> None:
        rig = t.rig
        rig.to_daemon.tell(word)
        began = time.monotonic()
        time.sleep(seconds)
        rig.limit("split", 90.0)
        cut_at = time.monotonic()
        time.sleep(1.0)
        rig.to_daemon.tell("pass")
        t.over()
        took = until(
            lambda: rig.meter.now_kw()[0] + rig.meter.now_kw()[2] < 90.2, "the limit holds", 40
        )
        t.excuse(cut_at, time.monotonic() + 0.1)
        t.note(f"limit of the split obeyed {took:.1f} s after it")
        t.check(took < 5.0, f"the limit took {took:.1f} s")
        if seconds > LEASE_S * 0.6:
            t.unserved(began + LEASE_S * 0.6 - 2, time.monotonic() + 3)
        rig.limit("split", None, revoked=True)
        rig.wait_serving()
        time.sleep(5.0)

    return run


def flood(t: Trial) -> None:
    """10,000 telemetry messages a second, and a limit drop inside."""
    rig = t.rig
    from adapters.wire import inbound as w
    from adapters.wire.outside import encode_in

    body = w.PileTelemetry(
        **rig.voices.viewer.stamp() | {"epoch": 1, "seq": 1},
        power_kw=1.0,
        energy_kwh=1.0,
        status="charging",
        vehicle=True,
    )
    topic = encode_in(SITE, body, "P-0").topic
    sender = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.flood", str(rig.broker.port), topic, "10000", "12"],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(4.0)
    took = rig.obeyed_in_s(80.0)
    t.note(f"drop obeyed in {took:.2f} s")
    t.check(took < 1.0, f"the drop took {took:.2f} s")
    rss = _rss_mb(rig.daemon.pid)
    out, _ = sender.communicate(timeout=60)
    t.note(f"{out.strip()} messages/s sent, {rss:.0f} MB")
    t.check(rss < 150, f"{rss:.0f} MB")
    rig.limit("probe", None, revoked=True)
    t.over()
    rig.wait_serving()
    time.sleep(1.0)


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    return 0.0


def solver(t: Trial) -> None:
    """The solving process hangs, then dies of a segmentation fault, then of too little memory."""
    rig = t.rig
    for way in (signal.SIGSTOP, signal.SIGSEGV, "memory"):
        worker = rig.daemon.worker()
        assert worker is not None
        if way == "memory":
            resource.prlimit(worker.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        else:
            assert isinstance(way, signal.Signals)
            worker.send_signal(way)
        rig.request("s-P-1", "P-1", 700.0)
        took = rig.obeyed_in_s(100.0)
        t.check(took < 1.5, f"{way}: a limit took {took:.1f} s")
        rig.limit("probe", None, revoked=True)
        plans = len(rig.voices.viewer.bodies(o.Plan))
        back = until(partial(_planned_since, rig, plans), "a plan", 60)
        t.note(f"plan back after {back:.0f} s")
    t.over()
    rig.request("s-P-1", "P-1", 900.0)
    rig.wait_serving()


def killed_at_every_step(t: Trial) -> None:
    """kill -9 at each point between a decision and its publication."""
    rig = t.rig
    trigger = rig.folder / "die"
    for k, point in enumerate(POINTS):
        trigger.write_text(point)
        rig.limit("step", 120.0 - 2 * k)
        with contextlib.suppress(subprocess.TimeoutExpired):
            rig.daemon.wait(30)
        t.check(not rig.daemon.alive, f"{point}: never reached")
        if rig.daemon.alive:
            rig.daemon.kill()
        trigger.unlink()
        cut = time.monotonic()
        rig.daemon.start()
        took = until(
            partial(_under, rig, 120.0 - 2 * k),
            f"{point}: the limit holds",
            20,
        )
        t.excuse(cut - 1.0, time.monotonic() + 0.1)
        t.check(took < 6.0, f"{point}: {took:.1f} s")
    t.over()
    rig.limit("step", None, revoked=True)
    rig.wait_serving(60)


def many_kills(t: Trial) -> None:
    """The kill test of its own (`make kill-test N=1000` for the whole of it)."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        figures = kill_loop(20, Path(folder))
    t.note(
        f"20 kills: first setpoint {figures['first_setpoint_s_max']} s, plan "
        f"{figures['first_plan_s_max']} s at most"
    )
    t.check(figures["lost_acknowledged_messages"] == 0, "acknowledged messages lost")
    t.check(figures["corrupt_stores"] == 0, "a corrupt store")
    t.check(figures["most_told_kw"] <= figures["limit_kw"] + 1e-6, "told above the limit")
    t.check(figures["first_setpoint_s_max"] < 3.0, "first setpoint above 3 s")


def disk_full(t: Trial) -> None:
    rig = t.rig
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    took = rig.obeyed_in_s(90.0)
    t.check(took < 1.5, f"a limit took {took:.1f} s on a full disk")
    until(lambda: "store" in _degraded(t), "the status says so", 10)
    t.check("store_lost" in {a.split("/")[0] for a in rig.alerts()}, "no alert")
    resource.prlimit(
        rig.daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    until(lambda: "store" not in _degraded(t), "the store is well again", 20)
    rig.limit("probe", None, revoked=True)
    t.over()
    rig.wait_serving()
    time.sleep(1.0)


def disk_locked_and_corrupt(t: Trial) -> None:
    """Locked by another program; then damaged: refused by name, and a backup brings it back."""
    rig = t.rig
    copy = rig.folder / "good.db"
    copy.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(rig.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        took = rig.obeyed_in_s(90.0)
        t.check(took < 1.5, f"a limit took {took:.1f} s with a locked store")
        until(lambda: "store" in _degraded(t), "the status says so", 20)
        other.execute("ROLLBACK")
    until(lambda: "store" not in _degraded(t), "the store is well again", 20)
    rig.limit("probe", None, revoked=True)
    time.sleep(1.0)
    backup_store(rig.store, copy)
    stopped = time.monotonic()
    rig.daemon.signal(signal.SIGTERM)
    rig.daemon.wait(20)
    with rig.store.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * 8192)
    rig.daemon.start()
    t.check(rig.daemon.wait(30) != 0, "a damaged store was taken")
    t.check("database" in rig.daemon.log.read_text(), "the reason is not told")
    restore_store(copy, rig.store, load_site(rig.config).site)
    rig.daemon.start()
    t.over()
    rig.wait_serving(60)
    t.unserved(stopped + LEASE_S * 0.6 - 2, time.monotonic())
    time.sleep(1.0)


def _degraded(t: Trial) -> list[str]:
    status = t.rig.status()
    return [] if status is None else status.degraded


def two_daemons(t: Trial) -> None:
    """A second one on this machine, one elsewhere, and one with our very client ids."""
    rig = t.rig
    same = ChaosDaemon(rig.config, rig.folder, name="same")
    same.start()
    t.check(same.wait(60) == 75, "the second on this machine did not step back with 75")
    other = rig.folder / "other.toml"
    other.write_text(rig.config.read_text().replace(str(rig.store), str(rig.folder / "o.db")))
    elsewhere = ChaosDaemon(other, rig.folder, name="elsewhere")
    elsewhere.start()
    t.check(elsewhere.wait(60) == 75, "the one elsewhere did not step back with 75")
    t.check(rig.daemon.alive, "the first one went")
    time.sleep(1.0)
    t.over()


def reload_files(t: Trial) -> None:
    """A bad file, then a lower one, read again while cars charge."""
    rig = t.rig
    good = rig.config.read_text()
    rig.config.write_text(good.replace("limit_kw = 300", "limit_kw = -300"))
    rig.daemon.signal(signal.SIGHUP)
    until(lambda: any(a.startswith("reload_refused") for a in rig.alerts()), "refused by name", 10)
    t.check(rig.serving(), "a refused file changed something")
    rig.meter.limits.set(time.monotonic() + 0.3, 100.0)
    rig.config.write_text(good.replace("contract_kw = 150.0", "contract_kw = 100.0"))
    rig.daemon.signal(signal.SIGHUP)
    until(lambda: rig.meter.now_kw()[0] + rig.meter.now_kw()[2] < 100.2, "the lower one holds", 10)
    t.check(rig.drawn_kw > 70, "sessions suffered")
    time.sleep(3.0)
    rig.config.write_text(good)
    rig.daemon.signal(signal.SIGHUP)
    rig.judge_from(time.monotonic())
    t.over()
    rig.wait_serving()
    time.sleep(1.0)


def poison(t: Trial) -> None:
    """Bytes that trip a client: no UTF-8 in a topic, user properties without end, a huge body."""
    rig = t.rig
    deep = b'{"epoch":' * 9000
    for body in (deep, b"\xff\xfe" * 9000, b"[" * 60000, b'{"a":"' + b"\\ud800" * 3000 + b'"}'):
        for path in ("grid/limit/transformer/x", "pile/P-0/telemetry", "pile/P-0/ack"):
            publish = (root_of(SITE) + path, body, 1)
            rig.voices.viewer.client.publish(*publish)
    took = rig.obeyed_in_s(90.0)
    t.check(took < 1.5, f"the round trip took {took:.1f} s")
    t.note(f"round trip {took:.2f} s")
    rig.limit("probe", None, revoked=True)
    rig.wait_serving()
    t.over()
    time.sleep(1.0)


FAULTS = (
    Fault(1, "broker killed mid-solve, away 5 s", broker_away(5.0), quick=True),
    Fault(1, "broker away 60 s", broker_away(60.0)),
    Fault(2, "broker back with an empty store", broker_away(1.0)),
    Fault(
        10,
        "10,000 telemetry messages a second, a drop inside",
        flood,
        energy=False,
        because="beyond what one connection takes the broker sheds; who is not heard is silent",
    ),
    Fault(14, "solver hangs, crashes, runs out of memory", solver),
    Fault(
        16,
        "kill -9 at every step from decision to publication",
        killed_at_every_step,
        energy=False,
        because="a restarted daemon waits one lease before it raises anything",
    ),
    Fault(17, "20 kills in a row, a site of its own", many_kills, alone=True),
    Fault(18, "disk full", disk_full, quick=True),
    Fault(
        18,
        "store locked, then corrupt",
        disk_locked_and_corrupt,
        energy=False,
        because="it is refused while it is damaged; leases run out, one lease of waiting",
    ),
    Fault(20, "two daemons on one site", two_daemons),
    Fault(21, "network cut for 8 s", split("cut", 8.0), quick=True),
    Fault(
        21,
        "half-open connections for 15 s",
        split("hole", 15.0),
        energy=False,
        because="found out only when a message to itself does not come back; leases run out",
    ),
    Fault(22, "daemon frozen 4 s", frozen(4.0), quick=True),
    Fault(22, "daemon frozen 60 s", frozen(60.0), energy=False, because="leases run out"),
    Fault(26, "poison messages in the callbacks", poison),
    Fault(29, "a bad and a lower configuration read again", reload_files, quick=True),
)
