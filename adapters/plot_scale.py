"""From numbers to a plot's own units: scales, ticks, and step functions as paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 46, 18, 20, 24
"""Margins of every plot."""


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``."""
    span = max(high - low, 1e-9)
    raw = span / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(k * step, 9) for k in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """Where a value lies."""

    low: float
    high: float
    at_low: float
    at_high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.at_low + share * (self.at_high - self.at_low)


class LogScale(Scale):
    """Where a positive value lies among powers of ten."""

    def __call__(self, value: float) -> float:
        span = max(math.log10(self.high / self.low), 1e-9)
        share = math.log10(value / self.low) / span
        return self.at_low + share * (self.at_high - self.at_low)


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from at most ``low`` > 0 to at least ``high``."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**k for k in range(first, max(last, first + 1) + 1)]


def ribbon(
    edges: Sequence[int], top: Sequence[float], bottom: Sequence[float], x: Scale, y: Scale
) -> str:
    """A stack's part as a path: along the top, back along the bottom."""
    there = steps(edges, top, x, y)
    back = steps(edges, bottom, x, y)
    return "M" + "L".join(there) + "L" + "L".join(reversed(back)) + "Z"


def steps(edges: Sequence[int], values: Sequence[float], x: Scale, y: Scale) -> list[str]:
    """Corners of a step function, equal neighbours joined."""
    out = []
    for k, v in enumerate(values):
        if k == 0 or abs(values[k - 1] - v) > 1e-9:
            out.append(f"{x(edges[k]):.1f} {y(v):.1f}")
        if k == len(values) - 1 or abs(values[k + 1] - v) > 1e-9:
            out.append(f"{x(edges[k + 1]):.1f} {y(v):.1f}")
    return out


def step_line(
    values: Sequence[float | None], css: str, edges: Sequence[int], x: Scale, y: Scale
) -> str:
    """A step function as a path; None leaves a gap."""
    parts: list[str] = []
    run: list[str] = []
    for k, v in enumerate(values):
        if v is None:
            if run:
                parts.append("M" + "L".join(run))
            run = []
            continue
        run.append(f"{x(edges[k]):.1f} {y(v):.1f}")
        run.append(f"{x(edges[k + 1]):.1f} {y(v):.1f}")
    if run:
        parts.append("M" + "L".join(run))
    return f'<path class="line {css}" d="{"".join(parts)}"/>' if parts else ""
