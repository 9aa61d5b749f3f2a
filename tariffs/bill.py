"""The bill, by the same tariff object that planned: metered energy, Decimal money, rules named."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError
from models.horizon import FloatArray, IntArray, instant_of
from tariffs.bill_lines import Bill, BillLine
from tariffs.demand import month_bounds
from tariffs.metered import Metered
from tariffs.month_lines import demand_lines, power_factor_line, tier_lines
from tariffs.power_factor import PowerFactorRule
from tariffs.tariff import Steps, Tariff

_UWH_PER_KWH = 1_000_000_000
_NANO = 1_000_000_000
_MAX_PRICES = 12


def energy_bill(tariff: Tariff, metered: Metered, *, zone: ZoneInfo) -> Bill:
    """What metered energy costs and earns: period by period, without demand or tiers."""
    if metered.starts_s.size == 0:
        raise InvalidValueError("nothing was metered")
    return _energy_bills(tariff, [metered], zone)[0]


def session_bills(
    tariff: Tariff, sessions: Sequence[Metered], *, zone: ZoneInfo
) -> tuple[Bill, ...]:
    """A bill per session at the site's energy prices and fees; one without energy has no lines."""
    return tuple(_energy_bills(tariff, sessions, zone)) if sessions else ()


def merged(bills: Sequence[Bill]) -> Bill:
    """Several accounts of one tariff as one bill: equal rules, periods and prices in one line.

    Raises
    ------
    InvalidValueError
        If there is none, or they differ in currency.
    """
    if not bills or len({b.currency for b in bills}) > 1:
        raise InvalidValueError("bills of one currency are needed to make one bill")
    sums: dict[tuple[str, str, str, Decimal | None], tuple[Decimal, Decimal]] = {}
    for bill in bills:
        for line in bill.lines:
            key = (line.rule, line.period, line.unit, line.price)
            quantity, amount = sums.get(key, (Decimal(0), Decimal(0)))
            sums[key] = (quantity + line.quantity, amount + line.amount)
    lines = tuple(
        BillLine(rule, period, quantity, unit, price, amount)
        for (rule, period, unit, price), (quantity, amount) in sums.items()
    )
    used = [b for b in bills if b.lines] or list(bills)
    return Bill(
        bills[0].tariff,
        bills[0].currency,
        min(b.start_s for b in used),
        max(b.end_s for b in used),
        lines,
    )


def month_bill(
    tariff: Tariff,
    metered: Metered,
    *,
    year: int,
    month: int,
    zone: ZoneInfo,
    consumed_before_kwh: float = 0.0,
    power_factor: PowerFactorRule | None = None,
) -> Bill:
    """The month of one meter: energy, fees, tiers, demand and capacity, power factor.

    Parameters
    ----------
    tariff : Tariff
    metered : Metered
        May reach beyond the month; only the month counts.
    year, month : int
        The civil month in ``zone``.
    consumed_before_kwh : float
        Drawn earlier in the period of a yearly consumption tier, kWh.
    power_factor : PowerFactorRule, optional
        Needs reactive energy.

    Raises
    ------
    InvalidValueError
        If nothing was metered in the month.
    """
    start_s, end_s = month_bounds(year, month, zone)
    inside = metered.between(start_s, end_s)
    bill = energy_bill(tariff, inside, zone=zone)
    lines = list(bill.lines)
    drawn = float(inside.import_kwh.sum())
    for tiers in tariff.consumption_tiers(start_s, zone):
        lines.extend(tier_lines(tiers, bill, drawn, consumed_before_kwh))
    terms = tariff.demand_terms(instant_of(start_s), instant_of(end_s), zone=zone)
    for term in terms:
        lines.extend(demand_lines(term, inside, drawn, zone))
    if power_factor is not None:
        lines.append(power_factor_line(power_factor, inside, lines))
    return Bill(bill.tariff, bill.currency, start_s, end_s, tuple(lines))


def _energy_bills(tariff: Tariff, meters: Sequence[Metered], zone: ZoneInfo) -> list[Bill]:
    used = [m for m in meters if m.starts_s.size]
    if not used:
        return [Bill(tariff.name, tariff.currency, 0, 0, ()) for _ in meters]
    starts = np.concatenate([m.starts_s for m in meters])
    ends = np.concatenate([m.ends_s for m in meters])
    owner = np.repeat(np.arange(len(meters)), [m.starts_s.size for m in meters])
    drawn = np.concatenate([m.import_kwh for m in meters])
    fed = np.concatenate([m.export_kwh for m in meters])
    lines: list[list[BillLine]] = [[] for _ in meters]
    parts = tariff.parts(int(starts.min()), int(ends.max()), zone)
    for rule, steps in parts:
        _add_lines(lines, rule, steps, steps.buy_per_kwh, starts, ends, drawn, owner, 1)
    if bool(np.any(fed > 0)):
        energy = parts[0][1]
        _add_lines(lines, "fed in", energy, energy.sell_per_kwh, starts, ends, fed, owner, -1)
    return [
        Bill(
            tariff.name,
            tariff.currency,
            int(m.starts_s[0]) if m.starts_s.size else 0,
            int(m.ends_s[-1]) if m.starts_s.size else 0,
            tuple(found),
        )
        for m, found in zip(meters, lines, strict=True)
    ]


def _add_lines(
    lines: list[list[BillLine]],
    rule: str,
    steps: Steps,
    prices: FloatArray,
    starts_s: IntArray,
    ends_s: IntArray,
    energy_kwh: FloatArray,
    owner: IntArray,
    sign: int,
) -> None:
    """Cut stretches at price edges, sum per account, period and price, append the lines."""
    row, step, uwh = _cut(steps, starts_s, ends_s, energy_kwh)
    labels: dict[tuple[str, float], int] = {}
    code = np.empty(steps.starts_s.size, dtype=np.int64)
    for k, key in enumerate(zip(steps.period.tolist(), prices.tolist(), strict=True)):
        code[k] = labels.setdefault(key, len(labels))
    keys, where = np.unique(owner[row] * len(labels) + code[step], return_inverse=True)
    total = np.zeros(keys.size, dtype=np.int64)
    np.add.at(total, where, uwh)
    named = list(labels)
    nano = [round(price * _NANO) for _, price in named]
    sums: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for key, amount_uwh in zip(keys.tolist(), total.tolist(), strict=True):
        if amount_uwh:
            account, label = divmod(key, len(labels))
            sums.setdefault((account, named[label][0]), []).append((amount_uwh, nano[label]))
    for (account, period), entries in sums.items():
        if len(entries) > _MAX_PRICES:
            quantity = Decimal(sum(q for q, _ in entries)).scaleb(-9)
            amount = Decimal(sum(q * p for q, p in entries)).scaleb(-18)
            lines[account].append(BillLine(rule, period, quantity, "kWh", None, sign * amount))
            continue
        for whole, price in entries:
            quantity, money = (Decimal(v).scaleb(-9).normalize() for v in (whole, price))
            lines[account].append(
                BillLine(rule, period, quantity, "kWh", money, sign * quantity * money)
            )


def _cut(
    steps: Steps, starts_s: IntArray, ends_s: IntArray, energy_kwh: FloatArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Pieces of stretches within one step each: row, step, whole microwatt-hours.

    A stretch over a price edge is shared by time; the pieces of a stretch add up exactly to its
    energy rounded to the microwatt-hour.
    """
    first = np.searchsorted(steps.starts_s, starts_s, side="right") - 1
    last = np.searchsorted(steps.starts_s, ends_s, side="left") - 1
    count = last - first + 1
    row = np.repeat(np.arange(starts_s.size), count)
    offset = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    step = first[row] + offset
    bounds = np.append(steps.starts_s, steps.end_s)
    upto = np.minimum(bounds[step + 1], ends_s[row])
    share = (upto - starts_s[row]) / (ends_s - starts_s)[row]
    whole = np.rint(energy_kwh * _UWH_PER_KWH)
    reached = np.rint(whole[row] * share).astype(np.int64)
    before = np.where(offset == 0, 0, np.roll(reached, 1))
    return row, step, reached - before
