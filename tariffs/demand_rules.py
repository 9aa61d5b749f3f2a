"""Rules from which a month's demand terms follow: published price, site's choice, exemptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from models.errors import TariffError
from tariffs.demand import Always, CountedWindow, DemandTerm, month_bounds

Basis = Literal["capacity", "contracted", "actual", "peak", "blocks", "fixed"]
CHOSEN: tuple[Basis, ...] = ("capacity", "contracted", "actual")
"""Bases of which a two-part customer chooses one; the others always hold."""


@dataclass(frozen=True)
class DemandRule:
    """A published demand, capacity, subscription or fixed charge.

    Parameters
    ----------
    name : str
    basis : {"capacity", "contracted", "actual", "peak", "blocks", "fixed"}
        ``capacity``: ``price`` per kVA installed. ``contracted``: ``price`` per contracted kW,
        paid as contracted up to ``tolerance`` of it, ``excess_factor`` times beyond, at least
        ``floor_share`` of the installed kVA. ``actual`` and ``peak``: ``price`` per kW of the
        month's highest interval (``actual`` where the customer chose it, ``peak`` always).
        ``blocks``: ``price`` per subscribed block of ``block_kw``, ``overage_per_kw`` above the
        subscription. ``fixed``: ``price`` per month.
    price : float
        Money per month and unit of the basis, >= 0.
    since, until : date or None
        First civil day, and the first day after; the first of the month decides.
    months : frozenset of int
        Calendar months; empty: all.
    interval_s, slide_s : int
        As in :class:`tariffs.demand.DemandTerm`.
    counted : CountedWindow
    tolerance, excess_factor, floor_share : float
        For ``contracted``.
    block_kw, overage_per_kw : float
        For ``blocks``.
    ratchet_share, ratchet_months : float, int
        The billed peak is at least this share of the highest of the months before; 0: none.
    reduced_kwh_per_kva, reduced_factor : float
        From so many kWh per installed kVA and month the term is multiplied; 0: never.
    """

    name: str
    basis: Basis
    price: float
    since: date | None = None
    until: date | None = None
    months: frozenset[int] = frozenset()
    interval_s: int = 900
    slide_s: int = 900
    counted: CountedWindow = field(default_factory=Always)
    tolerance: float = 1.0
    excess_factor: float = 1.0
    floor_share: float = 0.0
    block_kw: float = 0.0
    overage_per_kw: float = 0.0
    ratchet_share: float = 0.0
    ratchet_months: int = 0
    reduced_kwh_per_kva: float = 0.0
    reduced_factor: float = 1.0

    def __post_init__(self) -> None:
        if self.basis == "contracted" and (self.tolerance < 1 or self.excess_factor < 1):
            raise TariffError(
                "a contracted demand needs tolerance >= 1 and excess_factor >= 1", where=self.name
            )
        if self.basis == "blocks" and not self.block_kw > 0:
            raise TariffError("a block needs block_kw > 0", where=self.name)

    def holds_on(self, first: date) -> bool:
        """Whether the rule is in force in the month that begins on ``first``."""
        return (
            (self.since is None or first >= self.since)
            and (self.until is None or first < self.until)
            and (not self.months or first.month in self.months)
        )


@dataclass(frozen=True)
class BillingChoice:
    """What the customer chose from the first of a month on.

    Parameters
    ----------
    since : date
        The first of a month.
    billing : {"capacity", "contracted", "actual", ""}
        Empty: a tariff without this choice.
    contracted_kw : float or None
        For ``contracted``.
    blocks : int or None
        Subscribed blocks.
    """

    since: date
    billing: str = ""
    contracted_kw: float | None = None
    blocks: int | None = None

    def __post_init__(self) -> None:
        if self.since.day != 1:
            raise TariffError(
                f"{self.since} is not the first of a month", where="billing", fix="choose a first"
            )
        if self.billing and self.billing not in CHOSEN:
            raise TariffError(
                f"unknown billing '{self.billing}'", where="billing", fix="one of " + str(CHOSEN)
            )
        if self.billing == "contracted" and not (self.contracted_kw or 0) > 0:
            raise TariffError("needs contracted_kw > 0", where="billing = 'contracted'")


@dataclass(frozen=True)
class Exemption:
    """Months in which some bases are not charged: [since, until), by the first of the month."""

    bases: frozenset[str]
    since: date | None
    until: date | None

    def holds(self, basis: str, first: date) -> bool:
        """Whether a basis is free in the month that begins on ``first``."""
        return (
            basis in self.bases
            and (self.since is None or first >= self.since)
            and (self.until is None or first < self.until)
        )


@dataclass(frozen=True)
class SiteDemand:
    """The site's side of its demand charges.

    Parameters
    ----------
    choices : tuple of BillingChoice
        In order of date.
    change_months : int
        How many months a billing must stand before it changes (3: by quarter); 0: no rule.
    installed_kva : float or None
    exemptions : tuple of Exemption
    peaks_kw : mapping of (year, month) to float
        Peaks of earlier months, for ratchets.
    """

    choices: tuple[BillingChoice, ...] = ()
    change_months: int = 0
    installed_kva: float | None = None
    exemptions: tuple[Exemption, ...] = ()
    peaks_kw: Mapping[tuple[int, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        last_change: date | None = None
        for a, b in pairwise(self.choices):
            if a.since >= b.since:
                raise TariffError("choices do not follow each other by date", where="billing")
            last_change = last_change or a.since
            if a.billing != b.billing:
                stood = (b.since.year - last_change.year) * 12 + b.since.month - last_change.month
                if stood < self.change_months:
                    raise TariffError(
                        f"'{a.billing}' changes to '{b.billing}' on {b.since} after {stood} months",
                        where="billing",
                        fix=f"a choice stands for at least {self.change_months} months",
                    )
                last_change = b.since

    def choice_on(self, first: date) -> BillingChoice | None:
        """The choice in force in the month that begins on ``first``."""
        held = [c for c in self.choices if c.since <= first]
        return held[-1] if held else None


def month_term(
    rule: DemandRule, site: SiteDemand, year: int, month: int, zone: ZoneInfo
) -> DemandTerm | None:
    """The term of one month under a rule; None where the rule does not hold or is exempt.

    Raises
    ------
    TariffError
        If the rule needs a number that the site has not given.
    """
    first = date(year, month, 1)
    choice = site.choice_on(first)
    if not rule.holds_on(first) or any(e.holds(rule.basis, first) for e in site.exemptions):
        return None
    if rule.basis in CHOSEN and (choice is None or choice.billing != rule.basis):
        return None
    fixed, tiers = _money(rule, site, choice, (year, month))
    reduced_from = None
    if rule.reduced_kwh_per_kva:
        reduced_from = rule.reduced_kwh_per_kva * _kva(rule, site)
    start_s, end_s = month_bounds(year, month, zone)
    return DemandTerm(
        rule.name,
        start_s,
        end_s,
        fixed,
        tiers,
        rule.interval_s,
        rule.slide_s,
        rule.counted,
        reduced_from,
        rule.reduced_factor,
    )


def _money(
    rule: DemandRule, site: SiteDemand, choice: BillingChoice | None, month: tuple[int, int]
) -> tuple[float, tuple[tuple[float, float], ...]]:
    if rule.basis == "fixed":
        return rule.price, ()
    if rule.basis == "capacity":
        return rule.price * _kva(rule, site), ()
    if rule.basis == "blocks":
        if choice is None or choice.blocks is None:
            raise TariffError("needs the number of subscribed blocks", where=rule.name)
        held_kw = choice.blocks * rule.block_kw
        return rule.price * choice.blocks, ((held_kw, rule.overage_per_kw),)
    if rule.basis == "contracted":
        asked = choice.contracted_kw if choice is not None else None
        if asked is None:
            raise TariffError("needs contracted_kw", where=rule.name)
        held_kw = asked
        if rule.floor_share:
            held_kw = max(asked, rule.floor_share * _kva(rule, site))
        beyond = (held_kw * rule.tolerance, rule.price * rule.excess_factor)
        return rule.price * held_kw, (beyond,)
    floor_kw = _ratchet_kw(rule, site, month)
    return rule.price * floor_kw, ((floor_kw, rule.price),)


def _ratchet_kw(rule: DemandRule, site: SiteDemand, month: tuple[int, int]) -> float:
    if not rule.ratchet_share:
        return 0.0
    now = month[0] * 12 + month[1]
    before = [
        kw for (y, m), kw in site.peaks_kw.items() if 0 < now - (y * 12 + m) <= rule.ratchet_months
    ]
    return rule.ratchet_share * max(before, default=0.0)


def _kva(rule: DemandRule, site: SiteDemand) -> float:
    if site.installed_kva is None:
        raise TariffError(
            "needs the installed capacity",
            where=rule.name,
            fix="set installed_kva in the site's tariff settings",
        )
    return site.installed_kva
