"""Tariff periods of a message as the text of a book, canonical JSON.

So they are journalled, told apart and found again after a restart like any other choice of a
book; the host that owns the books reads the text.
"""

from __future__ import annotations

import json
from typing import Any

from adapters.wire import inbound as w
from adapters.wire.strict import RefusedError


def book_text(body: w.Tariff) -> str:
    """The periods and charges of a message as the text of a book.

    Raises
    ------
    RefusedError
        If one period of the same days has two prices.
    """
    seasons: dict[tuple[Any, ...], dict[str, Any]] = {}
    values: dict[tuple[Any, ...], dict[str, Any]] = {}
    for period in body.periods or ():
        months, days = sorted(set(period.months)), sorted(set(period.days))
        scope: dict[str, Any] = {}
        if months:
            scope["months"] = months
        if days:
            scope["days"] = days
        key = (*months, *days)
        season = seasons.setdefault(key, {"name": " ".join(map(str, key)) or "all days"} | scope)
        season.setdefault(period.period, []).extend(period.hours)
        price = values.setdefault(key, dict(scope))
        if price.setdefault(period.period, period.buy_per_kwh) != period.buy_per_kwh:
            reason = f"{period.period} has two prices on the same days"
            raise RefusedError("contradiction", "periods", reason)
    book: dict[str, Any] = {"season": list(seasons.values()), "values": list(values.values())}
    if body.demand:
        book["demand"] = [_charge(charge) for charge in body.demand]
    return json.dumps(book, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _charge(charge: w.DemandCharge) -> dict[str, Any]:
    found = {
        "name": charge.name,
        "basis": charge.basis,
        "price": charge.price,
        "interval_minutes": charge.interval_minutes,
        "slide_minutes": charge.slide_minutes,
        "tolerance": charge.tolerance,
        "excess_factor": charge.excess_factor,
        "floor_share": charge.floor_share,
    }
    return {key: value for key, value in found.items() if value is not None}
