"""What the HTTP API answers, and what the page is made of. Units are in the names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

PileLook = Literal[
    "free",
    "vehicle",
    "charging",
    "giving",
    "waiting",
    "full",
    "short",
    "announced",
    "fault",
    "silent",
]
"""``vehicle``: one that no session has been asked for."""

Outlook = Literal["none", "ok", "tight", "short", "done", "unheard"]
"""Whether a vehicle will be ready when it leaves: in time, with less than half an hour to spare,
short, already, or not to be said while its pile is not heard."""


@dataclass(frozen=True)
class Overview:
    """The site at a glance."""

    site: str
    at: datetime
    timezone: str
    currency: str
    daemon: Literal["live", "silent"]
    news_age_s: float
    power_kw: float
    base_kw: float
    charging_kw: float
    limit_kw: float | None
    headroom_kw: float | None
    limit_source: str
    price_per_kwh: float | None
    period: str
    next_price_at: datetime | None
    next_price_per_kwh: float | None
    next_period: str
    piles: int
    vehicles: int
    charging: int
    waiting: int
    announced: int
    short_sessions: int
    short_kwh: float
    tight_sessions: int
    unheard_sessions: int
    alerts: int
    solver: Literal["ok", "lost"]


@dataclass(frozen=True)
class Block:
    """Planned charging at one power, epoch seconds."""

    start_s: int
    end_s: int
    power_kw: float


@dataclass(frozen=True)
class PileRow:
    """A pile, and the session on it."""

    pile: str
    node: str
    look: PileLook
    outlook: Outlook
    power_kw: float
    setpoint_kw: float
    max_kw: float
    session: str | None = None
    asked_kwh: float | None = None
    delivered_kwh: float | None = None
    promised_kwh: float | None = None
    short_kwh: float = 0.0
    priority: int | None = None
    arrival: datetime | None = None
    departure: datetime | None = None
    ready_at: datetime | None = None
    why: str = ""
    why_zh: str = ""
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class PilePage:
    """Some of the piles."""

    total: int
    offset: int
    rows: tuple[PileRow, ...]


@dataclass(frozen=True)
class NodeRow:
    """A node of the limit tree."""

    node: str
    parent: str | None
    depth: int
    load_kw: float
    limit_kw: float | None
    headroom_kw: float | None
    piles: int
    charging: int


@dataclass(frozen=True)
class LimitRow:
    """A pushed limit and how far it has come."""

    node: str
    limit: str
    source: str
    import_kw: float | None
    export_kw: float | None
    valid_from: datetime
    valid_until: datetime | None
    received_at: datetime
    applied_at: datetime | None
    reached_at: datetime | None
    shed_kw: float
    unreachable_for_s: float | None


@dataclass(frozen=True)
class EventRow:
    """Something that was told."""

    number: int
    at: datetime
    kind: str
    about: str
    text: str
    text_zh: str
    open: bool


@dataclass(frozen=True)
class AssetRow:
    """Storage or PV."""

    asset: str
    kind: str
    power_kw: float | None
    soc: float | None
    available_kw: float | None
    max_kw: float | None


@dataclass(frozen=True)
class Series:
    """Power at the point of connection, measured and planned, by slot.

    ``edges_s`` has one more than the others; slots before ``now_s`` are measured. ``parts`` are
    named groups of piles, then ``v2g``, ``storage`` and ``pv`` where the site has them, kW,
    negative while they give; ``limit_kw`` null where nothing limits. ``low_kw`` and ``high_kw``:
    between them the whole may lie, by the base load's forecast or the margin kept for its rise;
    null where that is not known, and before now.
    """

    now_s: int
    edges_s: tuple[int, ...]
    base_kw: tuple[float, ...]
    parts: dict[str, tuple[float, ...]]
    limit_kw: tuple[float | None, ...]
    low_kw: tuple[float | None, ...]
    high_kw: tuple[float | None, ...]
    buy_per_kwh: tuple[float | None, ...]
    period: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """What flowed by quarter hour, as the store keeps it: mean power, kW.

    ``parts``: ``base``, ``piles`` and ``v2g`` (negative) of the site, ``asset/ID`` of each storage
    and PV plant, ``node/ID`` of each meter, ``limit/ID`` the lowest limit of each node that held
    (below the root only where it was lower than the node's own). null: not known.
    """

    starts_s: tuple[int, ...]
    slot_s: int
    parts: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Money:
    """Energy and money of ended and running sessions in one stretch, by the site's tariff.

    ``saved`` null where uncontrolled charging could not have drawn the same.
    """

    since: datetime
    sessions: int
    energy_kwh: float
    cost: float
    uncontrolled_cost: float
    saved: float | None


@dataclass(frozen=True)
class Savings:
    """Against charging at full power from arrival; null until first computed."""

    currency: str
    today: Money | None
    month: Money | None
    peak_kw: float | None


@dataclass(frozen=True)
class Today:
    """What flowed since midnight, or since the page began where that was later, kWh.

    ``green_share``: own PV used on site as a share of all that the site drew, 0 to 1; null without
    PV. ``interval_kw``: mean power of the quarter hour that runs, as far as it was seen.
    """

    since: datetime | None
    pv_kwh: float
    import_kwh: float
    export_kwh: float
    given_back_kwh: float
    green_share: float | None
    interval_kw: float | None


@dataclass(frozen=True)
class StepRow:
    """A plan that is kept."""

    step: int
    at: datetime
    digest: str
    rung: str


@dataclass(frozen=True)
class PlanOut:
    """The running plan, whole."""

    digest: str
    status: str
    rung: str
    made_at: datetime
    until: datetime
    sessions: dict[str, tuple[Block, ...]]
