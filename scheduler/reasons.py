"""Why a session charges when it does, as numbers: what it waits for, saves, and lacks.

Everything is read off a plan: the prices of the slots it uses against those of charging at once,
the nodes that are full, and, for a short session, the cut that keeps it short. ``scheduler.why``
puts it into words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.units import POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.dearer import Dearer, Offers
from scheduler.later_departure import later_departure_s
from scheduler.limits_above import LimitsAbove, limit_names, limit_rooms, uneven_node
from scheduler.problem import FloatArray, Problem
from scheduler.shortage import Cut, Cuts

Kind = Literal["served", "at_once", "charging", "throttled", "price", "room", "time", "short"]
"""What holds a session: nothing more to do; it was asked for at once; it charges, or less than
it could; it waits for a price, for room, or because there is time; it ends short."""

OFFERS_AT_MOST = 16
"""So many short sessions of one plan are looked into for more at a higher price: some ms each."""

SHORT_KWH = 0.1
"""A session is called short from here on."""

_LEAST_KWH = 1e-6

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Span:
    """A node that is full, from one instant to another, epoch seconds."""

    node: str
    start_s: int
    end_s: int


@dataclass(frozen=True)
class Reason:
    """What one session's part of a plan rests on.

    Parameters
    ----------
    session : str
    kind : Kind
    power_kw, max_kw : float
        Planned in the present slot, and the most it could take, kW.
    planned_kwh, short_kwh : float
        What the plan gives, and what is owed beyond it, kWh >= 0.
    from_s, until_s, ready_s : int or None
        The present or next stretch of charging, and the end of the last, epoch seconds.
    period : str
        Tariff period of most of that stretch, of its beginning where it waits for a price; empty
        where the tariff names none.
    then_s : int or None
        Where it waits for a price, and another period takes more than that of the beginning:
        when charging in that one begins, epoch seconds.
    then_period : str
        That period.
    price_now, price_then : float
        Per kWh in the present slot, and the mean over what is planned.
    cost, saved : float
        Money for what is planned, and by how much charging the same at once, limits aside,
        would cost more.
    full : tuple of Span
        What binds: the cut of a short session, else the full nodes on its own path now.
    free : str
        A node on its path that is not what it waits for, empty if there is none.
    others : int
        Sessions beside it behind the same cut.
    least_kw : float
        Least power of its pile, or its step where that is all it has, kW, where the session is
        short for it and for nothing else; else 0.
    uneven : str
        The node whose phases may not be loaded further apart, where the session is short for that.
    later_s : int or None
        A departure at which the rest would fit beside everybody else's plan, epoch seconds;
        None where none inside the window would do.
    dearer : Dearer or None
        What it could have at a higher price: more where it ends short, the same sooner where it
        waits for a price.
    """

    session: str
    kind: Kind
    power_kw: float
    max_kw: float
    planned_kwh: float
    short_kwh: float
    from_s: int | None
    until_s: int | None
    ready_s: int | None
    period: str
    then_s: int | None
    then_period: str
    price_now: float
    price_then: float
    cost: float
    saved: float
    full: tuple[Span, ...]
    free: str
    others: int
    least_kw: float
    uneven: str
    later_s: int | None
    dearer: Dearer | None = None


class Reasons:
    """A plan and what its sessions rest on; asked session by session.

    Parameters
    ----------
    problem : Problem
        The problem.
    energy_kwh : ndarray, shape (offsets[-1],)
        Its plan.
    periods : sequence of str, optional
        Tariff period of each slot.
    assets_kw : ndarray, optional
        Planned powers of the microgrid's storage and PV.
    relaxed_kwh : ndarray, optional
        The plan as if piles held any power, where the plan is not that.
    """

    def __init__(
        self,
        problem: Problem,
        energy_kwh: FloatArray,
        *,
        periods: Sequence[str] = (),
        assets_kw: FloatArray | None = None,
        relaxed_kwh: FloatArray | None = None,
    ) -> None:
        self._problem = problem
        self._energy = energy_kwh
        self._periods = periods
        self._assets_kw = assets_kw
        self._relaxed_kwh = relaxed_kwh
        self._above = LimitsAbove(problem)
        self._looked_for = 0

    @cached_property
    def cuts(self) -> Cuts:
        """What keeps sessions short, each cut looked for once."""
        return Cuts(self._problem, self._energy, self._assets_kw, self._relaxed_kwh)

    @cached_property
    def _rooms(self) -> tuple[FloatArray, Bools]:
        return limit_rooms(self._problem, self._energy, self._assets_kw)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return limit_names(self._problem)

    @cached_property
    def _offers(self) -> Offers:
        return Offers(self._problem, self._energy, self._rooms[0], self._above)

    @property
    def full(self) -> Bools:
        """Slots in which each node is full, shape (m, T)."""
        return self._rooms[1][: len(self._problem.node_ids)]

    def of(self, i: int, cut: Cut | None = None, *, short_kwh: float | None = None) -> Reason:
        """What session i rests on.

        Parameters
        ----------
        i : int
            Index of the session in the problem's fleet.
        cut : Cut, optional
            What keeps it short, from :attr:`cuts`; without one the full nodes on its own path
            stand for it.
        short_kwh : float, optional
            What it ends short by, where the caller knows better than the problem.
        """
        problem, fleet = self._problem, self._problem.fleet
        lo, hi = int(problem.offsets[i]), int(problem.offsets[i + 1])
        slots = problem.entry_slot[lo:hi]
        energy, price = self._energy[lo:hi], problem.buy_per_kwh[slots]
        planned = float(energy.sum())
        short = self._short(i, planned) if short_kwh is None else short_kwh
        cost = float(energy @ price)
        most = problem.upper_kwh[lo:hi]
        at_once = np.diff(np.minimum(np.cumsum(most), planned), prepend=0.0)
        stretch = _stretch(energy)
        seconds = problem.entry_s[lo:hi]
        here = hi > lo and fleet.start_s[i] <= problem.horizon.start_s
        power = float(energy[0]) * SECONDS_PER_HOUR / max(int(seconds[0]), 1) if here else 0.0
        kind = self._kind(i, energy, power, short)
        begins = problem.horizon.n if stretch is None else int(slots[stretch[0]])
        full = self._binding(i, kind, slots, begins, cut)
        period, later = self._period(slots, energy, stretch), None
        if kind == "price" and stretch is not None:
            period, later = self._first_and_most(slots, energy)
        least_kw = self._least_kw(i) if cut is not None and cut.relaxed else 0.0
        uneven = ""
        if least_kw and problem.imbalances:
            uneven = uneven_node(problem, i, self._energy, least_kw)
        edges = np.clip(problem.horizon.edges_s, fleet.start_s[i], fleet.end_s[i])
        last = np.flatnonzero(energy > _LEAST_KWH)
        return Reason(
            session=fleet.ids[i],
            kind=kind,
            power_kw=power,
            max_kw=float(fleet.max_kw[i]),
            planned_kwh=planned,
            short_kwh=short,
            from_s=None if stretch is None else int(edges[slots[stretch[0]]]),
            until_s=None if stretch is None else int(edges[slots[stretch[1]] + 1]),
            ready_s=int(edges[slots[last[-1]] + 1]) if last.size else None,
            period=period,
            then_s=None if later is None else int(edges[slots[later]]),
            then_period="" if later is None else self._periods[int(slots[later])],
            price_now=float(problem.buy_per_kwh[0]),
            price_then=cost / planned if planned > _LEAST_KWH else math.nan,
            cost=cost,
            saved=float(at_once @ price) - cost,
            full=full,
            free=self._free(i, full),
            others=0 if cut is None else max(len(cut.sessions) - 1, 0),
            least_kw=least_kw,
            uneven=uneven,
            later_s=later_departure_s(problem, i, short, self._rooms[0], self._above.of(i))
            if kind == "short" and not uneven
            else None,
            dearer=self._dearer(i, kind),
        )

    def _dearer(self, i: int, kind: Kind) -> Dearer | None:
        if kind == "short":
            self._looked_for += 1
            return self._offers.more(i) if self._looked_for <= OFFERS_AT_MOST else None
        return self._offers.sooner(i) if kind == "price" else None

    def _short(self, i: int, planned: float) -> float:
        """Owed and not planned, kWh; 0 where the stay goes on beyond the window."""
        fleet = self._problem.fleet
        if int(fleet.end_s[i]) >= self._problem.horizon.end_s:
            return 0.0
        return max(float(fleet.energy_kwh[i]) - planned, 0.0)

    def _least_kw(self, i: int) -> float:
        fleet = self._problem.fleet
        return float(fleet.min_kw[i]) or float(fleet.step_kw[i])

    def _kind(self, i: int, energy: FloatArray, power: float, short: float) -> Kind:
        problem = self._problem
        fleet = problem.fleet
        if short > SHORT_KWH:
            return "short"
        if not bool((energy > _LEAST_KWH).any()):
            return "served"
        if bool(fleet.earliest[i]):
            return "at_once"
        full_now = any(self._rooms[1][v, 0] for v in self._above.of(i))
        if power > POWER_EPSILON_KW:
            throttled = full_now and power < 0.95 * float(fleet.max_kw[i])
            return "throttled" if throttled else "charging"
        lo = int(problem.offsets[i])
        planned = float(energy.sum())
        price = problem.buy_per_kwh[problem.entry_slot[lo : lo + energy.size]]
        mean, now = float(energy @ price) / planned, float(problem.buy_per_kwh[0])
        first = float(price[np.argmax(energy > _LEAST_KWH)])
        # What begins at the price of now waits for something else, however cheap its end is.
        if mean < now - 1e-9 and abs(first - now) > 1e-9:
            return "price"
        return "room" if full_now else "time"

    def _binding(
        self, i: int, kind: Kind, slots: NDArray[np.int64], begins: int, cut: Cut | None
    ) -> tuple[Span, ...]:
        """What is full and holds session i, whose charging begins in slot ``begins``."""
        above, full = self._above.of(i), self._rooms[1]
        if kind == "short" and cut is not None:
            index = {n: v for v, n in enumerate(self._names)}
            found = [(index[n], np.array(held, dtype=np.int64)) for n, held in cut.nodes]
        elif kind == "short":
            found = [(v, slots[full[v, slots]]) for v in above]
        elif kind in ("throttled", "room"):
            found = [(v, _run_from(full[v])) for v in above]
            if kind == "room":
                # From its turn on the node may well be full of itself.
                found = [(v, held[held < begins]) for v, held in found]
        else:
            return ()
        return tuple(s for v, held in found for s in self._spans(v, held))

    def _spans(self, v: int, slots: NDArray[np.int64]) -> list[Span]:
        """Slots in which a node is full, neighbours joined."""
        if not slots.size:
            return []
        edges, name = self._problem.horizon.edges_s, self._names[v]
        runs = np.split(slots, np.flatnonzero(np.diff(slots) > 1) + 1)
        return [Span(name, int(edges[r[0]]), int(edges[r[-1] + 1])) for r in runs]

    def _free(self, i: int, full: tuple[Span, ...]) -> str:
        """The lowest node on the path with a limit of its own that has room now."""
        problem, taken = self._problem, {s.node for s in full}
        for v in self._above.of(i):
            if self._names[v] in taken:
                continue
            if self._rooms[1][v, 0]:
                return ""
            if v < len(problem.node_ids) and np.isfinite(problem.cap_kw[v, 0]):
                return self._names[v]
        return ""

    def _period(
        self, slots: NDArray[np.int64], energy: FloatArray, stretch: tuple[int, int] | None
    ) -> str:
        """The period in which most of a stretch's energy falls."""
        if not self._periods or stretch is None:
            return ""
        totals: dict[str, float] = {}
        for k in range(stretch[0], stretch[1] + 1):
            name = self._periods[int(slots[k])]
            totals[name] = totals.get(name, 0.0) + float(energy[k])
        return max(totals, key=lambda p: totals[p])

    def _first_and_most(
        self, slots: NDArray[np.int64], energy: FloatArray
    ) -> tuple[str, int | None]:
        """The period in which charging begins, and where another takes most of it, that one's
        first entry.
        """
        if not self._periods:
            return "", None
        on = np.flatnonzero(energy > _LEAST_KWH)
        names = [self._periods[int(slots[k])] for k in on]
        totals: dict[str, float] = {}
        for k, name in zip(on, names, strict=True):
            totals[name] = totals.get(name, 0.0) + float(energy[k])
        most = max(totals, key=lambda p: totals[p])
        return names[0], None if most == names[0] else int(on[names.index(most)])


def _stretch(energy: FloatArray) -> tuple[int, int] | None:
    """First and last entry of the first run of charging."""
    on = np.flatnonzero(energy > _LEAST_KWH)
    if not on.size:
        return None
    breaks = np.flatnonzero(np.diff(on) > 1)
    return int(on[0]), int(on[breaks[0]]) if breaks.size else int(on[-1])


def _run_from(full: Bools) -> NDArray[np.int64]:
    """The slots from now on in which a node stays full."""
    if not full[0]:
        return np.zeros(0, dtype=np.int64)
    ends = np.flatnonzero(~full)
    return np.arange(int(ends[0]) if ends.size else full.size, dtype=np.int64)
