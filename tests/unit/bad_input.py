"""The bad-input corpus: each row a topic, a body, and the code and field of its refusal.

The bodies start from one good body per topic and break one thing in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

HEAD: dict[str, Any] = {"epoch": 1, "seq": 1, "issued_at": "2026-07-01T08:00:00+08:00"}

GOOD: dict[str, dict[str, Any]] = {
    "grid/limit/transformer/cap": {
        **HEAD,
        "valid_from": "2026-07-01T08:00:00+08:00",
        "valid_until": None,
        "import_kw": 60,
        "export_kw": None,
        "source": "dispatch",
    },
    "grid/event/peak-day": {
        **HEAD,
        "start": "2026-07-01T18:00:00+08:00",
        "end": "2026-07-01T20:00:00+08:00",
        "kind": "limit_to",
        "power_kw": 40,
        "incentive_per_kwh": 3.5,
        "mandatory": True,
    },
    "asset/bess/telemetry": {**HEAD, "power_kw": -20, "soc": 0.5, "available_kw": 100},
    "asset/bess/ack": {**HEAD, "setpoint_epoch": 1, "setpoint_seq": 4, "applied_kw": -20},
    "grid/heartbeat": dict(HEAD),
    "tariff/main": {
        **HEAD,
        "start": "2026-07-01T00:00:00+08:00",
        "slot_minutes": 60,
        "buy_per_kwh": [0.3, 0.9],
        "sell_per_kwh": [0.1, 0.1],
    },
    "session/s1/request": {
        **HEAD,
        "pile": "A-01",
        "arrival": "2026-07-01T08:00:00+08:00",
        "departure": "2026-07-01T18:00:00+08:00",
        "energy_kwh": 20,
    },
    "session/s1/end": {**HEAD, "reason": "left"},
    "pile/A-01/birth": dict(HEAD),
    "pile/A-01/telemetry": {
        **HEAD,
        "power_kw": 7,
        "energy_kwh": 1000.5,
        "status": "charging",
        "vehicle": True,
    },
    "pile/A-01/ack": {**HEAD, "setpoint_epoch": 1, "setpoint_seq": 4, "applied_kw": 7},
    "node/transformer/telemetry": {**HEAD, "power_kw": 80.5, "import_kwh": 1.0, "export_kwh": 0},
    "forecast/base": {
        **HEAD,
        "start": "2026-07-01T00:00:00+08:00",
        "slot_minutes": 15,
        "values_kw": [10, 11],
    },
    "override/A-01": {**HEAD, "kind": "hold_kw", "until": None, "who": "ann", "hold_kw": 5},
    "emergency/transformer": {**HEAD, "cleared": False, "who": "ann", "kind": "fire"},
}
"""One good body for every topic."""

LIMIT, REQUEST = "grid/limit/transformer/cap", "session/s1/request"
TELEMETRY, ACK, TARIFF = "pile/A-01/telemetry", "pile/A-01/ack", "tariff/main"
OVERRIDE, FORECAST = "override/A-01", "forecast/base"
EVENT, ASSET_ACK = "grid/event/peak-day", "asset/bess/ack"


@dataclass(frozen=True)
class Row:
    """One bad message and the refusal it must get."""

    name: str
    path: str
    payload: bytes
    code: str
    field: str


def _changed(name: str, path: str, code: str, field: str, **change: Any) -> Row:
    return Row(name, path, json.dumps({**GOOD[path], **change}).encode(), code, field)


def _without(name: str, path: str, key: str) -> Row:
    body = {k: v for k, v in GOOD[path].items() if k != key}
    return Row(name, path, json.dumps(body).encode(), "missing_field", key)


def _raw(name: str, payload: bytes, code: str = "bad_json", field: str = "") -> Row:
    return Row(name, TELEMETRY, payload, code, field)


def _text(path: str) -> str:
    return json.dumps(GOOD[path])


CORPUS: tuple[Row, ...] = (
    # No JSON at all.
    _raw("an empty body", b"", "empty"),
    _raw("no json", b"hello"),
    _raw("cut off in the middle", _text(TELEMETRY).encode()[:-9]),
    _raw("two bodies", _text(TELEMETRY).encode() * 2),
    _raw("not utf-8", _text(TELEMETRY).replace("charging", "ch\u00e4rging").encode("latin-1")),
    _raw("a byte order mark", b"\xef\xbb\xbf" + _text(TELEMETRY).encode()),
    _raw("utf-16", _text(TELEMETRY).encode("utf-16")),
    _raw("null bytes", b"\x00" * 64),
    _raw("not a number", _text(TELEMETRY).replace(": 7,", ": NaN,").encode()),
    _raw("minus infinity", _text(TELEMETRY).replace(": 7,", ": -Infinity,").encode()),
    _raw("more than 64 kB", _text(TELEMETRY).encode() + b" " * 65_536, "too_large"),
    # JSON of another shape.
    _raw("a list", b"[1]", "wrong_type"),
    _raw("null", b"null", "wrong_type"),
    _raw("a bare number", b"7", "wrong_type"),
    _raw("nested without end", b"[" * 60_000, "wrong_type"),
    _raw("nothing inside", b"{}", "missing_field", "epoch"),
    # A key twice, unknown, missing.
    _raw(
        "a key twice",
        (_text(TELEMETRY)[:-1] + ', "power_kw": 70}').encode(),
        "duplicate_key",
        "power_kw",
    ),
    Row(
        "a key twice inside a series",
        LIMIT,
        json.dumps({**GOOD[LIMIT], "import_kw": None, "slots": []})
        .replace("[]", '[{"start": "2026-07-01T08:00:00Z", "import_kw": 1, "import_kw": 9}]')
        .encode(),
        "duplicate_key",
        "import_kw",
    ),
    _changed("an unknown key", TELEMETRY, "unknown_field", "power_w", power_w=7000),
    _changed("a key of v2", REQUEST, "unknown_field", "Energy_kWh", Energy_kWh=2),
    _without("no epoch", TELEMETRY, "epoch"),
    _without("no seq", LIMIT, "seq"),
    _without("no issued_at", LIMIT, "issued_at"),
    _without("no power", TELEMETRY, "power_kw"),
    _without("no pile", REQUEST, "pile"),
    _without("no departure", REQUEST, "departure"),
    _without("no energy", REQUEST, "energy_kwh"),
    _without("nobody overrides", OVERRIDE, "who"),
    # Another type.
    _changed("text for a number", TELEMETRY, "wrong_type", "power_kw", power_kw="7"),
    _changed("yes for a number", TELEMETRY, "wrong_type", "power_kw", power_kw=True),
    _changed("a number for yes", TELEMETRY, "wrong_type", "vehicle", vehicle=1),
    _changed("null for a number", TELEMETRY, "wrong_type", "power_kw", power_kw=None),
    _changed("a list for a number", LIMIT, "wrong_type", "import_kw", import_kw=[60]),
    _changed("a fraction for a counter", LIMIT, "wrong_type", "seq", seq=1.5),
    _changed("a number for an instant", LIMIT, "wrong_type", "valid_from", valid_from=1782864000),
    # Numbers out of range.
    _changed("a negative counter", LIMIT, "out_of_range", "seq", seq=-1),
    _changed("a counter beyond 64 bits", LIMIT, "out_of_range", "epoch", epoch=2**70),
    _changed("a negative limit", LIMIT, "out_of_range", "import_kw", import_kw=-5),
    _raw(
        "a number beyond a double",
        _text(TELEMETRY).replace(": 7,", ": 1e999,").encode(),
        "out_of_range",
        "power_kw",
    ),
    _changed("an absurd power", TELEMETRY, "out_of_range", "power_kw", power_kw=1e30),
    _changed("a state of charge of 1.2", TELEMETRY, "out_of_range", "soc", soc=1.2),
    _changed("two phases", TELEMETRY, "out_of_range", "currents_a", currents_a=[1, 2]),
    _changed("an absurd price", TARIFF, "out_of_range", "buy_per_kwh[0]", buy_per_kwh=[1e9]),
    _changed("priority 10", REQUEST, "out_of_range", "priority", priority=10),
    _changed("an energy below zero", REQUEST, "out_of_range", "energy_kwh", energy_kwh=-1),
    _changed("an unknown mode", REQUEST, "out_of_range", "mode", mode="fast"),
    _changed("an unknown override", OVERRIDE, "out_of_range", "kind", kind="stop"),
    _changed("an empty forecast", FORECAST, "out_of_range", "values_kw", values_kw=[]),
    _changed("an id with a slash", REQUEST, "out_of_range", "pile", pile="A/01"),
    # Instants.
    _changed(
        "an instant without offset",
        LIMIT,
        "naive_time",
        "valid_from",
        valid_from="2026-07-01T08:00:00",
    ),
    _changed("no instant", LIMIT, "out_of_range", "valid_from", valid_from="tomorrow"),
    _changed(
        "the year 9999", LIMIT, "out_of_range", "valid_until", valid_until="9999-12-31T23:59:59Z"
    ),
    _changed("the year 1", REQUEST, "out_of_range", "arrival", arrival="0001-01-01T00:00:00+00:00"),
    # Contradictions.
    _changed(
        "a departure before the arrival",
        REQUEST,
        "contradiction",
        "departure",
        departure="2026-07-01T07:00:00+08:00",
    ),
    _changed("a minimum above the maximum", REQUEST, "contradiction", "min_kw", min_kw=9, max_kw=7),
    _changed("beyond the battery", REQUEST, "contradiction", "energy_kwh", soc=0.9, battery_kwh=60),
    _changed(
        "an energy and a state of charge",
        REQUEST,
        "contradiction",
        "target_soc",
        soc=0.2,
        target_soc=0.9,
        battery_kwh=60,
    ),
    _changed(
        "a target below the charge",
        REQUEST,
        "contradiction",
        "target_soc",
        energy_kwh=None,
        soc=0.9,
        target_soc=0.2,
        battery_kwh=60,
    ),
    _changed(
        "a target without a battery",
        REQUEST,
        "missing_field",
        "battery_kwh",
        energy_kwh=None,
        soc=0.2,
        target_soc=0.9,
    ),
    _changed(
        "a limit that ends before it starts",
        LIMIT,
        "contradiction",
        "valid_until",
        valid_until="2026-07-01T07:00:00+08:00",
    ),
    _changed("a limit that limits nothing", LIMIT, "contradiction", "import_kw", import_kw=None),
    _changed(
        "a limit and a series",
        LIMIT,
        "contradiction",
        "slots",
        slots=[{"start": "2026-07-01T08:00:00Z", "import_kw": 1}],
    ),
    _changed(
        "a series out of order",
        LIMIT,
        "contradiction",
        "slots",
        import_kw=None,
        slots=[
            {"start": "2026-07-01T09:00:00Z", "import_kw": 1},
            {"start": "2026-07-01T08:00:00Z", "import_kw": 2},
        ],
    ),
    _changed("an event that ends first", EVENT, "contradiction", "end", end=HEAD["issued_at"]),
    _changed("an event without a power", EVENT, "contradiction", "power_kw", power_kw=None),
    _changed("a negative event limit", EVENT, "out_of_range", "power_kw", power_kw=-1),
    _changed(
        "an event series that starts late",
        EVENT,
        "contradiction",
        "slots",
        power_kw=None,
        slots=[{"start": "2026-07-01T19:00:00+08:00", "power_kw": 1}],
    ),
    _changed("an event of an unknown kind", EVENT, "out_of_range", "kind", kind="please"),
    _without("an event that does not say whether it must be", EVENT, "mandatory"),
    _changed("an asset that says both", ASSET_ACK, "contradiction", "applied_kw", refused="no"),
    _changed(
        "a floor above the battery",
        REQUEST,
        "out_of_range",
        "v2g.min_soc",
        v2g={"min_soc": 1.2, "max_discharge_kw": 5, "consent": True},
    ),
    _changed("prices of two lengths", TARIFF, "contradiction", "sell_per_kwh", sell_per_kwh=[0.1]),
    _changed("a book and a series", TARIFF, "contradiction", "book", book="zhejiang-2026"),
    _changed("charging without a vehicle", TELEMETRY, "contradiction", "status", vehicle=False),
    _changed("applied and refused", ACK, "contradiction", "applied_kw", refused="busy"),
    _changed("neither applied nor refused", ACK, "contradiction", "applied_kw", applied_kw=None),
    _changed("two kinds of values", FORECAST, "contradiction", "values_c", values_c=[1, 2]),
    _changed("a band of another length", FORECAST, "contradiction", "low", low=[1]),
    _changed("a power without its kind", OVERRIDE, "contradiction", "hold_kw", kind="charge_now"),
    # Topics.
    Row("no such topic", "pile/A-01/voltage", b"{}", "unknown_topic", ""),
    Row("an id that is none", "pile/A 01/birth", json.dumps(HEAD).encode(), "bad_id", ""),
    Row("an empty id", "session//request", json.dumps(GOOD[REQUEST]).encode(), "bad_id", ""),
    Row("an id of 65", f"pile/{'x' * 65}/birth", json.dumps(HEAD).encode(), "bad_id", ""),
    Row(
        "time outside a lockstep run",
        "sim/time",
        b'{"step": 1, "now": "2026-07-01T08:00:00Z", "mono_s": 0}',
        "unknown_topic",
        "",
    ),
)
