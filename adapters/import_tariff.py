"""Tariffs of others: OpenEI URDB, Octopus Agile, a CSV of prices; each becomes a book or a series.

URDB knows hours, months, weekdays and weekends, and no holidays; what it has beside that (tiers
within an energy period, lookback, coincident demand) is listed as missing in the book rather than
dropped in silence.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import DataError, ValleyfillError
from models.horizon import epoch_s, instant_of
from tariffs.day_rule import clock
from tariffs.series import PriceSeries

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
    for i, period in enumerate(energy):
        values[f"period_{i}"] = _price(period[0])
        if len(period) > 1:
            missing.append(f"consumption tiers of period {i}: the first tier's price is used")
        if any("sell" in tier for tier in period):
            missing.append(f"selling price of period {i}")
    book["periods"] = list(values)
    book["values"] = [values]
    book["season"] = _seasons(rate, "energy", len(energy), [*values])
    book["demand"] = [*_flat_demand(rate, missing), *_tou_demand(rate, missing), *_fixed(rate)]
    unread = ("coincidentratestructure", "lookbackmonths", "peakkwcapacitymax")
    missing.extend(key for key in unread if rate.get(key))
    book["missing"] = missing
    return {key: value for key, value in book.items() if value not in ([], {})}


def agile_series(data: Any, *, vat: bool) -> PriceSeries:
    """Octopus Agile's standard-unit-rates as a series, p/kWh to GBP/kWh; selling is not said.

    Parameters
    ----------
    data : mapping
        The API's answer; ``results`` newest first.
    vat : bool
        Whether prices include value added tax.

    Raises
    ------
    DataError
        If a row has no instants or no price.
    """
    key = "value_inc_vat" if vat else "value_exc_vat"
    rows = []
    for i, row in enumerate(_results(data)):
        try:
            begin, end = _instant(row["valid_from"]), _instant(row["valid_to"])
            rows.append((epoch_s(begin), epoch_s(end), float(row[key]) / 100.0))
        except (KeyError, TypeError, ValueError, ValleyfillError) as error:
            raise DataError(f"no half hour with a price: {error}", where=f"results[{i}]") from error
    if not rows:
        raise DataError("holds no prices", where="results")
    rows.sort()
    return PriceSeries(
        np.array([r[0] for r in rows], dtype=np.int64),
        np.array([r[1] for r in rows], dtype=np.int64),
        np.array([r[2] for r in rows]),
        np.full(len(rows), np.nan),
    )


def csv_series(text: str, *, zone: ZoneInfo, where: str, scale: float = 1.0) -> PriceSeries:
    """A CSV of prices: ``start,buy_per_kwh[,sell_per_kwh]``, 96 or 24 a day or any regular step.

    Parameters
    ----------
    text : str
        With a header. ``start`` is an instant with offset, or a local clock time of ``zone``: a
        local hour that occurs twice is read in the order of the file.
    zone : ZoneInfo
    where : str
        For messages.
    scale : float
        What prices are multiplied by, as 0.001 for money per MWh.

    Raises
    ------
    DataError
        With the line: no instant, no price, instants that do not increase.
    """
    reader = csv.DictReader(io.StringIO(text))
    if not reader.fieldnames or not {"start", "buy_per_kwh"} <= set(reader.fieldnames):
        raise DataError("needs the columns start and buy_per_kwh", where=where)
    starts: list[int] = []
    buy: list[float] = []
    sell: list[float] = []
    for number, row in enumerate(reader, start=2):
        at = f"{where}, line {number}"
        try:
            begin = datetime.fromisoformat(row["start"].strip())
            price = float(row["buy_per_kwh"]) * scale
            said = (row.get("sell_per_kwh") or "").strip()
            sell.append(float(said) * scale if said else float("nan"))
        except (ValueError, AttributeError) as error:
            raise DataError(f"no instant with a price: {error}", where=at) from error
        seconds = epoch_s(begin if begin.tzinfo else begin.replace(tzinfo=zone))
        if begin.tzinfo is None and starts and seconds <= starts[-1]:
            seconds = epoch_s(begin.replace(tzinfo=zone, fold=1))
        if starts and seconds <= starts[-1]:
            raise DataError(f"{row['start']} does not follow the line before", where=at)
        starts.append(seconds)
        buy.append(price)
    if len(starts) < 2:
        raise DataError("holds fewer than two prices", where=where)
    begun = np.array(starts, dtype=np.int64)
    step = int(np.min(np.diff(begun)))
    try:
        return PriceSeries(begun, begun + step, np.array(buy), np.array(sell))
    except ValleyfillError as error:
        raise DataError(error.what, where=where) from error


def series_document(series: PriceSeries) -> dict[str, Any]:
    """A series without holes as the body of a ``tariff/{tariff}`` message.

    Raises
    ------
    DataError
        If it has a hole or unequal steps; the instant is named.
    """
    steps = np.diff(np.append(series.starts_s, series.ends_s[-1]))
    if bool(np.any(steps != steps[0])) or int(steps[0]) % 60:
        odd = int(np.argmax(steps != steps[0]))
        raise DataError(
            f"has a gap or an odd step at {instant_of(int(series.starts_s[odd])).isoformat()}",
            where="series",
        )
    document: dict[str, Any] = {
        "start": instant_of(int(series.starts_s[0])).isoformat(),
        "slot_minutes": int(steps[0]) // 60,
        "buy_per_kwh": [round(float(v), 9) for v in series.buy_per_kwh],
    }
    if series.tells_sell:
        document["sell_per_kwh"] = [round(float(v), 9) for v in series.sell_per_kwh]
    return document


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
    ):
        raise DataError("is no list of periods with tiers", where=key)
    return found


def _price(tier: Mapping[str, Any]) -> float:
    """URDB: the price is ``rate`` plus the adjustment ``adj``."""
    try:
        return float(tier.get("rate", 0.0)) + float(tier.get("adj", 0.0))
    except (TypeError, ValueError) as error:
        raise DataError(f"no price: {error}", where="rate") from error


def _schedule(rate: Mapping[str, Any], key: str, count: int) -> list[list[int]]:
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
        for month, row in enumerate(_schedule(rate, f"{what}{day}schedule", count), start=1):
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


def _results(data: Any) -> list[Mapping[str, Any]]:
    found = data.get("results") if isinstance(data, Mapping) else None
    if not isinstance(found, list):
        raise DataError("is no answer of standard-unit-rates", where="results")
    return found


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
