"""Faults of what is said: repeated, reordered, late, malformed, nonsensical, flooded, forged."""

from __future__ import annotations

import itertools
import json
import random
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from adapters.config import load_site
from adapters.signatures import sign
from adapters.store.backup import backup_store
from adapters.store.recovery import recover
from adapters.store.schema import open_store
from adapters.wire import Publish, root_of
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire.outside import encode_in
from scheduler.state import SiteState
from tests.chaos.plant import SITE
from tests.chaos.rig import FAILSAFE_KW
from tests.chaos.trial import Fault, Trial
from tests.integration.field import raw, until
from tests.unit.bad_input import CORPUS
from tests.unit.fuzz_wire import broken


def state_of(t: Trial) -> SiteState:
    """The state as the store has it now, by an online backup."""
    copy = t.rig.folder / "copy.db"
    copy.unlink(missing_ok=True)
    time.sleep(0.3)
    backup_store(t.rig.store, copy)
    with closing(open_store(copy)) as base:
        state = recover(base, load_site(t.rig.config).site).recovered.state
    assert state is not None
    return state


def _limit(t: Trial, kw: float | None, **change: Any) -> w.Limit:
    values: dict[str, Any] = {
        "valid_from": datetime.now(UTC) - timedelta(seconds=1),
        "import_kw": kw,
        "source": "chaos",
    }
    return w.Limit(**(t.rig.voices.grid.stamp() | values | change))


def _publish(t: Trial, body: w.Limit, name: str) -> Publish:
    return encode_in(SITE, body, "transformer", name)


def duplicates(t: Trial) -> None:
    rig = t.rig
    rig.limit("twice", 100.0)
    last = [_publish(t, _limit(t, 100.0), "twice")]
    body = w.SessionRequest(
        **rig.voices.operator.stamp(),
        pile="P-0",
        arrival=datetime.now(UTC) - timedelta(minutes=1),
        departure=datetime.now(UTC) + timedelta(hours=6),
        energy_kwh=900.0,
        mode="now",
    )
    last.append(encode_in(SITE, body, "s-P-0"))
    last.append(encode_in(SITE, w.Heartbeat(**rig.voices.grid.stamp())))
    for _ in range(100):
        for publish in last:
            rig.voices.grid.send_raw(publish)
    time.sleep(1.0)
    record = state_of(t).limits["transformer"]["twice"]
    t.check(record.pushed.import_kw == 100.0, "the limit changed")
    t.check(rig.serving(), "the site does not serve as before")
    t.over()
    rig.limit("twice", None, revoked=True)


def orders(t: Trial) -> None:
    """Five messages on one topic in all 120 orders: each ends where the newest says."""
    rig = t.rig
    words: list[tuple[float | None, bool]] = [
        (130.0, False),
        (135.0, False),
        (None, True),
        (140.0, False),
        (145.0, False),
    ]
    rig.meter.limits.set(time.monotonic(), 145.0)
    all_orders = list(itertools.permutations(range(5)))
    for number, order in enumerate(all_orders):
        made = [_publish(t, _limit(t, kw, revoked=gone), f"order-{number}") for kw, gone in words]
        for k in order:
            rig.voices.grid.send_raw(made[k])
    until(lambda: len(_orders_known(t)) == 120, "all 120 are known", 30)
    wrong = [k for k, kw in _orders_known(t).items() if kw != 145.0]
    t.check(not wrong, f"{len(wrong)} orders ended elsewhere")
    t.over()
    for number in range(120):
        body = _limit(t, None, revoked=True)
        rig.voices.grid.send_raw(_publish(t, body, f"order-{number}"))
    rig.judge_from(time.monotonic())
    rig.wait_serving()
    time.sleep(1.0)


def _orders_known(t: Trial) -> dict[str, float | None]:
    limits = state_of(t).limits.get("transformer", {})
    return {k: r.pushed.import_kw for k, r in limits.items() if k.startswith("order-")}


def late(t: Trial) -> None:
    for age_s in (0, 30, 119, 121, 3600):
        issued = datetime.now(UTC) - timedelta(seconds=age_s)
        t.rig.limit("late", 90.0, stamp={"issued_at": issued})
        took = until(lambda: t.rig.meter.now_kw()[0] + t.rig.meter.now_kw()[2] < 90.1, "obeyed")
        t.check(took < 1.5, f"{age_s} s late: obeyed after {took:.1f} s")
        t.rig.limit("late", None, revoked=True)
        t.rig.wait_serving()
    time.sleep(1.0)
    t.over()


def malformed(t: Trial) -> None:
    """The whole corpus and a few thousand fuzzed bodies over the wire, then a round trip."""
    rig, chance = t.rig, random.Random(7)
    before = state_of(t)
    for row in CORPUS:
        rig.voices.viewer.send_raw(Publish(root_of(SITE) + row.path, row.payload, 1, retain=False))
    sent = 0
    while sent < 2000:
        path, body = broken(chance)
        if any(c in path for c in "+#\x00") or not path or path.startswith("emergency"):
            continue
        if b'"power_kw": 7,' in body or path.startswith(("session", "override", "grid", "node")):
            # What fuzzing leaves a valid fact is one; only what must be refused is sent here.
            body = body[:-1]
        rig.voices.viewer.send_raw(Publish(root_of(SITE) + path, body, 0, retain=False))
        sent += 1
    took = rig.obeyed_in_s(90.0)
    t.check(took < 2.0, f"the next limit took {took:.1f} s: a thread may be dead")
    t.note(f"next limit obeyed in {took:.2f} s")
    rig.limit("probe", None, revoked=True)
    t.over()
    after = state_of(t)
    t.check(set(after.sessions) == set(before.sessions), "sessions changed")
    t.check(set(after.overrides) == set(before.overrides), "overrides changed")
    t.check(bool(rig.voices.viewer.bodies(o.Rejected)), "nothing was dead-lettered")
    rig.wait_serving()
    time.sleep(1.0)


def nonsense(t: Trial) -> None:
    rig = t.rig
    now = datetime.now(UTC)
    before = set(state_of(t).sessions)
    heard = len(rig.voices.viewer.heard)
    rig.request("n-ghost", "P-999", 5.0)
    rig.request("n-second", "P-0", 5.0)
    head = {k: v for k, v in rig.voices.operator.stamp().items() if k != "issued_at"}
    head |= {"issued_at": now.isoformat(), "pile": "P-1", "energy_kwh": 5}
    at, later = now.isoformat(), (now + timedelta(hours=1)).isoformat()
    wrong: dict[str, dict[str, object]] = {
        "n-back": {"arrival": later, "departure": at},
        "n-soc": {"arrival": at, "departure": later, "soc": 1.2},
        "n-min": {"arrival": at, "departure": later, "min_kw": 9, "max_kw": 3},
    }
    for name, change in wrong.items():
        payload = json.dumps({**head, **change}).encode()
        rig.voices.operator.send_raw(raw(f"session/{name}/request", payload))
    prices = {**head, "start": later, "slot_minutes": 60}
    for key in ("pile", "energy_kwh"):
        prices.pop(key)
    for k, values in enumerate(([-1e9], [1e300], [0.1] * 5000)):
        payload = json.dumps({**prices, "buy_per_kwh": values}).encode()
        rig.voices.operator.send_raw(raw(f"tariff/odd-{k}", payload))
    time.sleep(2.5)
    t.check(set(state_of(t).sessions) == before, "a nonsensical session got in")
    codes = {b.code for b in rig.voices.viewer.bodies(o.Rejected)} if heard >= 0 else set()
    t.check({"unknown_pile", "pile_occupied"} <= codes, f"not refused by name: {codes}")
    t.check(rig.serving(), "the site does not serve as before")
    t.over()


def extremes(t: Trial) -> None:
    """Limits of 0, 1 W, negative, tenfold; flapping a hundred times a second; revoked."""
    rig = t.rig
    for kw in (0.0, 0.001):
        rig.limit("odd", kw)
        took = until(lambda: rig.drawn_kw < 0.05, "all piles at nothing")
        t.check(took < 1.5, f"{kw} kW: nothing drawn only after {took:.1f} s")
    rig.limit("odd", None, revoked=True)
    rig.wait_serving()
    refused = len(rig.voices.viewer.bodies(o.Rejected))
    body = json.loads(_publish(t, _limit(t, 50.0), "neg").payload) | {"import_kw": -5}
    topic = root_of(SITE) + "grid/limit/transformer/neg"
    rig.voices.grid.send_raw(Publish(topic, json.dumps(body).encode(), 1, retain=False))
    until(lambda: len(rig.voices.viewer.bodies(o.Rejected)) > refused, "a negative one is refused")
    rig.limit("ten", 1500.0)
    time.sleep(3.0)
    t.check(rig.drawn_kw + 17 <= 300.0, "a tenfold limit lifted the rating")
    rig.limit("ten", None, revoked=True)
    begin = time.monotonic()
    while time.monotonic() - begin < 3.0:
        for kw in (60.0, 140.0):
            rig.limit("flap", kw)
            time.sleep(0.005)
    rig.limit("flap", None, revoked=True)
    t.over()
    rig.wait_serving()
    time.sleep(1.0)


def overlapping(t: Trial) -> None:
    """Without end, already ended, overlapping: the lowest in force holds, each by its own time."""
    rig = t.rig
    now = datetime.now(UTC)
    ended = {"valid_from": now - timedelta(hours=2), "valid_until": now - timedelta(hours=1)}
    rig.voices.grid.send_raw(_publish(t, _limit(t, 10.0, **ended), "ended"))
    time.sleep(2.0)
    t.check(rig.serving(), "a limit that has ended is obeyed")
    rig.limit("long", 120.0)
    ends = time.monotonic() + 6.0
    rig.limit("short", 80.0, valid_until=datetime.now(UTC) + timedelta(seconds=6))
    rig._pushed.pop("short")
    rig.judge_from(ends)
    until(lambda: rig.drawn_kw + 15 < 82, "the lowest holds")
    time.sleep(max(ends - time.monotonic(), 0.0))
    took = rig.wait_serving(20)
    t.note(f"back to the longer one after {took:.1f} s")
    rig.limit("long", None, revoked=True)
    t.over()
    rig.wait_serving()
    time.sleep(1.0)


def last_year(t: Trial) -> None:
    """Retained words of last year: limits, tariffs, orders and requests that are long over."""
    rig = t.rig
    old = datetime.now(UTC) - timedelta(days=365)
    stamp: dict[str, Any] = {"epoch": 1, "seq": 1, "issued_at": old}
    limit = w.Limit(
        **stamp, valid_from=old, valid_until=old + timedelta(hours=1), import_kw=1.0, source="x"
    )
    override = w.Override(
        **stamp, kind="out_of_service", until=old + timedelta(hours=1), who="someone"
    )
    event = w.Event(
        **stamp,
        start=old,
        end=old + timedelta(hours=1),
        kind="limit_to",
        power_kw=1.0,
        mandatory=True,
    )
    prices = w.Tariff(**stamp, start=old, slot_minutes=60, buy_per_kwh=[9.0] * 24)
    retained = (
        encode_in(SITE, limit, "transformer", "old"),
        encode_in(SITE, override, "P-0"),
        encode_in(SITE, event, "old"),
        encode_in(SITE, prices, "old"),
    )
    for publish in retained:
        rig.voices.grid.send_raw(publish, wait=True)
    rig.daemon.kill()
    rig.daemon.start()
    time.sleep(8.0)
    t.check(rig.drawn_kw > 50, "what is over since a year is obeyed")
    for publish in retained:
        rig.voices.grid.send_raw(Publish(publish.topic, b"", 1, retain=True))
    t.over()


def degenerate(t: Trial) -> None:
    """All prices equal (the book has one), and a limit of 1e-9 kW."""
    rig = t.rig
    rig.limit("tiny", 1e-9)
    took = until(lambda: rig.drawn_kw < 0.05, "nothing is drawn")
    t.check(took < 1.5, f"only after {took:.1f} s")
    rig.limit("tiny", None, revoked=True)
    t.over()
    rig.wait_serving()
    time.sleep(1.0)


def impossible(t: Trial) -> None:
    """More than the stay can give: told at once, with what would be possible."""
    rig = t.rig
    heard = len(rig.voices.operator.bodies(o.SessionStatus))
    began = time.monotonic()
    rig.request("s-P-3", "P-3", 44.0, departure=datetime.now(UTC) + timedelta(minutes=10))

    def told() -> bool:
        said = rig.voices.operator.bodies(o.SessionStatus)[heard:]
        return any(s.counter_offer is not None and s.short_kwh > 1 for s in said)

    until(told, "a counter-offer", 20)
    took = time.monotonic() - began
    t.note(f"counter-offer in {took:.2f} s")
    t.check(took < 1.0, f"the counter-offer took {took:.2f} s")
    rig.request("s-P-3", "P-3", 40.0)
    time.sleep(1.0)
    t.over()


def heartbeat(seconds: float, *, lost: bool) -> Any:
    """Silence of the grid company for so long."""

    def run(t: Trial) -> None:
        rig = t.rig
        began = time.monotonic()
        rig.beats = False
        if lost:
            rig.meter.limits.set(began + 120.6, FAILSAFE_KW)
        time.sleep(seconds)
        under = rig.drawn_kw + 15 < FAILSAFE_KW + 3
        t.check(under == lost, f"{seconds:g} s of silence: {rig.drawn_kw:.0f} kW drawn")
        if lost:
            time.sleep(4.0)
        rig.beats = True
        time.sleep(3.0)
        if lost:
            t.check(rig.drawn_kw + 15 < FAILSAFE_KW + 3, "left without a new limit")
        rig.limit("again", 140.0)
        t.over()
        rig.wait_serving(20)
        rig.limit("again", None, revoked=True)

    return run


def forged(t: Trial) -> None:
    """Keys are asked for from now on: forged, replayed and wrong-site limits change nothing."""
    rig = t.rig
    private = Ed25519PrivateKey.generate()
    pem = rig.folder / "grid.pem"
    pem.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    plain = rig.config.read_text()
    rig.config.write_text(plain + f'\n[[keys]]\nid = "g"\nrole = "grid"\nfile = "{pem}"\n')
    rig.daemon.signal(signal.SIGHUP)
    time.sleep(1.5)

    def say(
        kw: float, *, site: str = SITE, key: Ed25519PrivateKey = private, age_s: int = 0
    ) -> None:
        issued = datetime.now(UTC) - timedelta(seconds=age_s)
        publish = _publish(t, _limit(t, kw, issued_at=issued), "signed")
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = sign(key, "g", site, publish.topic, publish.payload)
        rig.voices.grid.client.publish(publish.topic, publish.payload, 1, False, properties)

    for kw in (1.0, 100000.0):
        rig.voices.grid.send_raw(_publish(t, _limit(t, kw), "signed"))
        say(kw, key=Ed25519PrivateKey.generate())
        say(kw, site="other")
        say(kw, age_s=900)
    time.sleep(3.0)
    t.check(rig.serving(), "a forged limit is obeyed")
    codes = {b.code for b in rig.voices.viewer.bodies(o.Rejected)}
    wanted = {"unsigned", "bad_signature", "replayed"}
    t.check(wanted <= codes, f"not refused by name: {wanted - codes}")
    t.check(any(a.startswith("security/") for a in rig.alerts()), "no security event")
    rig.meter.limits.set(time.monotonic(), 90.0)
    say(90.0)
    until(lambda: rig.drawn_kw + rig.meter.now_kw()[2] < 90.2, "the signed one is obeyed", 10)
    rig.config.write_text(plain)
    rig.daemon.signal(signal.SIGHUP)
    time.sleep(1.0)
    rig.limit("signed", None, revoked=True)
    t.over()
    rig.wait_serving()


FAULTS = (
    Fault(3, "every message a hundred times", duplicates),
    Fault(4, "five messages in all 120 orders", orders),
    Fault(5, "limits delivered 0/30/119/121/3,600 s late", late),
    Fault(8, "the corpus and 2,000 fuzzed bodies on the wire", malformed, quick=True),
    Fault(9, "domain nonsense", nonsense, quick=True),
    Fault(11, "limits of 0, 1 W, negative, tenfold, flapping", extremes, quick=True),
    Fault(12, "heartbeat lost for 119 s", heartbeat(119.0, lost=False)),
    Fault(12, "heartbeat lost for 121 s", heartbeat(121.0, lost=True)),
    Fault(13, "limits without end, ended, overlapping", overlapping, quick=True),
    Fault(15, "requests that cannot be met", impossible, quick=True),
    Fault(19, "last year's retained messages", last_year),
    Fault(27, "forged, replayed, wrong-site limits", forged),
    Fault(32, "one price throughout, a limit of 1e-9 kW", degenerate),
)
