"""The state of a site: everything the engine knows, frozen, and nothing it can look up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from models.events import (
    BookChosen,
    DemandCalled,
    Emergency,
    ForecastPushed,
    LimitPushed,
    Overridden,
    PricesPushed,
    Stamp,
)
from models.plan import Plan
from models.session import Request, SessionState
from scheduler.drawn import Drawn
from scheduler.learned import Taken
from scheduler.quarters import Quarters
from scheduler.transformer_state import TransformerState

R = TypeVar("R")


def changed(record: R, **values: object) -> R:
    """``dataclasses.replace`` for records that check nothing, ten times as fast: telemetry of
    a thousand piles goes through here.
    """
    fields = record.__dict__.copy()
    fields.update(values)
    return made(type(record), fields)


def made(kind: type[R], fields: dict[str, Any]) -> R:
    """A record that checks nothing of all of its fields; the dictionary becomes its own."""
    new = object.__new__(kind)
    object.__setattr__(new, "__dict__", fields)
    return new


@dataclass(frozen=True)
class SentSetpoint:
    """A setpoint on its way, or obeyed.

    ``holds_until_mono_s``: send time + message expiry + lease; until then it may be obeyed.
    """

    stamp: Stamp
    power_kw: float
    sent_mono_s: float
    holds_until_mono_s: float


@dataclass(frozen=True)
class PileState:
    """What is known of a pile.

    ``heard_mono_s`` is when it last measured or was born; ``measured_mono_s`` when it last
    measured. ``acked`` is the setpoint it acknowledged last, ``lease_mono_s`` when the last
    message it acknowledged was sent; ``unacked`` are those sent since and not yet acknowledged,
    oldest first, each of less power than the one before (an older one of no more power than a
    newer one says nothing: it ends sooner). ``wanted_kw`` is what was sent last, when ``sent``
    is true; ``before_kw`` what was sent before, until ``changed_mono_s``.
    ``below_since_mono_s``: since when the vehicle draws less than its setpoint; ``learned_kw``
    what it was then seen to take, until it is probed again at ``probe_mono_s``; ``probing``
    while more is offered.
    ``ignored``: setpoints refused in a row; ``exceeded``: when it was last seen to draw more than
    it was told, and which alert that is. ``started_mono_s`` and ``stopped_mono_s``: when it was
    last switched on and off, never: -inf; ``starts`` how often it was switched on on the local day
    ``starts_day`` (an ordinal). ``phases``: on how many phases it was told to draw, where it can
    be switched; ``phase_switches`` how often that changed on the local day ``phases_day``.

    It has fewer than thirty fields: records of more do not share their keys with each other, and
    take 1.6 kB each instead of 0.3, five times as much to copy with each telemetry.
    """

    heard_mono_s: float = -1.0
    measured_mono_s: float = -1.0
    power_kw: float = 0.0
    currents_a: tuple[float, float, float] | None = None
    register_kwh: float | None = None
    vehicle: bool = False
    fault: str | None = None
    acked: SentSetpoint | None = None
    lease_mono_s: float = -1.0
    unacked: tuple[SentSetpoint, ...] = ()
    wanted_kw: float = 0.0
    before_kw: float = 0.0
    changed_mono_s: float = -1.0
    renewed_mono_s: float = -1.0
    below_since_mono_s: float = -1.0
    learned_kw: float | None = None
    probe_mono_s: float = -1.0
    probes: int = 0
    probing: bool = False
    ignored: int = 0
    sent: bool = False
    exceeded: tuple[float, str] | None = None
    started_mono_s: float = -math.inf
    stopped_mono_s: float = -math.inf
    starts: int = 0
    starts_day: int = 0
    phases: int = 3
    phase_switches: int = 0
    phases_day: int = 0


UNKNOWN_PILE = PileState()
"""A pile of which nothing is known: made once, since it is asked for with each telemetry."""


@dataclass(frozen=True)
class SessionRecord:
    """A session in progress.

    ``base_register_kwh`` is the pile's register at plug-in; ``delivered_kwh`` since then;
    ``promised_kwh`` total since plug-in, None before the first plan; ``given_kwh`` what the
    vehicle gave back.
    """

    request: Request
    state: SessionState
    delivered_kwh: float = 0.0
    base_register_kwh: float | None = None
    promised_kwh: float | None = None
    soc: float | None = None
    order: int = 0
    status_digest: str = ""
    short_kwh: float = 0.0
    given_kwh: float = 0.0


@dataclass(frozen=True)
class NodeState:
    """What a node's meter said last, and the base load it means.

    ``base_kw`` counts now: the highest of the ``recent`` readings (time, kW), of which those
    below a later one are left out. ``over_mono_s``: since when the meter shows more than base
    load and piles explain. ``rise_kw`` is its largest rise within a ramp, learned from the
    ``readings`` (time, kW, ``jumped_kw`` by then) up to that of ``judged_mono_s``; ``jumped_kw``
    adds up by how much piles below changed from telemetry to telemetry;
    ``peak_kw`` the highest base load; ``fresh`` until the reading has been
    taken into the base load. ``base_a`` is the base load by phase where the meter tells
    currents, of the ``recent_a`` readings; ``implausible``: the sign is likely wrong;
    ``above_mono_s``: since when it shows more than the limit, what load has risen by since
    apart; ``rest_kw``: the last reading without what was told. ``load_kw``: the last reading
    without piles, storage and PV as they were told then, ``switched_kw`` what of it switchable
    feeders drew.
    ``import_cap_kw`` and ``export_cap_kw``: what voltage allows.
    """

    heard_mono_s: float
    power_kw: float
    currents_a: tuple[float, float, float] | None = None
    base_kw: float = 0.0
    base_a: tuple[float, float, float] | None = None
    recent: tuple[tuple[float, float], ...] = ()
    recent_a: tuple[tuple[float, tuple[float, float, float]], ...] = ()
    readings: tuple[tuple[float, float, float], ...] = ()
    jumped_kw: float = 0.0
    judged_mono_s: float = -1.0
    over_mono_s: float = -1.0
    rise_kw: float = 0.0
    fresh: bool = False
    base_mono_s: float = -1.0
    peak_kw: float = 0.0
    implausible: bool = False
    above_mono_s: float = -1.0
    rest_kw: float | None = None
    load_kw: float | None = None
    switched_kw: float = 0.0
    import_cap_kw: float = math.inf
    export_cap_kw: float = math.inf


@dataclass(frozen=True)
class LimitRecord:
    """A pushed limit and how far it has been obeyed."""

    pushed: LimitPushed
    received_at: datetime
    received_mono_s: float
    applied_at: datetime | None = None
    reached_at: datetime | None = None
    shed_kw: float = 0.0
    before_kw: float = 0.0
    unreachable_for_s: float | None = None
    answered: str = ""


@dataclass(frozen=True)
class CalledRecord:
    """A demand response event and what was answered to it.

    ``level_kw`` is what its reduction counts from in each quarter hour from ``starts_s`` on: the
    baseline less what other events have bought already; for ``follow`` its series.
    ``promised_kw`` is how far below (``raise_by``: above) it the site keeps, by quarter hour.
    """

    called: DemandCalled
    received_at: datetime
    decision: str
    why: str = ""
    starts_s: tuple[int, ...] = ()
    level_kw: tuple[float, ...] = ()
    promised_kw: tuple[float, ...] = ()


@dataclass(frozen=True)
class AssetState:
    """What is known of storage, a PV plant or a feeder; ``acked`` is the setpoint it took last.

    ``in_force`` are the setpoints that it may be obeying: the acknowledged one and those sent
    since; ``wanted_kw`` is what was sent last, when ``sent`` is true. ``islanded``: its inverter
    forms the grid, since the connection is lost. ``given_kwh``: discharged on the local day
    ``given_day`` (an ordinal).
    """

    heard_mono_s: float = -1.0
    power_kw: float = 0.0
    soc: float | None = None
    available_kw: float | None = None
    acked: Stamp | None = None
    acked_kw: float | None = None
    ignored: int = 0
    in_force: tuple[SentSetpoint, ...] = ()
    wanted_kw: float = 0.0
    sent: bool = False
    renewed_mono_s: float = -1.0
    changed_mono_s: float = -1.0
    islanded: bool = False
    given_day: int = 0
    given_kwh: float = 0.0


@dataclass(frozen=True)
class IslandState:
    """The site runs on its own since ``since_s`` (monotonic). ``lost``: the inverter forms the
    grid; else a limit of 0 kW holds at the connection, which still stands.
    """

    since_s: float
    lost: bool


@dataclass(frozen=True)
class SiteState:
    """Everything the engine knows.

    ``history`` is what ended sessions asked and took; ``drawn`` what the site drew lately, where
    the tariff has a price on its peak; ``quarters`` what flowed through the connection, where the
    site takes part in demand response; ``island``: it runs on its own. ``seen`` holds the highest
    (epoch, seq) of every topic; ``started_mono_s`` the start of this run; ``hold_until_mono_s``
    until when nothing may rise (one lease after a take-over). ``heartbeat_offset_s`` is the grid
    company's clock minus our monotonic one, by the last heartbeat that was surely fresh;
    ``clock_set_mono_s``: when the wall clock was last seen to step far. ``silent_after`` is when
    the last heartbeat before the silence was issued (None: there never was one) and
    ``limit_since_silence``: a limit issued after the silence began has come. ``calls`` are the
    demand response events by id, those over for a day left out. ``emergencies`` are kept by
    ``zone|who``: only who raised one clears it. ``solver_lost``: the last call for a plan was not
    answered, so vehicles without a plan are served by urgency alone. ``told``: how many of the
    running plan's sessions have been told by now what it means for them.
    """

    now: datetime
    mono_s: float
    epoch: int
    seq: int
    started_mono_s: float
    hold_until_mono_s: float
    piles: dict[str, PileState]
    sessions: dict[str, SessionRecord] = field(default_factory=dict)
    pile_session: dict[str, str] = field(default_factory=dict)
    tombstones: dict[str, Stamp] = field(default_factory=dict)
    limits: dict[str, dict[str, LimitRecord]] = field(default_factory=dict)
    nodes: dict[str, NodeState] = field(default_factory=dict)
    assets: dict[str, AssetState] = field(default_factory=dict)
    transformers: dict[str, TransformerState] = field(default_factory=dict)
    calls: dict[str, CalledRecord] = field(default_factory=dict)
    forecasts: dict[str, ForecastPushed] = field(default_factory=dict)
    prices: dict[str, tuple[PricesPushed, ...]] = field(default_factory=dict)
    books: dict[str, tuple[BookChosen, ...]] = field(default_factory=dict)
    overrides: dict[str, Overridden] = field(default_factory=dict)
    emergencies: dict[str, Emergency] = field(default_factory=dict)
    seen: dict[str, Stamp] = field(default_factory=dict)
    heartbeat_issued_at: datetime | None = None
    heartbeat_mono_s: float = -math.inf
    heartbeat_offset_s: float | None = None
    clock_set_mono_s: float = -math.inf
    stale: bool = False
    silent_after: datetime | None = None
    limit_since_silence: bool = False
    plan: Plan | None = None
    told: int = 0
    solving: str | None = None
    solving_mono_s: float = -1.0
    solver_lost: bool = False
    plan_wanted: bool = True
    next_slot_s: int = 0
    next_limit_edge_s: float = 0.0
    next_session_edge_s: float = 0.0
    session_count: int = 0
    history: tuple[Taken, ...] = ()
    drawn: Drawn | None = None
    quarters: Quarters | None = None
    island: IslandState | None = None
    alerts: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovered:
    """What the store gives back at start.

    Parameters
    ----------
    state : SiteState or None
        The last snapshot, with the journal since then already folded in by the host through
        the engine's own fold; None on a first start.
    highest_epoch : int
        The highest epoch of our own ever stored.
    """

    state: SiteState | None
    highest_epoch: int
