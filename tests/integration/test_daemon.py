"""The daemon against Mosquitto, with piles, grid and operator as separate clients."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from adapters.store.backup import backup_store
from adapters.wire import outbound as o
from tests.integration.field import (
    DaemonProcess,
    Yard,
    limit,
    needs_broker,
    raw,
    request,
    until,
    yard,
)
from tests.unit.bad_input import CORPUS

pytestmark = [needs_broker, pytest.mark.broker]


ASKED_KWH = 600.0
"""What the cars want together: more than the contract gives in their three hours."""


def charging(place: Yard, piles: int = 6) -> None:
    """Start the daemon with cars at all piles, and wait until they take what they may."""
    operator = place.peer("operator", "session/+/status")
    assert place.planner
    place.plug_in(piles)
    place.daemon.start()
    place.ready()
    until(lambda: all(p.told for p in place.piles), "every pile has a setpoint")
    for k in range(piles):
        request(operator, f"s{k}", f"P-{k}", energy_kwh=ASKED_KWH / piles)
    until(lambda: place.drawn_kw > 149.0, "the cars take the contract's 150 kW", 120)
    assert place.said_kw() <= 150.0 + 1e-6


def test_a_limit_cut_from_150_to_60_kw_is_obeyed_at_once_and_its_revocation_gives_power_back(
    tmp_path: Path,
) -> None:
    with yard(tmp_path) as place:
        charging(place)
        display = place.peer("display", "pile/+/status")
        until(
            lambda: (
                {(w.state, w.session) for w in display.bodies(o.PileStatus)}
                >= {("session", f"s{k}") for k in range(6)}
            ),
            "whoever comes later reads what each pile has to show",
        )
        assert all(w.why and w.why_zh for w in display.bodies(o.PileStatus))
        grid = place.peer("grid", "answer/#")
        limit(grid, "cut", 60.0)
        until(lambda: place.said_kw() <= 60.0 + 1e-6, "the setpoints fit under 60 kW")
        until(lambda: 50.0 < place.said_kw() <= 60.0 + 1e-6, "what the limit allows is used")
        until(lambda: any(a.reached_at for a in grid.bodies(o.LimitAnswer)), "it is told so")
        limit(grid, "cut", None, revoked=True)
        until(lambda: place.drawn_kw > 149.0, "the power is back")
        assert place.said_kw() <= 150.0 + 1e-6


def test_after_kill_9_the_same_plan_goes_on_and_no_setpoint_jumps(tmp_path: Path) -> None:
    with yard(tmp_path, lease_s=30.0) as place:
        charging(place)
        place.settled(149.0, asked_kwh=ASKED_KWH)
        before = {p.name: p.power_kw for p in place.piles}
        last = {p.name: len(p.told) for p in place.piles}
        epoch = max(p.told[-1].epoch for p in place.piles)
        place.daemon.kill()
        place.daemon.start()
        until(lambda: all(len(p.told) > last[p.name] for p in place.piles), "all are told again")
        time.sleep(3.0)
        for pile in place.piles:
            for setpoint in pile.told[last[pile.name] :]:
                assert setpoint.power_kw == pytest.approx(before[pile.name], abs=1e-6)
                assert setpoint.epoch == epoch + 1


def test_malformed_messages_are_dead_lettered_and_change_nothing(tmp_path: Path) -> None:
    with yard(tmp_path) as place:
        charging(place)
        watcher = place.peer("watcher", "rejected")
        place.settled(149.0, asked_kwh=ASKED_KWH)
        before = {p.name: p.power_kw for p in place.piles}
        vandal = place.peer("vandal")
        began = time.monotonic()
        for row in CORPUS:
            if "sim/" not in row.path and " " not in row.path and "voltage" not in row.path:
                vandal.send_raw(raw(row.path.replace("A-01", "P-0"), row.payload), wait=True)
        until(lambda: watcher.bodies(o.Rejected), "refusals are told")
        time.sleep(1.5)
        assert {p.name: p.power_kw for p in place.piles} == before
        told = watcher.bodies(o.Rejected)
        assert len(told) <= 10 + 6 * (time.monotonic() - began), (
            "a flood of bad messages makes no flood of refusals"
        )
        limit(place.peer("grid"), "cut", 60.0)
        until(lambda: place.said_kw() <= 60.0 + 1e-6, "it still obeys")


def test_a_request_that_contradicts_itself_is_answered_on_its_own_topic(tmp_path: Path) -> None:
    with yard(tmp_path, piles=1) as place:
        place.plug_in(1)
        place.daemon.start()
        place.ready()
        until(lambda: place.piles[0].told, "the birth is answered with a setpoint")
        operator = place.peer("operator", "session/+/status")
        head = {k: v for k, v in operator.stamp().items() if k != "issued_at"}
        body = {
            **head,
            "issued_at": "2026-07-01T08:00:00Z",
            "pile": "P-0",
            "arrival": "2026-07-01T08:00:00Z",
            "departure": "2026-07-01T07:00:00Z",
            "energy_kwh": 5,
        }
        operator.send_raw(raw("session/bad/request", json.dumps(body).encode()))
        request(operator, "elsewhere", "P-99")

        def answers() -> dict[str, bytes]:
            return {t.split("/")[-2]: b for t, b in list(operator.heard) if b}

        until(lambda: {"bad", "elsewhere"} <= set(answers()), "both are answered")
        for session in ("bad", "elsewhere"):
            assert json.loads(answers()[session])["state"] == "rejected"
        assert "departure" in json.loads(answers()["bad"])["why"]


def test_the_broker_away_for_a_while_and_back_with_an_empty_store(tmp_path: Path) -> None:
    with yard(tmp_path) as place:
        charging(place)
        limit(place.peer("grid"), "cut", 60.0)
        until(lambda: place.said_kw() <= 60.0 + 1e-6, "60 kW hold")
        place.broker.kill()
        until(lambda: place.drawn_kw == 0.0, "the leases run out to the fallback")
        told = {p.name: len(p.told) for p in place.piles}
        place.broker.start()
        until(lambda: place.drawn_kw > 50.0, "back in service")
        until(lambda: all(len(p.told) > told[p.name] for p in place.piles), "all are told again")
        assert place.said_kw() <= 60.0 + 1e-6, "the limit is remembered, the broker forgot it"
        viewer = place.peer("viewer", "status")
        until(lambda: viewer.bodies(o.Status), "the status is retained again")


def test_a_clean_stop_says_goodbye_and_a_killed_daemon_is_given_its_last_will(
    tmp_path: Path,
) -> None:
    with yard(tmp_path, piles=1) as place:
        viewer = place.peer("viewer", "status")
        place.daemon.start()
        until(
            lambda: any((s.state, s.health) == ("online", "ok") for s in viewer.bodies(o.Status)),
            "it says that it is there",
        )
        first = viewer.bodies(o.Status)[-1]
        place.daemon.signal(15)
        assert place.daemon.wait() == 0
        until(lambda: viewer.bodies(o.Status)[-1].state == "offline", "it says goodbye")
        place.daemon.start()
        until(lambda: viewer.bodies(o.Status)[-1].state == "online", "it is back")
        assert viewer.bodies(o.Status)[-1].epoch == first.epoch + 1
        place.daemon.kill()
        until(lambda: viewer.bodies(o.Status)[-1].state == "offline", "the will is spoken")


def test_of_two_daemons_on_one_site_the_later_steps_back(tmp_path: Path) -> None:
    with yard(tmp_path, piles=1) as place:
        viewer = place.peer("viewer", "status")
        place.daemon.start()
        until(lambda: viewer.bodies(o.Status), "the first runs")
        same = DaemonProcess(place.config, tmp_path)
        same.start()
        assert same.wait() != 0
        elsewhere = DaemonProcess(another_store(place), tmp_path)
        elsewhere.start()
        assert elsewhere.wait() == 75
        said = same.log.read_text()
        assert "yard.db.lock: another daemon runs this site" in said
        assert "another daemon runs this site (instance" in said
        assert place.daemon.process is not None
        assert place.daemon.process.poll() is None, "the first runs on"


def test_a_daemon_elsewhere_goes_above_the_epoch_of_one_that_has_died(tmp_path: Path) -> None:
    with yard(tmp_path, piles=1) as place:
        viewer = place.peer("viewer", "status")
        for _ in range(3):
            heard = len(viewer.bodies(o.Status))
            place.daemon.start()
            until(
                lambda n=heard: any(s.state == "online" for s in viewer.bodies(o.Status)[n:]),
                "it runs",
            )
            place.daemon.kill()
            until(lambda: viewer.bodies(o.Status)[-1].state == "offline", "the will is spoken")
        epoch = viewer.bodies(o.Status)[-1].epoch
        elsewhere = DaemonProcess(another_store(place), tmp_path)
        elsewhere.start()
        try:
            until(lambda: viewer.bodies(o.Status)[-1].state == "online", "the other runs")
            assert viewer.bodies(o.Status)[-1].epoch == epoch + 1
        finally:
            elsewhere.kill()


def test_a_daemon_started_elsewhere_from_a_backup_takes_over_and_the_first_ends(
    tmp_path: Path,
) -> None:
    with yard(tmp_path, piles=1) as place:
        viewer = place.peer("viewer", "status")
        place.daemon.start()
        until(lambda: viewer.bodies(o.Status), "the first runs")
        first = viewer.bodies(o.Status)[-1].epoch
        config = another_store(place)
        backup_store(place.store, tmp_path / "other.db")
        second = DaemonProcess(config, tmp_path)
        second.start()
        try:
            assert place.daemon.wait() == 75

            def speaks() -> bool:
                last = viewer.bodies(o.Status)[-1]
                return last.state == "online" and last.epoch > first

            until(speaks, "the second speaks")
            heard = len(viewer.bodies(o.Status))
            # As systemd would: it is another one by now, and steps back like any other.
            place.daemon.start()
            assert place.daemon.wait() == 75
            assert {s.epoch for s in viewer.bodies(o.Status)[heard:]} <= {first + 1}
            assert second.process is not None
            assert second.process.poll() is None
        finally:
            second.kill()


def another_store(place: Yard) -> Path:
    """The same site file with a store of its own, as on another machine."""
    other = place.folder / "other.toml"
    text = place.config.read_text().replace(str(place.store), str(place.folder / "other.db"))
    other.write_text(text)
    return other


def test_with_store_and_retained_words_both_lost_piles_that_obeyed_before_still_obey(
    tmp_path: Path,
) -> None:
    with yard(tmp_path, lease_s=3.0) as place:
        charging(place)
        before = max(p.told[-1].epoch for p in place.piles)
        place.daemon.kill()
        place.broker.kill()
        for leftover in tmp_path.glob("yard.db*"):
            leftover.unlink()
        time.sleep(1.1)
        place.broker.start()
        place.daemon.start()
        until(lambda: all(p.told[-1].epoch > before for p in place.piles), "all are told anew")
