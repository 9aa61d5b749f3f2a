"""The daemon's life cycle: readiness, watchdog, reload, a full disk, a frozen process, floods."""

from __future__ import annotations

import resource
import signal
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from adapters.store.schema import VERSION
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from tests.integration.field import Peer, Yard, limit, needs_broker, raw, request, until, yard
from tests.integration.kill_loop import kill_loop
from tests.integration.test_daemon import ASKED_KWH, charging

pytestmark = [needs_broker, pytest.mark.broker]


def test_systemd_hears_ready_then_the_watchdog_then_stopping(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with yard(tmp_path, piles=1) as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as fake:
        fake.bind(str(address))
        fake.settimeout(60)
        place.daemon.start(NOTIFY_SOCKET=str(address), WATCHDOG_USEC="1000000")
        assert fake.recv(1024).startswith(b"READY=1")
        assert fake.recv(1024) == b"WATCHDOG=1"
        assert fake.recv(1024) == b"WATCHDOG=1"
        place.daemon.signal(signal.SIGTERM)
        said = b""
        while said != b"STOPPING=1":
            said = fake.recv(1024)
        assert place.daemon.wait() == 0


def test_a_lower_limit_is_taken_over_on_sighup_while_cars_charge_and_a_wrong_file_is_not(
    tmp_path: Path,
) -> None:
    with yard(tmp_path) as place:
        charging(place)
        watcher = place.peer("watcher", "alert/#")
        good = place.config.read_text()
        place.config.write_text(good.replace("contract_kw = 150", "contract_kw = 90"))
        place.daemon.signal(signal.SIGHUP)
        until(lambda: place.said_kw() <= 90.0 + 1e-6, "the new contract holds")
        until(lambda: place.drawn_kw > 85.0, "and is used")
        place.settled(85.0, asked_kwh=ASKED_KWH)
        before = {p.name: p.power_kw for p in place.piles}
        place.config.write_text(good.replace("limit_kw = 300", "limit_kw = -300"))
        place.daemon.signal(signal.SIGHUP)
        until(lambda: any("reload_refused" in t for t, _ in watcher.heard), "the file is refused")
        until(
            lambda: any("limit_kw" in a.text for a in watcher.bodies(o.Alert)),
            "the wrong key is named",
        )
        time.sleep(1.5)
        assert {p.name: p.power_kw for p in place.piles} == before, "the one before holds"
        assert place.drawn_kw <= 90.0 + 1e-6


def test_on_a_full_disk_control_goes_on_and_nothing_is_acknowledged_that_was_not_stored(
    tmp_path: Path,
) -> None:
    with yard(tmp_path) as place:
        charging(place)
        viewer = place.peer("viewer", "status", "alert/#")
        resource.prlimit(place.daemon.pid, resource.RLIMIT_FSIZE, (1, 1))
        limit(place.peer("grid"), "cut", 60.0)
        until(lambda: place.said_kw() <= 60.0 + 1e-6, "the limit is obeyed all the same")
        until(lambda: "store" in viewer.bodies(o.Status)[-1].degraded, "it says what it lacks")
        until(lambda: any("store_lost" in t for t, _ in viewer.heard), "and what to do")
        place.daemon.kill()
        heard = len(viewer.bodies(o.Status))
        place.daemon.start()
        until(
            lambda: any(s.state == "online" for s in viewer.bodies(o.Status)[heard:]),
            "it is back, disk and all",
        )
        time.sleep(7.0)
        assert place.said_kw() <= 60.0 + 1e-6, "the broker still had the limit: it sent it again"


def test_a_daemon_that_was_frozen_speaks_by_the_time_it_wakes(tmp_path: Path) -> None:
    with yard(tmp_path) as place:
        charging(place)
        grid = place.peer("grid")
        place.daemon.signal(signal.SIGSTOP)
        limit(grid, "cut", 60.0)
        until(lambda: place.drawn_kw == 0.0, "the leases run out meanwhile")
        told = {p.name: len(p.told) for p in place.piles}
        woken_s = time.monotonic()
        place.daemon.signal(signal.SIGCONT)
        until(lambda: all(len(p.told) > told[p.name] for p in place.piles), "it wakes")
        until(lambda: place.drawn_kw > 50.0, "the cars charge again")
        assert place.most_said_kw(woken_s) <= 150.0 + 1e-6
        assert place.said_kw() <= 60.0 + 1e-6, "no setpoint from before the limit is obeyed"


def test_a_limit_inside_a_flood_of_telemetry_is_obeyed_and_the_flood_is_shed(
    tmp_path: Path,
) -> None:
    with yard(tmp_path) as place:
        charging(place)
        flood = place.peer("flood")
        _flood(place, flood, 20_000)
        limit(place.peer("grid"), "cut", 60.0)
        took = until(lambda: place.said_kw() <= 60.0 + 1e-6, "the limit is obeyed")
        print(f"obeyed {took * 1000:.0f} ms after the limit was taken by the broker")


def _flood(place: Yard, flood: Peer, count: int) -> None:
    """Node telemetry of a meter, as fast as one client can."""
    body = w.NodeTelemetry(**flood.stamp(), power_kw=1.0)
    for _ in range(count):
        flood.send(body, "transformer")


def test_no_message_ends_a_thread_and_life_is_proved_by_a_round_trip(tmp_path: Path) -> None:
    with yard(tmp_path, piles=2) as place:
        place.plug_in(2)
        place.daemon.start()
        place.ready()
        until(lambda: all(p.told for p in place.piles), "the births are answered")
        vandal = place.peer("vandal")
        for payload in (b"", b"\xff\xfe", b"[" * 60_000, b"{}", b"\x00" * 70_000, b"null"):
            for path in ("pile/P-0/telemetry", "grid/heartbeat", "session/x/request", "status"):
                vandal.send_raw(raw(path, payload), wait=True)
            vandal.send_raw(raw("echo/control", payload), wait=True)
        time.sleep(3.0)
        operator = place.peer("operator", "session/+/status")
        request(operator, "s0", "P-0", energy_kwh=5.0)
        until(lambda: operator.bodies(o.SessionStatus), "the request is answered")
        until(lambda: place.drawn_kw > 30.0, "and the car charges")
        text = place.daemon.log.read_text()
        assert "Traceback" not in text, text


def test_kill_9_at_random_points_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    figures = kill_loop(4, tmp_path)
    assert figures["lost"] == []
    assert figures["corrupt_stores"] == 0
    assert figures["most_told_kw"] <= 150.0 + 1e-6


def test_a_burst_of_five_thousand_acknowledgements_arrives_whole(tmp_path: Path) -> None:
    with yard(tmp_path, piles=1) as place:
        watcher = place.peer("watcher", "rejected")
        place.plug_in(1)
        place.daemon.start()
        place.ready()
        until(lambda: place.piles[0].told, "the birth is answered")
        burst = place.peer("burst")
        for k in range(5_000):
            ack = w.PileAck(**burst.stamp(), setpoint_epoch=1, setpoint_seq=k, applied_kw=1.0)
            burst.send(ack, "nobody")
        births = 0

        def counted() -> int:
            # One more refusal tells how many before it were not told one by one.
            nonlocal births
            births += 1
            burst.send(w.PileBirth(**burst.stamp()), "nobody", wait=True)
            time.sleep(0.5)
            told = watcher.bodies(o.Rejected)
            return len(told) + sum(r.suppressed for r in told) - births

        until(lambda: counted() == 5_000, "all are counted, each once", 120)


@pytest.mark.parametrize(("word", "held"), [("hold", True), ("fallback", False)])
def test_a_clean_stop_holds_the_piles_or_hands_them_to_their_fallback(
    tmp_path: Path, word: str, held: bool
) -> None:
    with yard(tmp_path, lease_s=30.0) as place:
        text = place.config.read_text()
        place.config.write_text(text.replace("[site]\n", f'[site]\non_stop = "{word}"\n'))
        charging(place)
        place.settled(149.0, asked_kwh=ASKED_KWH)
        place.daemon.signal(signal.SIGTERM)
        assert place.daemon.wait() == 0
        if held:
            time.sleep(1.0)
            assert place.drawn_kw > 149.0
        else:
            until(lambda: place.said_kw() == 0.0, "all are told their fallback")


def test_a_store_of_an_older_version_is_migrated_while_cars_charge(tmp_path: Path) -> None:
    with yard(tmp_path, lease_s=30.0) as place:
        charging(place)
        place.settled(149.0, asked_kwh=ASKED_KWH)
        plans = len(place.planner.bodies(o.Plan))
        limit(place.peer("grid"), "cut", 90.0)
        until(lambda: place.said_kw() <= 90.0 + 1e-6, "90 kW hold")
        # The next plan may move power from pile to pile: what goes down does so first.
        place.settled(89.0, plans=plans, asked_kwh=ASKED_KWH)
        place.daemon.kill()
        with closing(sqlite3.connect(place.store)) as base, base:
            # As the second version had it: neither steps, flows nor what was told, no kvarh.
            base.execute("DROP TABLE steps")
            base.execute("DROP TABLE flows")
            base.execute("DROP TABLE told")
            base.execute("ALTER TABLE readings DROP COLUMN reactive_kvarh")
            base.execute("PRAGMA user_version = 2")
        before = {p.name: p.power_kw for p in place.piles}
        told = {p.name: len(p.told) for p in place.piles}
        place.daemon.start()
        until(lambda: all(len(p.told) > told[p.name] for p in place.piles), "all are told again")
        assert {p.name: p.power_kw for p in place.piles} == pytest.approx(before), "nothing jumps"
        with closing(sqlite3.connect(place.store)) as base:
            assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
