"""The site's meter in a run: lifetime registers, read as a bill needs them."""

from __future__ import annotations

import math

import numpy as np

from adapters.simulator.trace import Trace
from models.horizon import FloatArray
from tariffs.metered import Metered


def metered_of(trace: Trace, start_s: float, end_s: float, *, every_s: int = 900) -> Metered:
    """What the meter at the root counted, between readings on whole intervals.

    Parameters
    ----------
    trace : Trace
        A run.
    start_s, end_s : float
        Epoch seconds; the readings reach around them.
    every_s : int
        Seconds between readings, as the tariff's demand interval wants them.
    """
    lo, hi = math.floor(start_s / every_s), math.ceil(end_s / every_s)
    at = every_s * np.arange(lo, hi + 1, dtype=np.int64)
    pieces = [(p.start_s, p.end_s, p.energy_kwh) for s in trace.sessions for p in s.pieces]
    begins, ends, energy = (np.array(c, dtype=np.float64) for c in zip(*pieces, strict=True))
    drawn = _upto(begins, ends, energy, at.astype(np.float64))
    base_at = np.array([t for t, _ in trace.base], dtype=np.float64)
    if base_at.size:
        until = np.append(base_at[1:], max(float(at[-1]), float(base_at[-1])))
        kwh = np.array([kw for _, kw in trace.base]) * (until - base_at) / 3600.0
        drawn = drawn + _upto(base_at, until, kwh, at.astype(np.float64))
    return Metered.from_registers(at, drawn)


def _upto(begins: FloatArray, ends: FloatArray, energy: FloatArray, at: FloatArray) -> FloatArray:
    """Energy of stretches, each drawn evenly, up to each instant: the sum of ramps."""
    slope = energy / np.maximum(ends - begins, 1e-9)
    knots = np.concatenate([begins, ends])
    change = np.concatenate([slope, -slope])
    order = np.argsort(knots, kind="stable")
    knots, power = knots[order], np.cumsum(change[order])
    total = np.concatenate([[0.0], np.cumsum(power[:-1] * np.diff(knots))])
    return np.asarray(np.interp(at, knots, total), dtype=np.float64)
