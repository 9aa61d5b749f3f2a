"""The reference meter: it stands outside the daemon and judges one-second means.

Three figures for every node, in whole seconds: ``raw``, the mean is above the limit that holds;
``judged``, it is above the limit once the slowest pile under the node had its declared
``response_s`` since the limit fell; ``base_alone``, what cannot be steered is above that limit
by itself, which no scheduler can help and which is not counted as judged.

Powers and limits are piecewise constant, so means are computed exactly and long stretches in
one go.
"""

from __future__ import annotations

import math
from collections import deque

from models.units import POWER_EPSILON_KW


class NodeMeter:
    """Meter of one node.

    Parameters
    ----------
    start_s : float
        Where it begins, epoch seconds.
    limit_kw : float
        The effective limit at the start, kW; inf: none.
    response_s : float
        The slowest response among the piles under the node, s >= 0.
    export_kw : float
        Most that may be fed back, a magnitude, kW; inf: nobody judges it.
    """

    __slots__ = (
        "_base_kw",
        "_base_mean",
        "_export_kw",
        "_export_mean",
        "_judged_mean",
        "_limit_kw",
        "_older",
        "_power_kw",
        "_raw_mean",
        "at_s",
        "base_alone_s",
        "drawn_kwh",
        "export_s",
        "fed_kwh",
        "judged_s",
        "peak_kw",
        "raw_s",
        "response_s",
    )

    def __init__(self, *, start_s: float, limit_kw: float, response_s: float,
                 export_kw: float = math.inf) -> None:  # fmt: skip
        self.at_s = start_s
        self.response_s = response_s
        self.raw_s = 0
        self.judged_s = 0
        self.base_alone_s = 0
        self.peak_kw = 0.0
        self.drawn_kwh = 0.0
        self.fed_kwh = 0.0
        self.export_s = 0
        self._export_kw = export_kw
        self._export_mean = 0.0
        self._limit_kw = limit_kw
        self._older: deque[tuple[float, float]] = deque()
        self._power_kw = 0.0
        self._base_kw = 0.0
        self._raw_mean = 0.0
        self._judged_mean = 0.0
        self._base_mean = 0.0

    def power(self, at_s: float, total_kw: float, base_kw: float) -> None:
        """From now on the node draws this, of which the base load is that."""
        self._pass_to(at_s)
        self._power_kw = total_kw
        self._base_kw = base_kw

    def limit(self, at_s: float, limit_kw: float) -> None:
        """From now on this limit holds. What held before still excuses for ``response_s``."""
        self._pass_to(at_s)
        if limit_kw < self._limit_kw and self.response_s > 0:
            self._older.append((at_s + self.response_s, self._limit_kw))
        self._limit_kw = limit_kw

    def close(self, at_s: float) -> None:
        """The last second ends."""
        self._pass_to(math.ceil(at_s))

    def _judged_limit_kw(self) -> float:
        return max([self._limit_kw, *(kw for _, kw in self._older)])

    def _pass_to(self, at_s: float) -> None:
        while self._older and self._older[0][0] <= at_s:
            until = self._older[0][0]
            self._stretch(until)
            self._older.popleft()
        self._stretch(at_s)

    def _stretch(self, to_s: float) -> None:
        """A stretch of constant power and limit, cut at whole seconds."""
        if to_s <= self.at_s:
            return
        power, judged = self._power_kw, self._judged_limit_kw()
        over = (
            power - self._limit_kw,
            power - judged,
            self._base_kw - judged,
            -power - self._export_kw,
        )
        hours = (to_s - self.at_s) / 3600.0
        self.drawn_kwh += max(power, 0.0) * hours
        self.fed_kwh += max(-power, 0.0) * hours
        self.peak_kw = max(self.peak_kw, power)
        first_whole = math.ceil(self.at_s)
        if first_whole > self.at_s:
            part = min(to_s, first_whole) - self.at_s
            self._add(part, over)
            if to_s < first_whole:
                self.at_s = to_s
                return
            self._count(1)
        whole = math.floor(to_s) - first_whole
        if whole > 0:
            self._add(1.0, over)
            self._count(whole)
        rest = to_s - math.floor(to_s)
        if rest > 0:
            self._add(rest, over)
        self.at_s = to_s

    def _add(self, part_s: float, over: tuple[float, float, float, float]) -> None:
        self._raw_mean += part_s * over[0]
        self._judged_mean += part_s * over[1]
        self._base_mean += part_s * over[2]
        self._export_mean += part_s * over[3]

    def _count(self, seconds: int) -> None:
        if self._raw_mean > POWER_EPSILON_KW:
            self.raw_s += seconds
        if self._base_mean > POWER_EPSILON_KW:
            self.base_alone_s += seconds
        elif self._judged_mean > POWER_EPSILON_KW:
            self.judged_s += seconds
        if self._export_mean > POWER_EPSILON_KW:
            self.export_s += seconds
        self._raw_mean = self._judged_mean = self._base_mean = self._export_mean = 0.0
