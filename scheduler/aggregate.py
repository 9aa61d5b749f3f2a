"""Many sites as one: a target split by price over what they published, and checked by meter.

Each site tells per slot how far it can go up and down from its plan and at what price. A slot's
target is filled cheapest first; sites of one price share in proportion to what they offer, so a
small change of the target is a small change for each. An offer that holds for less than the whole
call is taken in that proportion only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from models.errors import InvalidValueError

Direction = Literal["up", "down"]

SAME_PRICE = 1e-9
LEAST_KW = 1e-6


@dataclass(frozen=True)
class Offer:
    """What one site offers in one slot and one direction.

    Parameters
    ----------
    site : str
    start : datetime
        Of the slot; aware.
    slot_s : int
        Its length, s.
    plan_kw : float
        Exchange at its connection that the offer counts from, kW.
    power_kw : float
        How far it goes, a magnitude, kW.
    for_s : float
        How long it can be held, s.
    per_kwh : float
        Its price.
    """

    site: str
    start: datetime
    slot_s: int
    plan_kw: float
    power_kw: float
    for_s: float
    per_kwh: float


@dataclass(frozen=True)
class Share:
    """One site's part of one slot: how far from its plan, and what it should exchange, kW."""

    site: str
    start: datetime
    power_kw: float
    target_kw: float
    per_kwh: float


@dataclass(frozen=True)
class SlotSplit:
    """One slot of the target.

    Parameters
    ----------
    start : datetime
    shares : tuple of Share
        Cheapest first.
    short_kw : float
        What nobody offered at that price, kW >= 0.
    cost : float
        Money for the slot.
    dearest_per_kwh : float
        Price of the dearest share; 0 without any.
    """

    start: datetime
    shares: tuple[Share, ...]
    short_kw: float
    cost: float
    dearest_per_kwh: float


def split(
    offers: Sequence[Offer],
    *,
    direction: Direction,
    power_kw: float,
    call_s: float,
    most_per_kwh: float,
) -> tuple[SlotSplit, ...]:
    """Split a target over sites, slot by slot.

    Parameters
    ----------
    offers : sequence of Offer
        Of the slots of the call, in any order.
    direction : {"up", "down"}
        Draw more, or less.
    power_kw : float
        The target in every slot, a magnitude, kW > 0.
    call_s : float
        Length of the whole call, s > 0.
    most_per_kwh : float
        Dearer offers are left.

    Returns
    -------
    tuple of SlotSplit
        In the order of time.
    """
    if not power_kw > 0 or not call_s > 0:
        raise InvalidValueError("a target and its length are above 0", where="aggregate")
    sign = 1.0 if direction == "up" else -1.0
    found = []
    for start in sorted({o.start for o in offers}):
        left, cost, dearest = power_kw, 0.0, 0.0
        shares: list[Share] = []
        mine = [o for o in offers if o.start == start and o.per_kwh <= most_per_kwh + SAME_PRICE]
        for price in sorted({o.per_kwh for o in mine}):
            level = sorted((o for o in mine if o.per_kwh == price), key=lambda o: o.site)
            able = [o.power_kw * min(o.for_s / call_s, 1.0) for o in level]
            whole = sum(able)
            if whole <= LEAST_KW or left <= LEAST_KW:
                continue
            part = min(left / whole, 1.0)
            for offer, kw in zip(level, able, strict=True):
                taken = kw * part
                if taken <= LEAST_KW:
                    continue
                target = offer.plan_kw + sign * taken
                shares.append(Share(offer.site, start, taken, target, price))
                cost += taken * offer.slot_s / 3600.0 * price
                dearest = price
            left -= whole * part
        found.append(SlotSplit(start, tuple(shares), max(left, 0.0), cost, dearest))
    return tuple(found)


def series_of(
    splits: Sequence[SlotSplit], offers: Sequence[Offer]
) -> dict[str, tuple[tuple[datetime, float], ...]]:
    """What each site is asked to follow: its share where it has one, its plan between, kW."""
    plan = {(o.site, o.start): o.plan_kw for o in offers}
    told = {(s.site, s.start): s.target_kw for part in splits for s in part.shares}
    starts = [part.start for part in splits]
    sites = sorted({site for site, _ in told})
    return {
        site: tuple(
            (at, told.get((site, at), plan[site, at])) for at in starts if (site, at) in plan
        )
        for site in sites
    }


@dataclass(frozen=True)
class Checked:
    """What one site was asked and what its meter says, kWh; ``kept``: at least 98 % of it."""

    site: str
    asked_kwh: float
    metered_kwh: float
    kept: bool


KEPT_SHARE = 0.98


def check(
    splits: Sequence[SlotSplit],
    offers: Sequence[Offer],
    drawn_kwh: Mapping[str, float],
    *,
    direction: Direction,
    slot_s: int,
) -> tuple[Checked, ...]:
    """What came of a call by the meters of its sites.

    Parameters
    ----------
    splits, offers
        As they were called.
    drawn_kwh : mapping of str to float
        By site: energy through its connection over the call, kWh, negative while fed back; one
        that is missing told nothing, which counts as nothing.
    direction : {"up", "down"}
    slot_s : int
        Length of a slot, s.
    """
    sign = 1.0 if direction == "up" else -1.0
    starts = {part.start for part in splits}
    found = []
    for site in sorted({s.site for part in splits for s in part.shares}):
        hours = slot_s / 3600.0
        asked = sum(s.power_kw for part in splits for s in part.shares if s.site == site) * hours
        planned = sum(o.plan_kw for o in offers if o.site == site and o.start in starts) * hours
        drawn = drawn_kwh.get(site)
        metered = 0.0 if drawn is None else sign * (drawn - planned)
        found.append(Checked(site, asked, metered, metered >= KEPT_SHARE * asked))
    return tuple(found)
