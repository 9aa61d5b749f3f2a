"""Bodies that the daemon publishes. Field names are the contract; units are in the names."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from adapters.wire.inbound import Counter, Id, Instant

Reason = Literal[
    "no_session", "waiting", "plan", "limit", "full", "no_plan", "override", "emergency"
]
"""What holds a pile at its power."""

Phases = Literal[1, 3]


class Setpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The power a pile must hold now.

    The pile counts ``lease_s`` from receipt; when it has run out unrenewed, the pile goes to
    ``fallback_kw``. A lower (epoch, seq) than one obeyed before must not be obeyed. ``phases`` is
    there for piles that can be switched: on how many to draw; it changes only from a power of 0.
    """

    epoch: Counter
    seq: Counter
    power_kw: float
    lease_s: float
    fallback_kw: float
    reason: Reason
    phases: Phases | UnsetType = UNSET


class AssetSetpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The power that storage, a PV limit or a feeder must hold now; as for a pile."""

    epoch: Counter
    seq: Counter
    power_kw: float
    lease_s: float
    fallback_kw: float
    reason: Reason


class HigherPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What could be had if the request came again with this ``mode`` or ``priority``.

    ``energy_kwh`` is the total since plug-in; ``cost`` that of what is still to come, to be held
    against the status's own.
    """

    energy_kwh: float
    ready_at: Instant
    cost: float
    mode: Literal["now"] | None = None
    priority: int | None = None


class CounterOffer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What would be possible where the request is not: later, less, or more at a higher price."""

    departure: Instant | None = None
    energy_kwh: float | None = None
    higher_price: HigherPrice | None = None


SessionStateName = Literal["announced", "waiting", "charging", "full", "ended", "rejected"]


class SessionStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a session stands, what it has been promised, and why, in both languages.

    ``counter_offer`` only where the request cannot be met; ``sooner`` where it can and waits for
    a better hour.
    """

    state: SessionStateName
    promised_kwh: float | None = None
    ready_at: Instant | None = None
    cost: float | None = None
    short_kwh: float = 0.0
    why: str = ""
    why_zh: str = ""
    counter_offer: CounterOffer | None = None
    sooner: HigherPrice | None = None


PileStateName = Literal["free", "vehicle", "session", "fault", "silent"]


class PileStatus(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a pile stands and why, in both languages; the ``session`` on it, null where none is.

    ``vehicle``: one stands there without a session; ``silent``: its telemetry is missed.
    """

    state: PileStateName
    session: Id | None
    why: str
    why_zh: str


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Totals of the plan that runs; the whole plan is in the store. ``gap`` null: unknown."""

    digest: str
    status: str
    rung: str
    gap: float | None
    solve_ms: float
    planned_kwh: float
    short_kwh: float
    cost: float
    binding_nodes: list[str]


class LimitAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Closes the loop to the grid company: what became of its limit, by the meter."""

    received_at: Instant
    applied_at: Instant | None
    reached_at: Instant | None
    shed_kw: float
    unreachable_for_s: float | None
    binding_piles: list[str]


class EventAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the site does about a demand response event; ``delivered_kwh`` is by the meter,
    against ``baseline_kw`` (means over the event); ``paid`` in the tariff's currency.
    """

    received_at: Instant
    decision: Literal["weighed", "accepted", "refused", "revoked", "ended"]
    why: str = ""
    promised_kw: float | None = None
    delivered_kwh: float | None = None
    baseline_kw: float | None = None
    paid: float | None = None


class FlexibleSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One slot: how far up (draw more) and down (draw less) from ``plan_kw``, for how long, at
    what price.
    """

    start: Instant
    plan_kw: float
    up_kw: float
    down_kw: float
    up_for_s: float
    down_for_s: float
    up_per_kwh: float
    down_per_kwh: float


class Flexibility(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Per slot what the site could go up and down, for how long, at what price."""

    computed_at: Instant
    slot_minutes: int
    slots: list[FlexibleSlot]


class Thermal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transformer's temperatures, the life it has used, and its heavy hours; each quarter hour.

    ``load`` is the last quarter hour's mean by the rating; ``heavy`` and ``over`` count stretches
    of eight quarter hours above 80 % and 100 %; ``ageing`` of 1 uses rated life; ``bears_kw`` is
    what its iron bears now, with what of short overload the grid company allows.
    """

    at: Instant
    hot_spot_c: float
    top_oil_c: float
    ageing: float
    aged_h: float
    load: float
    heavy: Counter
    over: Counter
    bears_kw: float


class Status(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Birth, goodbye and last will of the daemon; ``instance`` tells two of one site apart."""

    state: Literal["online", "offline"]
    version: str
    instance: str
    epoch: Counter
    health: Literal["ok", "degraded", "stopped"]
    degraded: list[str] = []


class Alert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong, where, since when, and what to do, in both languages."""

    where: str
    since: datetime
    text: str
    text_zh: str
    cleared: bool = False


RejectedCode = Literal[
    "too_large",
    "empty",
    "unknown_topic",
    "bad_id",
    "bad_json",
    "duplicate_key",
    "unknown_field",
    "missing_field",
    "wrong_type",
    "naive_time",
    "out_of_range",
    "outdated",
    "contradiction",
    "unknown_node",
    "unknown_pile",
    "unknown_asset",
    "unknown_target",
    "unknown_zone",
    "unknown_tariff",
    "tariff_gap",
    "session_ended",
    "departure_past",
    "pile_changed",
    "pile_occupied",
    "program_fault",
    "unsigned",
    "unknown_key",
    "bad_signature",
    "key_out_of_time",
    "replayed",
]
"""Why a message changed nothing."""


class Rejected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message that changed nothing, and why; at most a few of these a second."""

    topic: str
    code: RejectedCode
    field: str
    reason: str
    suppressed: int = 0


class SimDone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lockstep runs: inbox, solve and acknowledgements of this step are empty."""

    step: Counter


__all__ = [
    "Alert",
    "AssetSetpoint",
    "CounterOffer",
    "EventAnswer",
    "Flexibility",
    "FlexibleSlot",
    "HigherPrice",
    "Id",
    "LimitAnswer",
    "PileStateName",
    "PileStatus",
    "Plan",
    "Rejected",
    "RejectedCode",
    "SessionStatus",
    "Setpoint",
    "SimDone",
    "Status",
    "Thermal",
]
