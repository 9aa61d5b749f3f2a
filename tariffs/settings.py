"""What a site says about its own contract; books hold everything that is published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from models.errors import TariffError
from tariffs.calendar import Fallback
from tariffs.demand_rules import BillingChoice, Exemption
from tariffs.kinds.with_fees import Fee
from tariffs.period_prices import Component
from tariffs.power_factor import PowerFactorRule


@dataclass(frozen=True)
class OptIn:
    """From a civil day on the site has its price by periods, or one price all day."""

    since: date
    time_of_use: bool


@dataclass(frozen=True)
class TariffSettings:
    """The site's side of a tariff.

    Parameters
    ----------
    customer_class : str
        One of the book's classes; empty: the class the book says it assumes.
    installed_kva : float or None
        Transformer capacity, kVA, more than 0: for conditions and capacity charges.
    voltage_kv : float or None
        Voltage of the connection, kV, more than 0: for conditions.
    options : frozenset of str
        Opt-in rules of the book that the site has chosen.
    opt_ins : tuple of OptIn
        Where a book leaves its periods to choice: when the site chose what, in order of date.
    holidays : {"default", "none"}
        ``default``: of the country the book names; ``none``: periods only.
    holiday_fallback : {"statutory", "none", "refuse"}
        What a year without published holidays follows.
    holiday_overrides : mapping of date to str
        See :class:`tariffs.calendar.PublicHolidays`.
    components : tuple of Component
        Replace the book's own (monthly floating base and flat price).
    ratios : mapping of str to float
        Ratios, offsets or prices by period, in the book's method, over the book's own.
    seasons : tuple of mapping
        Seasons written as in a book, for books that know prices but no clock ranges.
    temperatures_c : mapping of date to float
        Highest temperature of each day, for rules that ask.
    sell_share, sell_per_kwh : float or None
        What a kWh fed into the grid earns: a share of the period's price, or a fixed price; at
        most one of them. None of them: what the book says.
    choices : tuple of BillingChoice
        Capacity, contracted or actual demand, subscribed blocks; in order of date.
    demand_per_kw, capacity_per_kva : float or None
        Monthly prices where the book has none, or instead of the book's.
    site_class : str
        For exemptions, as ``centralised_charging``.
    exempt_until : date or None
        Replaces the end of the book's exemptions.
    exemptions : tuple of Exemption
        Beside the book's.
    peaks_kw : mapping of (year, month) to float
        Peaks of earlier months, for ratchets.
    consumed_kwh : float
        Drawn so far in the month or year of consumption tiers, kWh.
    consumed_in_kwh : mapping of str to float
        The same within a tariff period, for tiers that count one alone.
    fees : tuple of Fee
        Service fee, discounts, coupons, green premium.
    power_factor : PowerFactorRule or None
        力调电费 by its table; None: not billed.
    """

    customer_class: str = ""
    installed_kva: float | None = None
    voltage_kv: float | None = None
    options: frozenset[str] = frozenset()
    opt_ins: tuple[OptIn, ...] = ()
    holidays: str = "default"
    holiday_fallback: Fallback = "statutory"
    holiday_overrides: Mapping[date, str] = field(default_factory=dict)
    components: tuple[Component, ...] = ()
    ratios: Mapping[str, float] = field(default_factory=dict)
    seasons: tuple[Mapping[str, Any], ...] = ()
    temperatures_c: Mapping[date, float] = field(default_factory=dict)
    sell_share: float | None = None
    sell_per_kwh: float | None = None
    choices: tuple[BillingChoice, ...] = ()
    demand_per_kw: float | None = None
    capacity_per_kva: float | None = None
    site_class: str = ""
    exempt_until: date | None = None
    exemptions: tuple[Exemption, ...] = ()
    peaks_kw: Mapping[tuple[int, int], float] = field(default_factory=dict)
    consumed_kwh: float = 0.0
    consumed_in_kwh: Mapping[str, float] = field(default_factory=dict)
    fees: tuple[Fee, ...] = ()
    power_factor: PowerFactorRule | None = None

    def __post_init__(self) -> None:
        for key in ("installed_kva", "voltage_kv"):
            value = getattr(self, key)
            if value is not None and not value > 0:
                raise TariffError(f"{value} is not above 0", where=key)
        if any(a.since >= b.since for a, b in pairwise(self.opt_ins)):
            raise TariffError("choices do not follow each other by date", where="opt_in")
        if self.sell_share is not None and self.sell_per_kwh is not None:
            raise TariffError("sell_share and sell_per_kwh exclude each other", where="sell_share")
