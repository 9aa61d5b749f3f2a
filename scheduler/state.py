"""The state of a site: everything the engine knows, frozen, and nothing it can look up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from models.events import (
    BookChosen,
    Emergency,
    ForecastPushed,
    LimitPushed,
    Overridden,
    PricesPushed,
    Stamp,
)
from models.plan import Plan
from models.session import Request, SessionState
from scheduler.learned import Taken


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

    ``acked`` is the setpoint it acknowledged last; ``unacked`` those sent since and not yet
    acknowledged, oldest first; ``wanted_kw`` what was sent last, when ``sent`` is true.
    ``below_since_mono_s``: since when the vehicle draws less than its setpoint; ``learned_kw``
    what it was then seen to take, until it is probed again at ``probe_mono_s``.
    """

    born: bool = False
    heard_mono_s: float = -1.0
    power_kw: float = 0.0
    register_kwh: float | None = None
    vehicle: bool = False
    fault: str | None = None
    acked: SentSetpoint | None = None
    unacked: tuple[SentSetpoint, ...] = ()
    wanted_kw: float = 0.0
    renewed_mono_s: float = -1.0
    below_since_mono_s: float = -1.0
    learned_kw: float | None = None
    probe_mono_s: float = -1.0
    probes: int = 0
    ignored: int = 0
    sent: bool = False


@dataclass(frozen=True)
class SessionRecord:
    """A session in progress.

    ``base_register_kwh`` is the pile's register at plug-in; ``delivered_kwh`` since then;
    ``promised_kwh`` total since plug-in, None before the first plan.
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


@dataclass(frozen=True)
class NodeState:
    """What a node's meter said last, and the base load it means.

    ``rise_kw`` is the largest rise seen between two readings, ``peak_kw`` the highest base
    load; ``fresh`` until the reading has been taken into the base load.
    """

    heard_mono_s: float
    power_kw: float
    base_kw: float = 0.0
    rise_kw: float = 0.0
    fresh: bool = False
    base_mono_s: float = -1.0
    peak_kw: float = 0.0


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
    answered: str = ""


@dataclass(frozen=True)
class SiteState:
    """Everything the engine knows.

    ``history`` is what ended sessions asked and took; ``seen`` holds the highest (epoch, seq) of every topic; ``started_mono_s`` the start of this
    run; ``hold_until_mono_s`` until when nothing may rise (one lease after a take-over).
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
    forecasts: dict[str, ForecastPushed] = field(default_factory=dict)
    prices: dict[str, PricesPushed] = field(default_factory=dict)
    books: dict[str, BookChosen] = field(default_factory=dict)
    overrides: dict[str, Overridden] = field(default_factory=dict)
    emergencies: dict[str, Emergency] = field(default_factory=dict)
    seen: dict[str, Stamp] = field(default_factory=dict)
    heartbeat_issued_at: datetime | None = None
    limit_issued_at: datetime | None = None
    heartbeat_mono_s: float = -1.0
    stale: bool = False
    silent_since: datetime | None = None
    plan: Plan | None = None
    solving: str | None = None
    plan_wanted: bool = True
    next_slot_s: int = 0
    next_limit_edge_s: int = 0
    session_count: int = 0
    history: tuple[Taken, ...] = ()
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
