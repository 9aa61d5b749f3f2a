"""From blocks to buses to charging sessions: which bus runs what, and when it stands at its pile.

The rule is first in, first out: a block is taken by the bus of its type that returned first and
whose buffer time is over; where none is, by another bus, full at its first departure. Between
two blocks a bus stands at its own pile. Through the day it asks for what its next block needs;
before the first departure of a service day it asks to be full. Blocks that start or end at
another depot are left out and counted, since nothing says where their bus comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from adapters.data.blocks import Block
from adapters.data.recorded import ReplaySession
from models.battery import Battery
from models.errors import DataError

BUFFERS = ((0.0, 5.0), (11.0, 15.0), (17.0, 30.0))
"""(from hour of the return, minutes until the bus can leave again): ``buffer_times.csv`` of the
MTA's bussim2."""

CUT_OFF_PER_H = 1 / 20
"""A charge ends when the power has fallen to a twentieth of the capacity per hour (C/20)."""

ANNOUNCED_H = 24.0
"""The timetable knows every stay a day ahead."""

WORTH_KWH = 0.1
"""A bus that lacks less asks for nothing."""


@dataclass(frozen=True)
class Run:
    """A block on a date."""

    block: Block
    service: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Unready:
    """A departure that a bus cannot make as it should, and why; found before any planning."""

    bus: str
    block: str
    departure: datetime
    lacks_kwh: float
    reason: str


@dataclass(frozen=True)
class Depot:
    """What came out of chaining.

    Parameters
    ----------
    buses : tuple of str
        One id for each bus, which is that of its pile too.
    sessions : tuple of ReplaySession
        By arrival. ``source_id`` names the block that follows; ``stated_kwh`` is what the bus
        needs, ``delivered_kwh`` what of it the pile can give in the stay. Each starts from what
        the stay before gave, if the depot could give it.
    blocks : int
        Blocks run on the given days.
    left_out : int
        Blocks on these days that start or end at another depot.
    no_need : int
        Stays without a session: the bus holds what its next block needs.
    no_next : int
        Stays without a session: nothing says when the bus leaves again.
    beyond_battery : tuple of str
        Ids of blocks that take more than one battery holds.
    unready : tuple of Unready
        Departures that no plan can make ready.
    """

    buses: tuple[str, ...]
    sessions: tuple[ReplaySession, ...]
    blocks: int
    left_out: int
    no_need: int
    no_next: int
    beyond_battery: tuple[str, ...]
    unready: tuple[Unready, ...]


@dataclass
class _Bus:
    id: str
    runs: list[Run] = field(default_factory=list)


def bus_battery(battery_kwh: float, pile_kw: float) -> Battery:
    """A battery of which ``battery_kwh`` can be used, full at the usual cut-off of C/20.

    The exponential taper never ends, so the model's capacity lies above the mark that counts as
    full by the room at which its power has fallen to C/20.
    """
    taper_soc = 0.8
    room_share = CUT_OFF_PER_H * battery_kwh * (1 - taper_soc) / pile_kw
    return Battery(battery_kwh / (1 - min(room_share, 0.5)), pile_kw, taper_soc)


def chain_blocks(
    blocks: Sequence[Block],
    days: Sequence[date],
    *,
    zone: ZoneInfo,
    battery_kwh: float,
    pile_kw: float,
) -> Depot:
    """Buses and charging sessions of a depot that runs these blocks on each of the days.

    Parameters
    ----------
    blocks : sequence of Block
        One depot's blocks of one kind of day.
    days : sequence of date
        Consecutive service days. The day after runs the same blocks: it ends the last stays.
    zone : ZoneInfo
        Of the timetable.
    battery_kwh : float
        Usable battery of each bus, kWh > 0.
    pile_kw : float
        Power of each pile, kW > 0; one pile for each bus.

    Raises
    ------
    DataError
        If the numbers make no depot, or no block stays at its depot.
    """
    if not (battery_kwh > 0 and pile_kw > 0 and days):
        raise DataError(f"{battery_kwh} kWh, {pile_kw} kW, {len(days)} days make no depot")
    home = [b for b in blocks if b.stays_home]
    if not home:
        raise DataError("no block starts and ends at its own depot")
    runs = sorted(
        (
            _run(block, service, day, zone)
            for service, day in enumerate([*days, days[-1] + timedelta(days=1)])
            for block in home
        ),
        key=lambda r: (r.start, r.block.id),
    )
    buses = [b for b in _assign(runs, zone) if b.runs[0].service < len(days)]
    battery = bus_battery(battery_kwh, pile_kw)
    stays = _Stays(battery, battery_kwh)
    for bus in buses:
        stays.walk(bus, len(days))
    return Depot(
        buses=tuple(b.id for b in buses),
        sessions=tuple(sorted(stays.sessions, key=lambda s: (s.arrival, s.id))),
        blocks=len(home) * len(days),
        left_out=(len(blocks) - len(home)) * len(days),
        no_need=stays.no_need,
        no_next=stays.no_next,
        beyond_battery=tuple(b.id for b in home if b.energy_kwh > battery_kwh),
        unready=tuple(sorted(stays.unready, key=lambda u: (u.departure, u.bus))),
    )


def _run(block: Block, service: int, day: date, zone: ZoneInfo) -> Run:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the timetable's clock

    def at(minutes: float) -> datetime:
        return (midnight + timedelta(minutes=minutes)).replace(tzinfo=zone).astimezone(UTC)

    return Run(block, service, at(block.start_min), at(block.end_min))


def _buffer(instant: datetime, zone: ZoneInfo) -> timedelta:
    local = instant.astimezone(zone)
    hour = local.hour + local.minute / 60
    return timedelta(minutes=next(m for since, m in reversed(BUFFERS) if hour >= since))


def _assign(runs: Sequence[Run], zone: ZoneInfo) -> list[_Bus]:
    """Buses with their runs, in order of their first departure within each type."""
    buses: list[_Bus] = []
    of_type: dict[str, list[_Bus]] = defaultdict(list)
    for run in runs:
        fleet = of_type[run.block.vehicle_type]
        ready = [b for b in fleet if _ready_at(b, zone) <= run.start]
        if ready:
            bus = min(ready, key=lambda b: (b.runs[-1].end, b.id))
        else:
            bus = _Bus(f"{run.block.vehicle_type}-{len(fleet) + 1:03d}")
            fleet.append(bus)
            buses.append(bus)
        bus.runs.append(run)
    return sorted(buses, key=lambda b: b.id)


def _ready_at(bus: _Bus, zone: ZoneInfo) -> datetime:
    end = bus.runs[-1].end
    return end + _buffer(end, zone)


class _Stays:
    """Walks along a bus's runs and notes its stays."""

    def __init__(self, battery: Battery, full_kwh: float) -> None:
        self.battery = battery
        self.full_kwh = full_kwh
        self.sessions: list[ReplaySession] = []
        self.unready: list[Unready] = []
        self.no_need = 0
        self.no_next = 0

    def walk(self, bus: _Bus, services: int) -> None:
        held = self.full_kwh
        for run, following in zip(bus.runs, [*bus.runs[1:], None], strict=True):
            if run.service >= services:
                return
            held = max(held - run.block.energy_kwh, 0.0)
            if following is None:
                self.no_next += 1
                return
            held = self._stay(bus, run, following, held)

    def _stay(self, bus: _Bus, run: Run, following: Run, held: float) -> float:
        """What the bus holds when it leaves, if the depot can give what is asked."""
        overnight = following.service > run.service
        target = self.full_kwh if overnight else min(following.block.energy_kwh, self.full_kwh)
        need = target - held
        stay_h = (following.start - run.end).total_seconds() / 3600.0
        most = self.battery.after(held, self.battery.max_kw, stay_h) - held
        leaves = max(held, min(target, held + most))
        self._note(bus, following, leaves)
        if need <= WORTH_KWH:
            self.no_need += 1
            return held
        self.sessions.append(
            ReplaySession(
                id=f"{bus.id}-{run.service + 1}-{run.block.id}",
                pile=bus.id,
                arrival=run.end,
                departure=following.start,
                delivered_kwh=round(leaves - held, 6),
                stated_departure=following.start,
                stated_kwh=round(need, 6),
                battery_kwh=self.battery.capacity_kwh,
                soc=held / self.battery.capacity_kwh,
                source_id=following.block.id,
                announced_h=ANNOUNCED_H,
            )
        )
        return leaves

    def _note(self, bus: _Bus, following: Run, leaves: float) -> None:
        lacks = following.block.energy_kwh - leaves
        if lacks <= WORTH_KWH:
            return
        beyond = following.block.energy_kwh > self.full_kwh
        reason = "beyond one battery" if beyond else "the stay is too short"
        self.unready.append(
            Unready(bus.id, following.block.id, following.start, round(lacks, 3), reason)
        )
