"""``earlier-sessions``: what stands for a word that a driver did not say.

It knows only sessions that had ended before the arrival in question. Energy is the 80th
percentile of what earlier sessions took, since an estimate too low leaves a car short and one
too high only reserves; the stay is the 25th percentile of those that came at the same time of
day (within 1.5 h), since a car that stays on is served on. Fewer than 20 of them: all earlier
ones; fewer than 5: 10 kWh and 4 h.
"""

from __future__ import annotations

import heapq
from bisect import insort
from dataclasses import dataclass
from datetime import datetime, timedelta

ENERGY_SHARE = 0.80
STAY_SHARE = 0.25
FIRST_ENERGY_KWH = 10.0
FIRST_STAY = timedelta(hours=4)
_NEAR_S = 5400.0
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Estimate:
    """Energy, kWh, and length of stay."""

    energy_kwh: float
    stay: timedelta


class Estimator:
    """Learns from the sessions of one site, in the order they end."""

    def __init__(self) -> None:
        self._open: list[tuple[float, float, float, float]] = []
        self._energies: list[float] = []
        self._stays: list[tuple[float, float]] = []

    def learn_later(self, arrival: datetime, departure: datetime, energy_kwh: float) -> None:
        """A session that will be known once it has ended."""
        start, end = arrival.timestamp(), departure.timestamp()
        heapq.heappush(self._open, (end, start, end - start, energy_kwh))

    def pass_to(self, now: datetime) -> None:
        """Sessions that have ended by now become known."""
        while self._open and self._open[0][0] <= now.timestamp():
            _, start, stay_s, energy = heapq.heappop(self._open)
            insort(self._energies, energy)
            self._stays.append((start % _DAY_S, stay_s))

    def estimate(self, arrival: datetime) -> Estimate:
        """What to expect of a session that begins now."""
        if len(self._energies) < 5:
            return Estimate(FIRST_ENERGY_KWH, FIRST_STAY)
        clock = arrival.timestamp() % _DAY_S
        near = [s for t, s in self._stays if _apart_s(t, clock) <= _NEAR_S]
        stays = sorted(near if len(near) >= 20 else (s for _, s in self._stays))
        energy = self._energies[int(ENERGY_SHARE * (len(self._energies) - 1))]
        stay_s = stays[int(STAY_SHARE * (len(stays) - 1))]
        return Estimate(energy, timedelta(seconds=max(stay_s, 60.0)))


def _apart_s(a: float, b: float) -> float:
    """Distance of two times of day, s."""
    apart = abs(a - b)
    return min(apart, _DAY_S - apart)
