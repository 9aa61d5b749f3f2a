"""Bodies that others send. Field names are the contract; units are in the names."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Counter = Annotated[int, Meta(ge=0, le=2**62)]
Instant = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, Meta(max_length=500)]
Kw = Annotated[float, Meta(ge=-1e7, le=1e7)]
LimitKw = Annotated[float, Meta(ge=0, le=1e7)]
Kwh = Annotated[float, Meta(ge=0, le=1e12)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
PricePerKwh = Annotated[float, Meta(ge=-1e6, le=1e6)]
SlotMinutes = Annotated[int, Meta(ge=1, le=1440)]
Phases = Annotated[list[Annotated[float, Meta(ge=0, le=1e5)]], Meta(min_length=3, max_length=3)]
Series = Annotated[list[Kw], Meta(min_length=1, max_length=4000)]
Members = Annotated[list[Series], Meta(min_length=2, max_length=100)]
Prices = Annotated[list[PricePerKwh], Meta(min_length=1, max_length=4000)]


class Stamped(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every inbound body carries: the order its sender gave it, and when.

    ``epoch`` rises at each start of the sender, ``seq`` within it; per topic the higher
    (epoch, seq) wins.
    """

    epoch: Counter
    seq: Counter
    issued_at: Instant


class LimitSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of a limit series: it holds until the next one starts."""

    start: Instant
    import_kw: LimitKw


class Limit(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit of the grid company at a node; a newer one on the same topic replaces it.

    Different limits of one node coexist and the lowest in force wins. ``revoked`` withdraws.
    A null power says nothing about that direction; it never means unlimited.
    """

    valid_from: Instant
    valid_until: Instant | None = None
    import_kw: LimitKw | None = None
    export_kw: LimitKw | None = None
    source: Text
    slots: Annotated[list[LimitSlot], Meta(max_length=4000)] = []
    revoked: bool = False


class PowerSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of an event's series: it holds until the next one starts."""

    start: Instant
    power_kw: Kw


class Event(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A demand response event at the point of connection; answered on `answer/event/{event}`.

    ``power_kw`` throughout, or the series ``slots``: a magnitude for ``reduce_by`` and
    ``raise_by`` (counted from the baseline) and ``limit_to``; for ``follow`` positive is drawn
    from the grid.
    """

    start: Instant
    end: Instant
    kind: Literal["reduce_by", "raise_by", "limit_to", "follow"]
    power_kw: Kw | None = None
    slots: Annotated[list[PowerSlot], Meta(max_length=4000)] = []
    incentive_per_kwh: PricePerKwh | None = None
    mandatory: bool
    revoked: bool = False


class Heartbeat(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The grid company lives."""


ClockRange = Annotated[
    str, Meta(pattern=r"^([01][0-9]|2[0-4]):[0-5][0-9]-([01][0-9]|2[0-4]):[0-5][0-9]$")
]
Ratio = Annotated[float, Meta(ge=0, le=1e3)]


class TariffPeriod(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clock ranges of the site's zone that have one price; 24:00 and over midnight may be.

    ``months`` and ``days`` say when they hold; empty: always.
    """

    period: Literal["sharp", "peak", "flat", "valley", "deep_valley"]
    hours: Annotated[list[ClockRange], Meta(min_length=1, max_length=96)]
    buy_per_kwh: PricePerKwh
    months: Annotated[list[Annotated[int, Meta(ge=1, le=12)]], Meta(max_length=12)] = []
    days: Annotated[list[Literal["weekday", "weekend"]], Meta(max_length=2)] = []


class DemandCharge(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A demand, capacity or fixed charge of a month, in the site's currency.

    ``slide_minutes``: how far the interval moves on; silent: blocks on the clock.
    """

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    basis: Literal["peak", "actual", "contracted", "capacity", "fixed"]
    price: Annotated[float, Meta(ge=0, le=1e6)]
    interval_minutes: Annotated[int, Meta(ge=1, le=60)] = 15
    slide_minutes: Annotated[int, Meta(ge=1, le=60)] | None = None
    tolerance: Ratio | None = None
    excess_factor: Ratio | None = None
    floor_share: Ratio | None = None


class Tariff(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named book or tariff periods from an instant on, or a price series for its instants.

    Charges on demand and capacity come with periods; a named book has its own.
    """

    book: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    periods: Annotated[list[TariffPeriod], Meta(min_length=1, max_length=200)] | None = None
    demand: Annotated[list[DemandCharge], Meta(max_length=20)] | None = None
    valid_from: Instant | None = None
    start: Instant | None = None
    slot_minutes: SlotMinutes | None = None
    buy_per_kwh: Prices | None = None
    sell_per_kwh: Prices | None = None


class V2g(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a driver lets his vehicle give back, and down to which state of charge."""

    min_soc: Fraction
    max_discharge_kw: Annotated[float, Meta(ge=0, le=1e5)]
    consent: bool


class SessionRequest(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole request, each time. Energy is the total since plug-in, or follows from charge.

    Say ``energy_kwh``, or ``soc``, ``target_soc`` and ``battery_kwh``.
    """

    pile: Id
    arrival: Instant
    departure: Instant
    energy_kwh: Annotated[float, Meta(ge=0, le=1e5)] | None = None
    soc: Fraction | None = None
    target_soc: Fraction | None = None
    battery_kwh: Annotated[float, Meta(gt=0, le=1e5)] | None = None
    max_kw: Annotated[float, Meta(gt=0, le=1e5)] | None = None
    min_kw: Annotated[float, Meta(ge=0, le=1e5)] | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    vehicle_class: Annotated[str, Meta(max_length=64)] = field(default="", name="class")
    mode: Literal["smart", "now"] = "smart"
    v2g: V2g | None = None


class SessionEnd(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session is over; one counter runs over request and end."""

    reason: Text


class PileBirth(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pile starts and holds no setpoint; it is answered with one at once."""

    model: Annotated[str, Meta(max_length=100)] = ""
    firmware: Annotated[str, Meta(max_length=100)] = ""
    max_kw: Annotated[float, Meta(gt=0, le=1e5)] | None = None
    min_kw: Annotated[float, Meta(ge=0, le=1e5)] | None = None
    phases: Annotated[list[Literal[1, 2, 3]], Meta(min_length=1, max_length=3)] | None = None


PileStatus = Literal["available", "waiting", "charging", "full", "faulted", "unavailable"]


class PileTelemetry(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a pile measures. ``energy_kwh`` is its lifetime register."""

    power_kw: Kw
    energy_kwh: Kwh
    status: PileStatus
    vehicle: bool
    soc: Fraction | None = None
    currents_a: Phases | None = None
    voltages_v: Phases | None = None
    fault: Text | None = None


class PileAck(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pile took a setpoint, or refuses it and says why: exactly one of the two."""

    setpoint_epoch: Counter
    setpoint_seq: Counter
    applied_kw: Kw | None = None
    refused: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class AssetTelemetry(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What storage, a PV plant or a feeder measures; ``available_kw``: what it could do now.

    ``islanded``: the storage's inverter forms the grid, since the connection is lost.
    """

    power_kw: Kw
    soc: Fraction | None = None
    available_kw: LimitKw | None = None
    islanded: bool = False


class AssetAck(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An asset took a setpoint, or refuses it and says why: exactly one of the two."""

    setpoint_epoch: Counter
    setpoint_seq: Counter
    applied_kw: Kw | None = None
    refused: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class NodeTelemetry(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a node's meter measures; the registers count over its lifetime."""

    power_kw: Kw
    import_kwh: Kwh | None = None
    export_kwh: Kwh | None = None
    reactive_kvar: Kw | None = None
    currents_a: Phases | None = None
    voltages_v: Phases | None = None
    oil_temperature_c: Annotated[float, Meta(ge=-80, le=400)] | None = None


class Forecast(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A forecast series: exactly one of the ``values_`` fields, optionally with a band, or the
    members of an ensemble, ``members_kw``: their mean counts, and as band what nine of ten of them
    lie in.
    """

    start: Instant
    slot_minutes: SlotMinutes
    values_kw: Series | None = None
    values_c: Series | None = None
    values_w_m2: Series | None = None
    values_g_per_kwh: Series | None = None
    values_share: Series | None = None
    members_kw: Members | None = None
    low: Series | None = None
    high: Series | None = None


class Override(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator orders for a pile or a node, until an instant or until cleared."""

    kind: Literal["out_of_service", "hold_kw", "charge_now", "clear"]
    until: Instant | None = None
    who: Annotated[str, Meta(min_length=1, max_length=100)]
    hold_kw: LimitKw | None = None


class Emergency(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fire or ground fault: everything in the zone to 0 until the same role clears it."""

    cleared: bool
    who: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: Literal["fire", "ground_fault", "other"] = "other"


class SimTime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lockstep runs: the virtual depot owns time."""

    step: Counter
    now: Instant
    mono_s: Annotated[float, Meta(ge=0, le=1e12)]
