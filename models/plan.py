"""A plan: power of every asset on one horizon, as it runs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.units import POWER_EPSILON_KW


@dataclass(frozen=True)
class SessionPlan:
    """One session's part of a plan.

    Parameters
    ----------
    starts_s : tuple of int
        Edges of its slots, epoch seconds, one more than the powers.
    power_kw : tuple of float
        Mean power in each of its slots, kW.
    """

    starts_s: tuple[int, ...]
    power_kw: tuple[float, ...]

    def at(self, seconds: float) -> float:
        """Planned power at an instant, kW; 0 outside."""
        k = bisect_right(self.starts_s, seconds) - 1
        return self.power_kw[k] if 0 <= k < len(self.power_kw) else 0.0

    def ends_after(self, seconds: float) -> bool:
        """Whether no power is planned in any slot after the one that holds an instant."""
        k = bisect_right(self.starts_s, seconds)
        return not any(power > POWER_EPSILON_KW for power in self.power_kw[k:])

    def next_edge_s(self, seconds: float) -> float:
        """Where the planned power may next change after an instant; inf: never."""
        k = bisect_right(self.starts_s, seconds)
        return float(self.starts_s[k]) if k < len(self.starts_s) else math.inf

    def energy_between(self, start_s: float, end_s: float) -> float:
        """Planned energy in [start_s, end_s), kWh."""
        total = 0.0
        for k, power in enumerate(self.power_kw):
            lo, hi = max(self.starts_s[k], start_s), min(self.starts_s[k + 1], end_s)
            if hi > lo:
                total += power * (hi - lo) / 3600.0
        return total


@dataclass(frozen=True, eq=False)
class PlanColumns:
    """The sessions of a plan that have a power, one after another.

    Parameters
    ----------
    row : dict of str to int
        Place of each session among them.
    begins : ndarray, shape (n,)
        Where each one's edges begin.
    starts_s, power_kw : ndarray
        Edges of the slots of each, epoch seconds, the last one's end among them, and the power
        from there on, kW; 0 at the end.
    """

    row: dict[str, int]
    begins: NDArray[np.int64]
    starts_s: NDArray[np.int64]
    power_kw: NDArray[np.float64]

    def at(self, seconds: float) -> PlannedNow:
        """What :class:`SessionPlan` says of an instant, for all of them at once."""
        begins, total = self.begins, self.starts_s.size
        if not begins.size:
            return PlannedNow(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.bool_))
        # Edges of each that have passed, and the place of the next.
        passed = np.add.reduceat(self.starts_s <= seconds, begins, dtype=np.int64)
        ahead = begins + passed
        ends = np.append(begins[1:], total)
        power = np.where(passed > 0, self.power_kw[np.maximum(ahead - 1, 0)], 0.0)
        more = ahead < ends
        edge = np.where(more, self.starts_s[np.minimum(ahead, total - 1)], np.inf)
        busy = np.where(self.power_kw > POWER_EPSILON_KW, np.arange(total), -1)
        return PlannedNow(power, edge, np.maximum.reduceat(busy, begins) < ahead)


class PlannedNow(NamedTuple):
    """The sessions of a plan's columns at an instant: planned power, kW, 0 outside; where it may
    next change, epoch seconds, inf: never; whether nothing is planned after the present slot.
    """

    power_kw: NDArray[np.float64]
    edge_s: NDArray[np.float64]
    ends: NDArray[np.bool_]


class PlannedSessions(Mapping[str, SessionPlan]):
    """The sessions of a plan, each made into an object when it is asked for: of the thousands of
    a plan few are, before the next one comes.

    Parameters
    ----------
    ids : tuple of str
        n sessions, unique.
    offsets : ndarray, shape (n + 1,)
        Where each one's powers begin.
    first : ndarray, shape (n,)
        The slot of ``edges_s`` that each one begins in.
    begin_s, end_s : ndarray, shape (n,)
        Where the first and the last slot of each begin and end, epoch seconds; of no meaning for
        one without any slot.
    edges_s : tuple of int
        Slot edges of the horizon.
    power_kw : ndarray, shape (offsets[-1],)
        Mean power in each slot of each, kW.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        offsets: NDArray[np.int64],
        first: NDArray[np.int64],
        begin_s: NDArray[np.int64],
        end_s: NDArray[np.int64],
        edges_s: tuple[int, ...],
        power_kw: NDArray[np.float64],
    ) -> None:
        self._row = dict(zip(ids, range(len(ids)), strict=True))
        self._offsets, self._first = offsets, first
        self._begin_s, self._end_s = begin_s, end_s
        self._edges_s, self._power_kw = edges_s, power_kw
        self._made: dict[str, SessionPlan] = {}

    def __getitem__(self, session: str) -> SessionPlan:
        made = self._made.get(session)
        if made is None:
            made = self._made[session] = self._make(self._row[session])
        return made

    def get(self, session: str, default: Any = None) -> Any:
        """The part of a session; ``default`` where the plan says nothing of it."""
        return self[session] if session in self._row else default

    def __contains__(self, session: object) -> bool:
        return session in self._row

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)

    def _make(self, k: int) -> SessionPlan:
        lo, hi = int(self._offsets[k]), int(self._offsets[k + 1])
        if hi == lo:
            return SessionPlan((), ())
        # Between its first slot and its last a session's edges are those of the horizon.
        first = int(self._first[k])
        inside = self._edges_s[first + 1 : first + hi - lo]
        starts = (int(self._begin_s[k]), *inside, int(self._end_s[k]))
        return SessionPlan(starts, tuple(self._power_kw[lo:hi].tolist()))


@dataclass(frozen=True)
class Plan:
    """The plan that runs.

    Parameters
    ----------
    digest : str
        Of the problem it answers.
    made_s : int
        Start of its horizon, epoch seconds.
    end_s : int
        End of its horizon, epoch seconds.
    status, rung : str
        As the solver said.
    gap : float
        Relative distance to the bound; nan where unknown.
    sessions : mapping of str to SessionPlan
        By session.
    assets : dict of str to SessionPlan
        By storage and PV plant, negative while it gives.
    curtailed : dict of str to tuple of bool
        By PV plant and slot: whether the plan wants less than the sun would give.
    edges_s : tuple of int
        Slot edges of the horizon.
    site_kw : tuple of float
        Power at the point of connection in each slot, kW: sessions and what cannot be steered;
        empty while no price stands on a peak.
    aims : tuple of (str, float)
        By demand term of a month: the mean power, kW, that no interval of it should exceed.
    connection_kw : tuple of float
        Power at the point of connection in each slot, storage and PV included, kW; empty where no
        asset was planned.
    """

    digest: str
    made_s: int
    end_s: int
    status: str
    rung: str
    gap: float
    edges_s: tuple[int, ...]
    sessions: Mapping[str, SessionPlan]
    assets: dict[str, SessionPlan] = field(default_factory=dict)
    curtailed: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    site_kw: tuple[float, ...] = ()
    aims: tuple[tuple[str, float], ...] = ()
    connection_kw: tuple[float, ...] = ()

    @cached_property
    def columns(self) -> PlanColumns:
        """All sessions' powers in one place, to be worked with at once."""
        parts = {name: part for name, part in self.sessions.items() if part.power_kw}
        sizes = np.array([len(part.starts_s) for part in parts.values()], dtype=np.int64)
        total = int(sizes.sum())
        starts = chain.from_iterable(part.starts_s for part in parts.values())
        powers = chain.from_iterable((*part.power_kw, 0.0) for part in parts.values())
        return PlanColumns(
            row={name: k for k, name in enumerate(parts)},
            begins=np.cumsum(sizes) - sizes,
            starts_s=np.fromiter(starts, np.int64, total),
            power_kw=np.fromiter(powers, np.float64, total),
        )

    @cached_property
    def relaxed(self) -> PlanColumns:
        """The same before it was made holdable; of a plan out of a store what runs is all there is.

        The next plan is looked for from here: what runs lies some moves away from what costs least.
        """
        return self.columns

    def connection_between(self, start_s: float, end_s: float) -> float:
        """Mean planned power at the connection in [start_s, end_s), kW; nan outside the plan."""
        if not self.connection_kw or start_s < self.edges_s[0] or end_s > self.edges_s[-1]:
            return math.nan
        whole = SessionPlan(self.edges_s, self.connection_kw)
        return whole.energy_between(start_s, end_s) * 3600.0 / (end_s - start_s)
