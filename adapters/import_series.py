"""Price series of others: Octopus Agile, and a CSV of 96 or 24 prices a day."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import DataError, ValleyfillError
from models.horizon import epoch_s, instant_of
from tariffs.series import PriceSeries


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


def _results(data: Any) -> list[Mapping[str, Any]]:
    found = data.get("results") if isinstance(data, Mapping) else None
    if not isinstance(found, list):
        raise DataError("is no answer of standard-unit-rates", where="results")
    return found


def _instant(text: Any) -> datetime:
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no instant")
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
