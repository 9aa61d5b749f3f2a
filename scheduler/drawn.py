"""What the site drew lately, minute by minute, and how high the month's intervals came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import FloatArray, IntArray
from models.units import SECONDS_PER_HOUR
from tariffs.demand import DemandTerm, peak_of

CELL_S = 60
"""Energy is kept by the minute: intervals begin and end on whole minutes."""

GAP_S = 3600.0
"""After so long without a word nothing is known of the time between."""


LONGEST_MONTH_S = 31 * 86_400 + 7200
"""With a change of clocks: what began longer ago is not the month before."""


@dataclass(frozen=True)
class Drawn:
    """Energy drawn from the grid by the minute, as far back as an interval reaches.

    Parameters
    ----------
    at_s : float
        Epoch seconds up to which energy is counted.
    power_kw : float
        What is drawn from then on, kW >= 0.
    begin_s : int
        Where the first minute of ``kwh`` begins.
    kwh : tuple of float
        Energy of each minute; the last one is still open.
    month_s : int
        Where the month of ``peaks_kw`` begins.
    peaks_kw : dict
        By demand term, as :func:`key_of` names it: the highest interval of the month so far.
    before_kw : dict
        The same of the month before; empty where it was not watched to its end.
    """

    at_s: float
    power_kw: float
    begin_s: int
    kwh: tuple[float, ...]
    month_s: int
    peaks_kw: dict[str, float] = field(default_factory=dict)
    before_kw: dict[str, float] = field(default_factory=dict)

    def stretches(self, now_s: float) -> tuple[IntArray, IntArray, FloatArray]:
        """Starts, ends (epoch seconds) and mean power (kW) of each minute until now."""
        counted = self.counted_to(now_s)
        starts = counted.begin_s + CELL_S * np.arange(len(counted.kwh), dtype=np.int64)
        ends = np.minimum(starts + CELL_S, int(now_s))
        some = ends > starts
        power = np.array(counted.kwh)[some] * SECONDS_PER_HOUR / (ends - starts)[some]
        return starts[some], ends[some], power

    def counted_to(self, now_s: float) -> Drawn:
        """The same with energy counted up to an instant no more than ``GAP_S`` away."""
        kwh = list(self.kwh)
        at, per_s = self.at_s, self.power_kw / SECONDS_PER_HOUR
        while at < now_s:
            edge = self.begin_s + CELL_S * len(kwh)
            upto = min(edge, now_s)
            kwh[-1] += per_s * (upto - at)
            at = upto
            if at >= edge:
                kwh.append(0.0)
        return replace(self, at_s=max(now_s, self.at_s), kwh=tuple(kwh))


def key_of(number: int, term: DemandTerm) -> str:
    """The name of a month's term among the others."""
    return f"{number}:{term.name}"


def month_key(number: int, term: DemandTerm) -> str:
    """The same, told apart from that of other months."""
    return f"{term.month_start_s}:{key_of(number, term)}"


def begun(now_s: float, power_kw: float, month_s: int) -> Drawn:
    """Nothing is known before now."""
    return Drawn(now_s, power_kw, int(now_s) // CELL_S * CELL_S, (0.0,), month_s)


def counted(
    drawn: Drawn | None,
    now_s: float,
    power_kw: float,
    terms: Sequence[DemandTerm],
    zone: ZoneInfo,
) -> Drawn:
    """What is known one moment later.

    Parameters
    ----------
    drawn : Drawn or None
        What was known before.
    now_s : float
        Epoch seconds.
    power_kw : float
        Power drawn from the grid now, kW; feeding in counts as 0.
    terms : sequence of DemandTerm
        Of this month, at least one.
    zone : ZoneInfo
        The site's zone.
    """
    power = max(power_kw, 0.0)
    month_s = terms[0].month_start_s
    if drawn is None or not 0.0 <= now_s - drawn.at_s <= GAP_S:
        fresh = begun(now_s, power, month_s)
        if drawn is None:
            return fresh
        peaks, before = _months(drawn, month_s)
        return replace(fresh, peaks_kw=peaks, before_kw=before)
    minute = int(now_s) // CELL_S
    if minute == int(drawn.at_s) // CELL_S:
        if power == drawn.power_kw:
            return drawn
        return replace(drawn.counted_to(now_s), power_kw=power)
    later = drawn.counted_to(now_s)
    peaks, before = _months(drawn, month_s)
    starts = later.begin_s + CELL_S * np.arange(len(later.kwh) - 1, dtype=np.int64)
    means = np.array(later.kwh[:-1]) * (SECONDS_PER_HOUR / CELL_S)
    for number, term in enumerate(terms):
        found = peak_of(starts, starts + CELL_S, means, term, zone)
        if found is not None:
            key = key_of(number, term)
            peaks[key] = max(peaks.get(key, 0.0), found.power_kw)
    kept_s = minute * CELL_S - max(term.interval_s for term in terms)
    over = min(max((kept_s - later.begin_s) // CELL_S, 0), len(later.kwh) - 1)
    return replace(
        later,
        power_kw=power,
        begin_s=later.begin_s + CELL_S * over,
        kwh=later.kwh[over:],
        month_s=month_s,
        peaks_kw=peaks,
        before_kw=before,
    )


def _months(drawn: Drawn, month_s: int) -> tuple[dict[str, float], dict[str, float]]:
    """Peaks of the month that begins at ``month_s``, and of the one before it."""
    if drawn.month_s == month_s:
        return dict(drawn.peaks_kw), drawn.before_kw
    if 0 < month_s - drawn.month_s <= LONGEST_MONTH_S:
        return {}, drawn.peaks_kw
    return {}, {}
