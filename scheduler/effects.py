"""What the engine wants done. It never does anything itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.events import Received, Stamp
from scheduler.problem import Problem


@dataclass(frozen=True, kw_only=True)
class SetpointSent:
    """A setpoint for one pile.

    ``after_commit``: an increase waits until the store has written the drain it came from;
    a decrease never waits. ``phases``: on how many phases to draw, where the pile can be switched.
    """

    pile: str
    stamp: Stamp
    power_kw: float
    lease_s: float
    fallback_kw: float
    reason: str
    after_commit: bool
    renewal: bool = False
    phases: int | None = None


@dataclass(frozen=True, kw_only=True)
class AssetSetpointSent:
    """A setpoint for storage, a PV limit or a switchable feeder; the same rules as a pile's."""

    asset: str
    stamp: Stamp
    power_kw: float
    lease_s: float
    fallback_kw: float
    reason: str
    after_commit: bool
    renewal: bool = False


@dataclass(frozen=True, kw_only=True)
class HigherPrice:
    """What a session could have at a higher price, if its request came again with ``mode`` "now"
    or with ``priority``; ``energy_kwh`` since plug-in, ``cost`` of what is still to come.
    """

    energy_kwh: float
    ready_at: datetime
    cost: float
    mode: str | None = None
    priority: int | None = None


@dataclass(frozen=True, kw_only=True)
class SessionStatus:
    """``session/{session}/status``, retained while the session lasts.

    ``unheard``: its pile is silent, and the sentence begins with that.
    """

    session: str
    state: str
    promised_kwh: float | None = None
    ready_at: datetime | None = None
    cost: float | None = None
    short_kwh: float = 0.0
    why: str = ""
    why_zh: str = ""
    counter_departure: datetime | None = None
    counter_energy_kwh: float | None = None
    counter_price: HigherPrice | None = None
    unheard: bool = False


@dataclass(frozen=True, kw_only=True)
class LimitAnswer:
    """``answer/limit/{node}/{limit}``: closes the loop to the grid company."""

    node: str
    limit: str
    received_at: datetime
    applied_at: datetime | None
    reached_at: datetime | None
    shed_kw: float
    unreachable_for_s: float | None
    binding_piles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EventAnswer:
    """``answer/event/{event}``: what the site does about a demand response event.

    ``decision``: ``weighed`` (by the next plan), ``accepted``, ``refused``, ``revoked`` or
    ``ended``. ``promised_kw`` is what it takes itself to do, a mean over the event against
    ``baseline_kw`` (for ``follow``: what it will draw); ``delivered_kwh`` what the meter says it
    did (for ``follow``: what it drew), ``paid`` the incentive for it; None: not known (yet).
    """

    event: str
    received_at: datetime
    decision: str
    why: str = ""
    promised_kw: float | None = None
    delivered_kwh: float | None = None
    baseline_kw: float | None = None
    paid: float | None = None


@dataclass(frozen=True, kw_only=True)
class FlexibleSlot:
    """What the site could do in one slot: up (draw more) and down (draw less), magnitudes.

    ``plan_kw``: the exchange at the connection that both count from.
    """

    start: datetime
    plan_kw: float
    up_kw: float
    down_kw: float
    up_for_s: float
    down_for_s: float
    up_per_kwh: float
    down_per_kwh: float


@dataclass(frozen=True, kw_only=True)
class FlexibilityOffered:
    """``flexibility``: per slot what the site could go up and down, for how long, at what price."""

    computed_at: datetime
    slot_minutes: int
    slots: tuple[FlexibleSlot, ...]


@dataclass(frozen=True, kw_only=True)
class TransformerTold:
    """``node/{node}/thermal``: a transformer's temperatures and its heavy hours, by its meter.

    ``load`` is the mean of the last quarter hour by the rating; ``heavy`` and ``over`` how often
    it stayed above 80 % and 100 % for eight quarter hours in a row; ``ageing`` 1: rated life.
    """

    node: str
    at: datetime
    hot_spot_c: float
    top_oil_c: float
    ageing: float
    aged_h: float
    load: float
    heavy: int
    over: int
    bears_kw: float


@dataclass(frozen=True, kw_only=True)
class PlanSummary:
    """``plan``: digest and totals; the whole plan is in the store.

    ``periods`` and ``currency`` are the tariff's words for the slots and the money.
    """

    digest: str
    status: str
    rung: str
    gap: float
    solve_ms: float
    planned_kwh: float
    short_kwh: float
    cost: float
    binding_nodes: tuple[str, ...]
    periods: tuple[str, ...] = ()
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """``alert/{kind}``: what, where, since when, what to do; in both languages."""

    kind: str
    where: str
    since: datetime
    text: str
    text_zh: str
    cleared: bool = False


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """``rejected``: a message that changed nothing, and why."""

    topic: str
    code: str
    field: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Persist:
    """Write an accepted message to the journal before its sender is answered."""

    event: Received


@dataclass(frozen=True, kw_only=True)
class Solve:
    """Hand a problem to the solving process; a newer one replaces an older one."""

    problem: Problem
    now: datetime


Outbound = (
    SetpointSent
    | AssetSetpointSent
    | SessionStatus
    | LimitAnswer
    | EventAnswer
    | FlexibilityOffered
    | TransformerTold
    | PlanSummary
    | Alert
    | Rejected
)
Effect = Outbound | Persist | Solve
