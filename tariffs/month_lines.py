"""The lines that only a whole month has: tiers, demand and capacity, the power factor."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError
from models.horizon import instant_of
from tariffs.bill_lines import Bill, BillLine, decimal_of
from tariffs.consumption import ConsumptionTiers
from tariffs.demand import DemandTerm, peak_of
from tariffs.metered import Metered
from tariffs.power_factor import PowerFactorRule

_ALL_KNOWN = 0.001
"""So small a share of the month's kWh without reactive energy is not worth a word."""


def tier_lines(
    tiers: ConsumptionTiers, energy: Bill, drawn_kwh: float, consumed_before_kwh: float
) -> list[BillLine]:
    """What consumption tiers add to a month's energy."""
    counted = drawn_kwh
    if tiers.within:
        own = (line for line in energy.lines if line.rule == "energy")
        counted = float(sum(line.quantity for line in own if line.period == tiers.within))
    before = consumed_before_kwh if tiers.period == "year" else 0.0
    found = []
    for kwh, adder in tiers.split(before, counted):
        if adder:
            rule = f"tier of the {tiers.period}"
            quantity, price = decimal_of(kwh, 6), decimal_of(adder, 9)
            found.append(BillLine(rule, tiers.within, quantity, "kWh", price, quantity * price))
    return found


def demand_lines(
    term: DemandTerm, metered: Metered, drawn_kwh: float, zone: ZoneInfo
) -> list[BillLine]:
    """A demand or capacity term at the month's highest interval."""
    lines = []
    factor = decimal_of(term.reduction_at(drawn_kwh), 6)
    if term.fixed:
        amount = decimal_of(term.fixed, 6)
        lines.append(BillLine(term.name, "", Decimal(1), "month", amount, amount * factor))
    peak = peak_of(metered.starts_s, metered.ends_s, metered.import_kw, term, zone)
    if peak is None:
        return lines
    for at, price in term.tiers:
        above = decimal_of(max(0.0, peak.power_kw - at), 6)
        if above:
            begun = instant_of(peak.start_s).astimezone(zone).strftime("%m-%d %H:%M")
            rule = f"{term.name}, peak at {begun}" + (f", above {at:g} kW" if at else "")
            money = decimal_of(price, 9) * factor
            lines.append(BillLine(rule, "", above, "kW", money, above * money))
    return lines


def power_factor_line(
    rule: PowerFactorRule, metered: Metered, lines: Sequence[BillLine]
) -> BillLine:
    """The month's power factor over the stretches of which both energies are known."""
    reactive = metered.reactive_kvarh
    known = np.zeros(metered.import_kwh.size, dtype=bool)
    if reactive is not None:
        known = np.isfinite(reactive)
    if reactive is None or not bool(known.any()):
        raise InvalidValueError("a power factor needs reactive energy", where="reactive_kvarh")
    active, drawn = float(metered.import_kwh[known].sum()), float(metered.import_kwh.sum())
    reached = rule.power_factor(active, float(reactive[known].sum()))
    share = decimal_of(rule.adjustment(reached), 6)
    base = sum((line.amount for line in lines if line.amount > 0), Decimal(0))
    told = f"力调电费 at {reached:.2f}"
    if active < drawn * (1 - _ALL_KNOWN):
        told += f", reactive energy known for {100 * active / drawn:.0f} % of the kWh"
    return BillLine(told, "", base, "money", share, base * share)
