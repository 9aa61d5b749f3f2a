"""Rates of OpenEI's URDB as books.

URDB knows hours, months, weekdays and weekends, and no holidays. Tiers within an energy period
count that period's own kWh of the month. What it has beside that (tiers in other units than kWh,
lookback, coincident demand) is listed as missing in the book rather than dropped in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.errors import DataError
from tariffs.day_rule import clock

_MONTHS = 12
_HOURS = 24


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises
    ------
    DataError
        If it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path)) from error


def urdb_book(data: Any, *, name: str, timezone: str, currency: str = "USD") -> dict[str, Any]:
    """A URDB v7 rate as a book: periods by month and hour, demand, fixed charges.

    Parameters
    ----------
    data : mapping
        One rate, or the API's answer with ``items``.
    name, timezone, currency : str
        What the book is called, and the zone of its place; URDB does not say them.

    Raises
    ------
    DataError
        If a schedule is not 12 x 24 or names a period that the structure lacks.
    """
    rate = _one_rate(data)
    missing = ["holidays (URDB knows none)"]
    energy = _structure(rate, "energyratestructure")
    book: dict[str, Any] = {
        "name": name,
        "title": str(rate.get("name", name)),
        "kind": "time_of_use",
        "currency": currency,
        "timezone": timezone,
        "source": str(rate.get("uri") or rate.get("source") or "OpenEI URDB"),
        "mark": "imported from URDB, unverified",
        "method": "absolute",
        "sell": "nothing",
    }
    values: dict[str, float] = {}
    tiers: list[dict[str, Any]] = []
    for i, period in enumerate(energy):
        values[f"period_{i}"] = _price(period[0])
        if len(period) > 1:
            found = _tiers(period, f"period_{i}")
            if found is None:
                unit = period[0].get("unit", "kWh")
                missing.append(f"tiers of period {i} in {unit}: the first tier's price is used")
            else:
                tiers.append(found)
        if any("sell" in tier for tier in period):
            missing.append(f"selling price of period {i}")
    book["periods"] = list(values)
    book["values"] = [values]
    book["tiers"] = tiers
    book["season"] = _seasons(rate, "energy", len(energy), [*values])
    book["demand"] = [*_flat_demand(rate, missing), *_tou_demand(rate, missing), *_fixed(rate)]
    unread = ("coincidentratestructure", "lookbackmonths", "peakkwcapacitymax")
    missing.extend(key for key in unread if rate.get(key))
    book["missing"] = missing
    return {key: value for key, value in book.items() if value not in ([], {})}


def _one_rate(data: Any) -> Mapping[str, Any]:
    if isinstance(data, Mapping) and isinstance(data.get("items"), list):
        if len(data["items"]) != 1:
            raise DataError(f"holds {len(data['items'])} rates", where="items", fix="give one")
        data = data["items"][0]
    if not isinstance(data, Mapping):
        raise DataError("is no URDB rate")
    return data


def _structure(rate: Mapping[str, Any], key: str) -> list[list[Mapping[str, Any]]]:
    found = rate.get(key)
    if (
        not isinstance(found, list)
        or not found
        or not all(isinstance(p, list) and p for p in found)
        or not all(isinstance(tier, Mapping) for p in found for tier in p)
    ):
        raise DataError("is no list of periods with tiers", where=key)
    return found


def _price(tier: Mapping[str, Any]) -> float:
    """URDB: the price is ``rate`` plus the adjustment ``adj``."""
    try:
        return float(tier.get("rate", 0.0)) + float(tier.get("adj", 0.0))
    except (TypeError, ValueError) as error:
        raise DataError(f"no price: {error}", where="rate") from error


def _tiers(period: Sequence[Mapping[str, Any]], within: str) -> dict[str, Any] | None:
    """The tiers of one period, by its own kWh of the month; None where they count otherwise."""
    if any(tier.get("unit", "kWh") != "kWh" for tier in period):
        return None
    tops = [tier.get("max") for tier in period[:-1]]
    if not all(isinstance(top, int | float) for top in tops):
        raise DataError("a tier that is not the last needs its max", where=f"{within}.max")
    first = _price(period[0])
    return {
        "period": "month",
        "within": within,
        "from_kwh": [0.0, *(float(top) for top in tops if top is not None)],
        "adder_per_kwh": [round(_price(tier) - first, 9) for tier in period],
    }


def _month_hours(rate: Mapping[str, Any], key: str, count: int) -> list[list[int]]:
    rows = rate.get(key)
    if (
        not isinstance(rows, list)
        or len(rows) != _MONTHS
        or any(not isinstance(r, list) or len(r) != _HOURS for r in rows)
    ):
        raise DataError("is not 12 months of 24 hours", where=key)
    for month, row in enumerate(rows, start=1):
        for hour, period in enumerate(row):
            if type(period) is not int or not 0 <= period < count:
                raise DataError(
                    f"period {period!r} is not in the structure", where=f"{key}[{month}][{hour}]"
                )
    return rows


def _seasons(
    rate: Mapping[str, Any], what: str, count: int, names: Sequence[str]
) -> list[dict[str, Any]]:
    """One rule per distinct row of hours, with the months that share it."""
    found = []
    for day in ("weekday", "weekend"):
        rows: dict[tuple[int, ...], list[int]] = {}
        for month, row in enumerate(_month_hours(rate, f"{what}{day}schedule", count), start=1):
            rows.setdefault(tuple(row), []).append(month)
        for hours, months in rows.items():
            rule: dict[str, Any] = {"name": f"{day} {months}", "months": months, "days": [day]}
            for period in sorted(set(hours)):
                rule[names[period]] = _ranges(hours, period)
            found.append(rule)
    return found


def _ranges(hours: Sequence[int], period: int) -> list[str]:
    found, begin = [], None
    for hour in range(_HOURS + 1):
        inside = hour < _HOURS and hours[hour] == period
        if inside and begin is None:
            begin = hour
        elif not inside and begin is not None:
            found.append(f"{clock(begin * 60)}-{clock(hour * 60)}")
            begin = None
    return found


def _flat_demand(rate: Mapping[str, Any], missing: list[str]) -> list[dict[str, Any]]:
    if not rate.get("flatdemandstructure"):
        return []
    structure = _structure(rate, "flatdemandstructure")
    months = rate.get("flatdemandmonths")
    if not isinstance(months, list) or len(months) != _MONTHS:
        raise DataError("is not 12 months", where="flatdemandmonths")
    found = []
    for i, period in enumerate(structure):
        held = [m for m, p in enumerate(months, start=1) if p == i]
        if len(period) > 1:
            missing.append(f"demand tiers of flat demand {i}: the first tier's price is used")
        if held and _price(period[0]):
            found.append(_demand(f"demand {i}", _price(period[0]), held))
    return found


def _tou_demand(rate: Mapping[str, Any], missing: list[str]) -> list[dict[str, Any]]:
    if not rate.get("demandratestructure"):
        return []
    structure = _structure(rate, "demandratestructure")
    names = [f"period_{i}" for i in range(len(structure))]
    rules = _seasons(rate, "demand", len(structure), names)
    found = []
    for i, period in enumerate(structure):
        if len(period) > 1:
            missing.append(f"demand tiers of period {i}: the first tier's price is used")
        windows = [
            {"months": r["months"], "days": r["days"], "hours": r[names[i]]}
            for r in rules
            if names[i] in r
        ]
        if windows and _price(period[0]):
            months = sorted({m for w in windows for m in w["months"]})
            found.append(_demand(f"demand in period {i}", _price(period[0]), months, windows))
    return found


def _demand(
    name: str, price: float, months: list[int], window: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "name": name,
        "basis": "peak",
        "price": price,
        "months": months,
        "interval_minutes": 15,
    }
    return rule | ({"window": window} if window else {})


def _fixed(rate: Mapping[str, Any]) -> list[dict[str, Any]]:
    amount = rate.get("fixedchargefirstmeter") or rate.get("fixedmonthlycharge")
    if not amount:
        return []
    units = rate.get("fixedchargeunits", "$/month")
    if units != "$/month":
        raise DataError(f"fixed charges in {units!r} are not understood", where="fixedchargeunits")
    return [{"name": "fixed charge", "basis": "fixed", "price": float(amount)}]
