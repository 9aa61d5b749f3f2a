"""Facts that reach the engine. Every event carries both clocks of the moment it was taken in.

``now`` is UTC and serves prices and plans; ``mono_s`` is monotonic and serves leases,
heartbeats and staleness, since wall clocks step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.session import Request

Stamp = tuple[int, int]
"""(epoch, seq) of a sender: per topic the higher one wins."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base: when it was taken in."""

    now: datetime
    mono_s: float


@dataclass(frozen=True, kw_only=True)
class Received(Event):
    """A message of a sender, in its own order."""

    stamp: Stamp
    issued_at: datetime


@dataclass(frozen=True, kw_only=True)
class LimitPushed(Received):
    """``grid/limit/{node}/{limit}``: a limit of the grid company, or its withdrawal.

    ``slots`` is a series of (start, import_kw), each holding until the next; when empty,
    ``import_kw`` holds throughout. None means: no word on that direction.
    """

    node: str
    limit: str
    valid_from: datetime
    valid_until: datetime | None
    import_kw: float | None
    export_kw: float | None
    source: str
    slots: tuple[tuple[datetime, float], ...] = ()
    revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class Heartbeat(Received):
    """``grid/heartbeat``."""


@dataclass(frozen=True, kw_only=True)
class DemandCalled(Received):
    """``grid/event/{event}``: a demand response event at the point of connection.

    ``power_kw`` is a magnitude but for ``follow``; ``slots`` a series of (start, kW), each holding
    until the next, in its place. ``reduce_by`` and ``raise_by`` (valley filling) count from the
    baseline; ``follow`` is what the connection should draw (positive) or give (negative).
    """

    event: str
    start: datetime
    end: datetime
    kind: Literal["reduce_by", "raise_by", "limit_to", "follow"]
    power_kw: float | None
    slots: tuple[tuple[datetime, float], ...] = ()
    incentive_per_kwh: float | None = None
    mandatory: bool = False
    revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class PricesPushed(Received):
    """``tariff/{tariff}`` as a price series; it overlays the book for its instants."""

    tariff: str
    start: datetime
    slot_minutes: int
    buy_per_kwh: tuple[float, ...]
    sell_per_kwh: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class BookChosen(Received):
    """``tariff/{tariff}`` naming a book that takes effect at its instant."""

    tariff: str
    book: str
    valid_from: datetime


@dataclass(frozen=True, kw_only=True)
class SessionRequested(Received):
    """``session/{session}/request``."""

    request: Request


@dataclass(frozen=True, kw_only=True)
class SessionEnded(Received):
    """``session/{session}/end``."""

    session: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PileBorn(Received):
    """``pile/{pile}/birth``: a pile starts; it holds no setpoint of ours."""

    pile: str


@dataclass(frozen=True, kw_only=True)
class PileMeasured(Received):
    """``pile/{pile}/telemetry``. ``energy_kwh`` is the pile's lifetime register."""

    pile: str
    power_kw: float
    energy_kwh: float
    vehicle: bool
    soc: float | None = None
    fault: str | None = None
    currents_a: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class PileAcked(Received):
    """``pile/{pile}/ack``."""

    pile: str
    setpoint: Stamp
    applied_kw: float | None
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class NodeMeasured(Received):
    """``node/{node}/telemetry``. Positive power draws from the grid; ``reactive_kvar`` may have
    either sign.
    """

    node: str
    power_kw: float
    import_kwh: float | None = None
    export_kwh: float | None = None
    reactive_kvar: float | None = None
    currents_a: tuple[float, float, float] | None = None
    voltages_v: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class AssetMeasured(Received):
    """``asset/{asset}/telemetry``: storage, PV or a feeder. Positive power draws from the grid;
    ``available_kw`` is a magnitude: what it could do now (a feeder that is off: what it would
    draw). ``islanded``: its inverter forms the grid, since the connection is lost.
    """

    asset: str
    power_kw: float
    soc: float | None = None
    available_kw: float | None = None
    islanded: bool = False


@dataclass(frozen=True, kw_only=True)
class AssetAcked(Received):
    """``asset/{asset}/ack``."""

    asset: str
    setpoint: Stamp
    applied_kw: float | None
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class ForecastPushed(Received):
    """``forecast/{series}``; ``low`` and ``high`` are its band, empty where none was sent."""

    series: str
    start: datetime
    slot_minutes: int
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Overridden(Received):
    """``override/{node or pile}``: what an operator orders until an instant."""

    target: str
    kind: Literal["out_of_service", "hold_kw", "charge_now", "clear"]
    until: datetime | None
    who: str
    hold_kw: float | None = None


@dataclass(frozen=True, kw_only=True)
class Emergency(Received):
    """``emergency/{zone}``: everything under the node (or the site) to 0 until cleared."""

    zone: str
    cleared: bool
    who: str


@dataclass(frozen=True, kw_only=True)
class Ticked(Event):
    """Time passes, and nothing else happened."""


@dataclass(frozen=True, kw_only=True)
class NotListened(Event):
    """For so many seconds up to now nothing could be heard, by our own fault: the telemetry
    connection was down, or the process stood still.
    """

    for_s: float


@dataclass(frozen=True, kw_only=True)
class Solved(Event):
    """The solving process answers. ``energy_kwh`` is ragged, as the problem's offsets say; two
    answers to one problem by the same rung with as much work are equal.

    ``rungs`` are the solvers that were ready to be tried, in order; ``assets_kw`` the power of
    each storage and PV plant by slot, None where the problem has none or none was planned.
    ``lost`` says why the solving process could not answer, where a small one did in its place.
    ``start`` is what the solver began with beside the problem, in its own form. ``relaxed_kwh``
    is the plan as if piles held any power, where they do not and somebody ends short.
    """

    digest: str
    energy_kwh: Sequence[float] | NDArray[np.float64] = field(repr=False, compare=False)
    status: str
    rung: str
    gap: float
    work: int
    solve_ms: float
    rungs: tuple[str, ...] = ()
    assets_kw: tuple[tuple[float, ...], ...] | None = field(default=None, repr=False)
    lost: str = ""
    start: bytes = field(default=b"", repr=False)
    relaxed_kwh: Sequence[float] | NDArray[np.float64] | None = field(
        default=None, repr=False, compare=False
    )

    @cached_property
    def planned_kwh(self) -> NDArray[np.float64]:
        """``energy_kwh`` as an array of its own, made once for all that read it."""
        planned = np.array(self.energy_kwh, dtype=np.float64)
        planned.setflags(write=False)
        return planned


@dataclass(frozen=True, kw_only=True)
class SolveFailed(Event):
    """The solving process hung, crashed or ran out of memory."""

    digest: str
    reason: str
