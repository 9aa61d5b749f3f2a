"""Demand response in the plan: what exchange at the connection each event wants, and its price.

An event is a piecewise linear price on the power at the connection around a level. Reducing pays
below the baseline, raising above it, a series costs on both sides. What has been promised is held
by the limit beside it (:func:`ceiling_kw`), so the kernel keeps it between plans.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.horizon import FloatArray, Horizon
from models.limits import is_limit
from scheduler.quarters import QUARTER_S
from scheduler.state import CalledRecord


@dataclass(frozen=True, eq=False)
class CallTerm:
    """What one event makes of the exchange at the connection; T slots.

    Parameters
    ----------
    event : str
        Its id.
    level_kw : ndarray, shape (T,)
        Where the price changes, kW; nan where the event says nothing.
    over_per_kwh, under_per_kwh : float
        Money for each kWh drawn above and below the level, negative where it is earned; inf: as
        dear as keeping a promise, before every money and behind every vehicle.
    over_kw, under_kw : ndarray, shape (T,)
        So far above and below the level it counts, kW >= 0; inf: without end.
    """

    event: str
    level_kw: FloatArray
    over_per_kwh: float
    over_kw: FloatArray
    under_per_kwh: float
    under_kw: FloatArray

    def arrays(self) -> tuple[FloatArray, ...]:
        """Everything, for a digest."""
        prices = np.array([self.over_per_kwh, self.under_per_kwh])
        return self.level_kw, self.over_kw, self.under_kw, prices


def target_kw(record: CalledRecord, k: int) -> float | None:
    """What the event itself says of its k-th quarter hour, kW."""
    called = record.called
    if not called.slots:
        return called.power_kw
    start = record.starts_s[k]
    value = called.power_kw
    for at, kw in called.slots:
        if start + QUARTER_S <= at.timestamp():
            break
        value = kw
    return value


def asked_kw(record: CalledRecord) -> FloatArray:
    """How far from the level the event wants it in each quarter hour, kW >= 0, shape (q,)."""
    level = np.array(record.level_kw)
    said = [target_kw(record, k) for k in range(level.size)]
    wanted = np.array([math.nan if s is None else s for s in said])
    if record.called.kind == "limit_to":
        wanted = level - wanted
    if record.called.kind == "follow":
        return np.zeros(level.size)
    return np.asarray(np.maximum(np.nan_to_num(wanted), 0.0), dtype=np.float64)


def waiting(calls: Mapping[str, CalledRecord]) -> set[str]:
    """Events to be weighed that an earlier one, to be weighed too, overlaps.

    Together they would pay twice for what the plan does once.
    """
    found: set[str] = set()
    taken: set[int] = set()
    for name, record in calls.items():
        if record.decision == "weighed":
            if taken.isdisjoint(record.starts_s):
                taken.update(record.starts_s)
            else:
                found.add(name)
    return found


def terms_of(calls: Mapping[str, CalledRecord], horizon: Horizon) -> tuple[CallTerm, ...]:
    """The events that a plan has to weigh or to keep."""
    found = []
    later = waiting(calls)
    for name, record in calls.items():
        if record.decision not in ("weighed", "accepted") or not record.starts_s or name in later:
            continue
        if is_limit(record.called):
            continue
        level = _on(horizon, record, np.array(record.level_kw))
        if not bool(np.isfinite(level).any()):
            continue
        pay = record.called.incentive_per_kwh or 0.0
        asked = np.nan_to_num(_on(horizon, record, asked_kw(record)))
        endless = np.full(horizon.n, math.inf)
        kind = record.called.kind
        if record.decision == "accepted":
            promised = np.array(record.promised_kw or (0.0,) * len(record.starts_s))
            told = np.nan_to_num(_on(horizon, record, promised))
            if kind != "follow":
                level = np.where(told > 0, level, math.nan)
            if kind == "follow":
                found.append(CallTerm(name, level, math.inf, endless, math.inf, endless))
            elif kind == "raise_by":
                found.append(CallTerm(name, level + told, 0.0, endless, math.inf, endless))
            else:
                found.append(CallTerm(name, level - told, math.inf, endless, 0.0, endless))
        elif kind == "follow":
            found.append(CallTerm(name, level, pay, endless, pay, endless))
        elif kind == "raise_by":
            found.append(CallTerm(name, level, -pay, asked, pay, endless))
        else:
            found.append(CallTerm(name, level, pay, endless, -pay, asked))
    return tuple(found)


def _on(horizon: Horizon, record: CalledRecord, by_quarter: FloatArray) -> FloatArray:
    """A series of quarter hours on the slots of a horizon, nan outside the event."""
    starts = np.array(record.starts_s)
    middle = (horizon.edges_s[:-1] + horizon.edges_s[1:]) / 2.0
    k = np.floor_divide(middle - starts[0], QUARTER_S).astype(np.int64)
    called = record.called
    inside = (
        (k >= 0)
        & (k < starts.size)
        & (middle >= called.start.timestamp())
        & (middle < called.end.timestamp())
    )
    out = np.full(horizon.n, math.nan)
    out[inside] = by_quarter[k[inside]]
    return out


def ceiling_kw(calls: Iterable[CalledRecord], at: datetime) -> float:
    """The limit that promises to stay below a level set at the connection, kW >= 0; inf: none."""
    lowest = math.inf
    for record in calls:
        if record.decision != "accepted" or not record.promised_kw:
            continue
        called = record.called
        if called.kind in ("raise_by", "follow") or is_limit(called):
            continue
        if not called.start <= at < called.end:
            continue
        k = int(at.timestamp() - record.starts_s[0]) // QUARTER_S
        if 0 <= k < len(record.level_kw) and record.promised_kw[k] > 0:
            lowest = min(lowest, max(record.level_kw[k] - record.promised_kw[k], 0.0))
    return lowest


def kept_kw(calls: Iterable[CalledRecord], at: datetime) -> tuple[float, float]:
    """Least and most power at the connection that keeps every promise now, kW."""
    low, high = -math.inf, ceiling_kw(calls, at)
    for record in calls:
        called = record.called
        if record.decision != "accepted" or not record.starts_s or is_limit(called):
            continue
        k = int(at.timestamp() - record.starts_s[0]) // QUARTER_S
        if not (called.start <= at < called.end and 0 <= k < len(record.level_kw)):
            continue
        level = record.level_kw[k]
        if called.kind == "follow" and math.isfinite(level):
            low, high = max(low, level), min(high, level)
        elif called.kind == "raise_by" and k < len(record.promised_kw) and record.promised_kw[k]:
            low = max(low, level + record.promised_kw[k])
    return low, high


def runs(calls: Iterable[CalledRecord], at: datetime) -> bool:
    """Whether an event that was accepted holds now."""
    return any(
        r.decision == "accepted" and r.starts_s and r.called.start <= at < r.called.end
        for r in calls
    )
