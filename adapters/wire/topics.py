"""Topics under ``valleyfill/v1/{site}/``: one table for subscriptions, decoding and the document.

A topic pattern names the ids in it; each id is 1 to 64 of ``A-Z a-z 0-9 _ -``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from adapters.wire import inbound, outbound

MAX_BYTES = 64 * 1024
"""Longest body, bytes."""

Lane = Literal["control", "field", "telemetry"]
"""Which connection carries a topic, and which queue its messages wait in; control goes first."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


@dataclass(frozen=True)
class InTopic:
    """A topic that the daemon reads.

    Parameters
    ----------
    pattern : str
        Path under the root; ``{name}`` stands for an id.
    body : type
        Wire type of the body.
    sender : str
        Role that publishes it.
    qos : int
        0 or 1.
    retained : bool
        Whether the broker keeps it.
    lane : Lane
        Connection and queue.
    """

    pattern: str
    body: type[msgspec.Struct]
    sender: str
    qos: int
    retained: bool
    lane: Lane


@dataclass(frozen=True)
class OutTopic:
    """A topic that the daemon writes; ``expiry_s`` is the message expiry, None: none."""

    pattern: str
    body: type[msgspec.Struct]
    qos: int
    retained: bool
    expiry_s: int | None = None


INBOUND: tuple[InTopic, ...] = (
    InTopic("grid/limit/{node}/{limit}", inbound.Limit, "grid", 1, True, "control"),
    InTopic("grid/event/{event}", inbound.Event, "grid, aggregator", 1, True, "control"),
    InTopic("grid/heartbeat", inbound.Heartbeat, "grid", 0, False, "control"),
    InTopic("override/{target}", inbound.Override, "operator", 1, True, "control"),
    InTopic("emergency/{zone}", inbound.Emergency, "operator", 1, True, "control"),
    InTopic("tariff/{tariff}", inbound.Tariff, "retailer", 1, True, "field"),
    InTopic("session/{session}/request", inbound.SessionRequest, "operator", 1, False, "field"),
    InTopic("session/{session}/end", inbound.SessionEnd, "operator", 1, False, "field"),
    InTopic("pile/{pile}/birth", inbound.PileBirth, "pile", 1, False, "field"),
    InTopic("pile/{pile}/ack", inbound.PileAck, "pile", 1, False, "field"),
    InTopic("forecast/{series}", inbound.Forecast, "forecaster", 1, True, "field"),
    InTopic("pile/{pile}/telemetry", inbound.PileTelemetry, "pile", 0, False, "telemetry"),
    InTopic("asset/{asset}/ack", inbound.AssetAck, "asset", 1, False, "field"),
    InTopic("asset/{asset}/telemetry", inbound.AssetTelemetry, "asset", 0, False, "telemetry"),
    InTopic("node/{node}/telemetry", inbound.NodeTelemetry, "meter", 0, False, "telemetry"),
)

LOCKSTEP_IN = InTopic("sim/time", inbound.SimTime, "virtual depot", 1, False, "field")
"""Read in lockstep runs alone."""

OUTBOUND: tuple[OutTopic, ...] = (
    OutTopic("pile/{pile}/setpoint", outbound.Setpoint, 1, False, 5),
    OutTopic("asset/{asset}/setpoint", outbound.AssetSetpoint, 1, False, 5),
    OutTopic("session/{session}/status", outbound.SessionStatus, 1, True),
    OutTopic("pile/{pile}/status", outbound.PileStatus, 1, True),
    OutTopic("plan", outbound.Plan, 1, True),
    OutTopic("answer/limit/{node}/{limit}", outbound.LimitAnswer, 1, True),
    OutTopic("answer/event/{event}", outbound.EventAnswer, 1, True),
    OutTopic("flexibility", outbound.Flexibility, 1, True),
    OutTopic("node/{node}/thermal", outbound.Thermal, 1, True),
    OutTopic("status", outbound.Status, 1, True),
    OutTopic("alert/{kind}", outbound.Alert, 1, False),
    OutTopic("rejected", outbound.Rejected, 1, False),
)

LOCKSTEP_OUT = OutTopic("sim/done", outbound.SimDone, 1, False)
"""Written in lockstep runs alone."""


def root_of(site: str) -> str:
    """The prefix of every topic of a site, with its closing slash."""
    return f"valleyfill/v1/{site}/"


def segments(pattern: str) -> tuple[str | None, ...]:
    """The parts of a pattern, None where an id stands."""
    return tuple(None if part.startswith("{") else part for part in pattern.split("/"))


def fits(shape: Sequence[str | None], parts: Sequence[str]) -> bool:
    """Whether the parts of a path are those of a pattern."""
    return len(shape) == len(parts) and all(
        want is None or want == have for want, have in zip(shape, parts, strict=True)
    )


_SHAPES: dict[int, list[tuple[tuple[str | None, ...], InTopic]]] = {}
for _topic in (*INBOUND, LOCKSTEP_IN):
    _SHAPES.setdefault(_topic.pattern.count("/") + 1, []).append((segments(_topic.pattern), _topic))


def match_in(path: str) -> tuple[InTopic, tuple[str, ...]] | None:
    """The inbound topic that a path under the root is, and the ids in it; None: no such topic."""
    parts = path.split("/")
    for shape, topic in _SHAPES.get(len(parts), ()):
        if fits(shape, parts):
            ids = tuple(have for want, have in zip(shape, parts, strict=True) if want is None)
            return topic, ids
    return None


def is_id(text: str) -> bool:
    """Whether the text is an id."""
    return _ID.match(text) is not None


def filter_of(pattern: str) -> str:
    """Subscription filter of a pattern: every id becomes ``+``."""
    return re.sub(r"\{\w+\}", "+", pattern)


def lane_of(path: str) -> Lane:
    """The lane of a path under the root; what is no topic goes with the telemetry."""
    found = match_in(path)
    return found[0].lane if found else "telemetry"
