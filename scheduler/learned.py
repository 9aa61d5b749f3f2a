"""What drivers really take, learned from those who came before.

Drivers ask for more than their cars take: who plans for every kWh asked buys dear energy for
kWh that never flow. The likely energy of a session is a quantile of what earlier sessions of
about the same request took, among those that took at least as much as this one already has. It
moves up while the car goes on drawing, so nobody is stopped early; where too little is known,
the driver's word stands. Only sessions that ended before are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.units import ENERGY_EPSILON_KWH

REMEMBERED = 400
"""How many ended sessions are kept."""

LEAST_SESSIONS = 20
"""Fewer similar sessions than this teach nothing."""

LEAST_SURVIVORS = 4

SIMILAR = 1.5
"""Requests within this factor are similar."""

LIKELY_SHARE = 0.7
"""Share of sessions that take at most the likely energy (chosen on the sessions of May
2019: see docs/decisions)."""


@dataclass(frozen=True)
class Taken:
    """One ended session.

    Parameters
    ----------
    asked_kwh, taken_kwh : float
        What the driver asked and the car took, kWh.
    full : bool
        True when the car stopped by itself; else it may have wanted more.
    arrival_s, departure_s : float
        By the request, epoch seconds.
    left_s : float, optional
        When it left, epoch seconds; None where that was not kept.
    """

    asked_kwh: float
    taken_kwh: float
    full: bool
    arrival_s: float = 0.0
    departure_s: float = 0.0
    left_s: float | None = None


def remember(history: tuple[Taken, ...], ended: Taken) -> tuple[Taken, ...]:
    """History with one more session, the oldest dropped."""
    if ended.asked_kwh <= ENERGY_EPSILON_KWH:
        return history
    return (*history, ended)[-REMEMBERED:]


class LikelyEnergy:
    """Likely energies under one history.

    Parameters
    ----------
    history : sequence of Taken
        Ended sessions.
    share : float
        Quantile, in (0, 1]; 1 takes every driver at the word.
    """

    def __init__(self, history: Sequence[Taken], share: float = LIKELY_SHARE) -> None:
        self.share = share
        self._known: dict[tuple[float, int], float] = {}
        self._asked = np.array([h.asked_kwh for h in history], dtype=np.float64)
        # A session that was cut short may have wanted all it asked for.
        self._ratio = np.array(
            [min(h.taken_kwh / h.asked_kwh, 1.0) if h.full else 1.0 for h in history],
            dtype=np.float64,
        )

    @property
    def knows_some(self) -> bool:
        """Whether a request may mean less than its driver's word."""
        return self.share < 1 and self._asked.size >= LEAST_SESSIONS

    def total_kwh(self, asked_kwh: float, delivered_kwh: float) -> float:
        """Likely total since plug-in, kWh, in [delivered, asked].

        Parameters
        ----------
        asked_kwh : float
            The driver's word, kWh > 0.
        delivered_kwh : float
            What the car has taken so far, kWh.
        """
        if not self.knows_some or asked_kwh <= 0:
            return asked_kwh
        # Hundredths of the request are as fine as it needs to be known.
        key = (round(asked_kwh, 1), int(100.0 * delivered_kwh / asked_kwh))
        share = self._known.get(key)
        if share is None:
            share = self._known[key] = self._likely_share(asked_kwh, key[1] / 100.0)
        return max(asked_kwh * share, delivered_kwh)

    def _likely_share(self, asked_kwh: float, delivered_share: float) -> float:
        near = (self._asked >= asked_kwh / SIMILAR) & (self._asked <= asked_kwh * SIMILAR)
        ratios = self._ratio[near] if int(near.sum()) >= LEAST_SESSIONS else self._ratio
        beyond = np.sort(ratios[ratios > delivered_share + 0.01])
        if beyond.size < LEAST_SURVIVORS:
            return 1.0
        return float(beyond[min(int(self.share * beyond.size), beyond.size - 1)])


@lru_cache(maxsize=4)
def likely_energy(history: tuple[Taken, ...]) -> LikelyEnergy:
    """Likely energies under a history, looked up once for all plans that are made under it."""
    return LikelyEnergy(history)
