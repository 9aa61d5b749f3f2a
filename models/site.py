"""A site, as its operator describes it, checked as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

from models.errors import ConfigurationError
from models.ids import check_id
from models.island import Feeder, IslandRule
from models.network import Network
from models.pile import Pile
from models.site_rules import EnergyRule, ResponseRule
from models.storage import PvPlant, Storage

BaseLoad = Literal["meter", "envelope", "none"]
BeyondRequest = Literal["stop", "spare"]
Departures = Literal["stated", "learned"]


@dataclass(frozen=True)
class WalkIn:
    """What a vehicle gets that nobody announced.

    Parameters
    ----------
    energy_kwh : float
        kWh > 0.
    stay_h : float
        h > 0.
    priority : int
        0 to 9.
    """

    energy_kwh: float
    stay_h: float
    priority: int

    def __post_init__(self) -> None:
        if not (self.energy_kwh > 0 and self.stay_h > 0 and 0 <= self.priority <= 9):
            raise ConfigurationError(
                "needs energy_kwh > 0, stay_h > 0 and a priority of 0 to 9", where="site.walk_in"
            )


@dataclass(frozen=True)
class EnvelopeRule:
    """Stated base load where no node meter lives: by months, day type and hours.

    ``months`` is empty for all; ``day_type`` "any", "workday" or "restday"; hours [start, end)
    of the local clock.
    """

    months: tuple[int, ...]
    day_type: Literal["any", "workday", "restday"]
    start_h: float
    end_h: float
    power_kw: float


@dataclass(frozen=True)
class HorizonRule:
    """Length of the planning window and of its slots.

    Parameters
    ----------
    slot_minutes : int
        5, 10, 15, 30 or 60.
    hours : float
        1 to 72.
    fine_hours : float, optional
        After so many hours slots are ``coarse_minutes`` long; more than 0, less than ``hours``.
        None: ``slot_minutes`` throughout.
    coarse_minutes : int
        A multiple of ``slot_minutes``; 15, 30 or 60.
    """

    slot_minutes: int = 15
    hours: float = 24.0
    fine_hours: float | None = None
    coarse_minutes: int = 60

    def __post_init__(self) -> None:
        if self.slot_minutes not in (5, 10, 15, 30, 60):
            raise ConfigurationError(
                f"{self.slot_minutes} is no slot length",
                where="horizon.slot_minutes",
                fix="use 5, 10, 15, 30 or 60",
            )
        if self.coarse_minutes not in (15, 30, 60) or self.coarse_minutes % self.slot_minutes:
            raise ConfigurationError(
                f"{self.coarse_minutes} is no multiple of {self.slot_minutes} minutes",
                where="horizon.coarse_minutes",
                fix="use 15, 30 or 60",
            )
        if self.fine_hours is not None and not 0 < self.fine_hours < self.hours:
            raise ConfigurationError(
                f"{self.fine_hours} h is not inside the window of {self.hours} h",
                where="horizon.fine_hours",
            )
        if not 1 <= self.hours <= 72:
            raise ConfigurationError(f"{self.hours} h is not in 1 to 72", where="horizon.hours")


@dataclass(frozen=True)
class GiveBackRule:
    """What the site pays and keeps when vehicles give back (V2G).

    Parameters
    ----------
    price_per_kwh : float
        Paid to the driver for a kWh given back, >= 0.
    wear_per_kwh : float
        Wear of a vehicle's battery per kWh given back, >= 0.
    efficiency : float
        Share of the energy charged that comes back, both ways together, in (0, 1].
    reserve_soc : float
        Kept in every vehicle for a departure without notice, beside the driver's own floor.
    cycles_per_day : float
        Most battery capacity given back in a day, as a share of it, > 0.
    """

    price_per_kwh: float
    wear_per_kwh: float
    efficiency: float
    reserve_soc: float
    cycles_per_day: float

    def __post_init__(self) -> None:
        if not (self.price_per_kwh >= 0 and self.wear_per_kwh >= 0 and self.cycles_per_day > 0):
            raise ConfigurationError("prices of 0 or more, cycles above 0", where="site.v2g")
        if not (0 < self.efficiency <= 1 and 0 <= self.reserve_soc <= 1):
            raise ConfigurationError("efficiency and reserve are fractions", where="site.v2g")


@dataclass(frozen=True, eq=False)
class Site:
    """Everything that stays while cars come and go.

    Parameters
    ----------
    name : str
        Id of the site, part of every topic.
    zone : ZoneInfo
        Where humans make rules.
    currency : str
        Of prices and bills.
    tariff : str
        A book, a family or a file.
    base_load : {"meter", "envelope", "none"}
        How what cannot be steered becomes known.
    envelope : tuple of EnvelopeRule
        Needed where base_load is "envelope".
    margin_kw : float or None
        Kept free at every node for the rise of the base load, kW; None: learned.
    voltage_tolerance : float
        How far voltage may push AC kW above the nameplate, a fraction in [0, 0.2].
    lease_s : float
        How long a setpoint may be obeyed, s; renewed at a third of it.
    telemetry_period_s : float
        Piles and meters are silent after three missed ones.
    walk_in : WalkIn or None
        None: a vehicle that nobody announced gets nothing.
    horizon : HorizonRule
        The planning window.
    network : Network
        The limit tree.
    piles, storages, pv : tuples
        The assets.
    deadline_s : float
        Wall-clock deadline of a solve, s.
    beyond_request : {"stop", "spare"}
        What a vehicle gets that has all it asked for and would take more: nothing, or what is
        left when everybody else is served, at the cheapest hours of its stay.
    departures : {"stated", "learned"}
        Until when a vehicle is planned for: its driver's word, or longer where similar vehicles
        stayed longer and a cheaper hour is worth the risk.
    smooth_steps : int
        Within hours of one price the plan evens out what the connection draws, in this many steps
        up to its limit: 4 to 64; 0: energy as early as it fits.
    v2g : GiveBackRule or None
        None: no vehicle is asked to give back, whatever its driver consents to.
    response : ResponseRule or None
        How the site takes part in demand response; None: it obeys mandatory limits and refuses
        the rest.
    feeders : tuple of Feeder
        Loads that can be switched off as a whole; they are part of the base load.
    island : IslandRule or None
        How the site runs without the grid; None: it does not.
    energy : EnergyRule
        Whose energy is used first.
    """

    name: str
    zone: ZoneInfo
    currency: str
    tariff: str
    base_load: BaseLoad
    walk_in: WalkIn | None
    network: Network
    piles: tuple[Pile, ...]
    storages: tuple[Storage, ...] = ()
    pv: tuple[PvPlant, ...] = ()
    envelope: tuple[EnvelopeRule, ...] = ()
    margin_kw: float | None = None
    voltage_tolerance: float = 0.07
    lease_s: float = 60.0
    telemetry_period_s: float = 10.0
    horizon: HorizonRule = field(default_factory=HorizonRule)
    beyond_request: BeyondRequest = "stop"
    departures: Departures = "stated"
    smooth_steps: int = 0
    deadline_s: float = 10.0
    v2g: GiveBackRule | None = None
    response: ResponseRule | None = None
    feeders: tuple[Feeder, ...] = ()
    island: IslandRule | None = None
    energy: EnergyRule = field(default_factory=EnergyRule)

    def __post_init__(self) -> None:
        check_id(self.name, where="site.name")
        seen = set(self.network.ids)
        assets: tuple[Pile | Storage | PvPlant | Feeder, ...] = (
            *self.piles,
            *self.storages,
            *self.pv,
            *self.feeders,
        )
        for asset in assets:
            if asset.id in seen:
                raise ConfigurationError(
                    "the id is used twice", where=f"assets.{asset.id}", fix="rename one"
                )
            seen.add(asset.id)
            if asset.node not in self.network.index:
                raise ConfigurationError(
                    f"{asset.node!r} is no node", where=f"assets.{asset.id}.node"
                )
        if not self.piles:
            raise ConfigurationError("a site has at least one pile", where="assets")
        if self.base_load == "envelope" and not self.envelope:
            raise ConfigurationError("the envelope has no rules", where="site.envelope")
        for name, low, high in (
            ("voltage_tolerance", 0.0, 0.2),
            ("lease_s", 1.0, 86_400.0),
            ("telemetry_period_s", 0.1, 3_600.0),
            ("deadline_s", 0.1, 3_600.0),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigurationError(
                    f"{value:g} is not in {low:g} to {high:g}", where=f"site.{name}"
                )
        self._check_fallbacks()
        self._check_island()
        self._check_smooth()

    def _check_smooth(self) -> None:
        if self.smooth_steps == 0:
            return
        where = "site.smooth_steps"
        if not 4 <= self.smooth_steps <= 64:
            raise ConfigurationError(f"{self.smooth_steps} is not 0 or in 4 to 64", where=where)
        if not math.isfinite(self.network.nodes[0].own_limit_kw):
            raise ConfigurationError(
                "the connection has no limit to make steps of",
                where=where,
                fix=f"limit_kw at nodes.{self.network.nodes[0].id}",
            )
        if self.has_assets:
            raise ConfigurationError(
                "only a site of piles alone is evened out",
                where=where,
                fix="leave it out: storage, PV and V2G are planned by prices and peaks",
            )

    def _check_island(self) -> None:
        if self.island is None:
            return
        if self.island.storage not in {s.id for s in self.storages}:
            raise ConfigurationError(
                f"{self.island.storage!r} is no storage",
                where="site.island.storage",
                fix="the id of the storage behind the grid-forming inverter",
            )
        if self.base_load != "meter":
            raise ConfigurationError(
                "what an island carries must be metered",
                where="site.base_load",
                fix='base_load = "meter"',
            )

    def _check_fallbacks(self) -> None:
        """I2: the fallbacks of all piles fit under the failsafe limit, at every node."""
        for k, node in enumerate(self.network.nodes):
            counted = sum(
                max(p.fallback_kw, p.offline_kw) * p.count_factor(self.voltage_tolerance)
                for p in self.piles
                if k in self.network.path[self.network.index[p.node]]
            )
            bound = node.own_limit_kw
            if node.failsafe_kw is not None:
                bound = min(bound, node.failsafe_kw)
            if counted > bound + 1e-9:
                raise ConfigurationError(
                    f"the piles' fallbacks sum to {counted:g} kW, above the {bound:g} kW that "
                    "hold when the grid company or the daemon is silent",
                    where=f"nodes.{node.id}",
                    fix="lower fallback_kw or offline_kw of its piles, or raise failsafe_kw",
                )

    @cached_property
    def has_assets(self) -> bool:
        """Whether problems leave the flow: storage, PV, feeders, or piles that can feed back."""
        gives = self.v2g is not None and any(p.discharge_kw > 0 for p in self.piles)
        return bool(self.storages or self.pv or gives or self.feeders)

    @cached_property
    def pile_by_id(self) -> Mapping[str, Pile]:
        """Piles by id."""
        return {p.id: p for p in self.piles}

    @cached_property
    def pile_node(self) -> Mapping[str, int]:
        """Index of the node each pile hangs under."""
        return {p.id: self.network.index[p.node] for p in self.piles}
