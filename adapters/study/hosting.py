"""How many piles a transformer hosts, with and without ordered charging.

Nights of vehicles are drawn once, and every count of piles takes the first so many of them, so the
curves differ by the count alone. What is assumed is told with the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from adapters.solving import RUNGS
from models.errors import InvalidValueError
from models.horizon import FloatArray, Horizon
from scheduler.cascade import load_solver, run_cascade
from scheduler.problem import Problem, plain_fleet

SLOT_S = 900
DAY_S = 86_400
SLOTS = DAY_S // SLOT_S
WORK_LIMIT = 2_000_000
FULL_SHARE = 0.98

# Share of its peak that a residential base load has, from noon on, hour by hour: the two-peaked
# day of a compound, highest at 19:00 to 21:00.
EVENING_SHAPE = (
    *(0.55, 0.50, 0.48, 0.47, 0.50, 0.62, 0.80, 0.96, 1.00, 0.95, 0.82, 0.65),
    *(0.50, 0.42, 0.38, 0.36, 0.36, 0.40, 0.50, 0.60, 0.58, 0.54, 0.52, 0.54),
)


@dataclass(frozen=True)
class Question:
    """What is asked.

    Parameters
    ----------
    transformer_kva, power_factor, ceiling_share : float
        Rating > 0, and what of it may be used, both shares in (0, 1].
    base_share : float
        The base load's peak over what may be used, in [0, 1).
    pile_kw : float
        Power of each pile, kW > 0.
    visits : float
        Vehicles per pile and night, in (0, 1].
    energy_kwh : float
        Mean of what a vehicle wants, kWh > 0; spread as a gamma distribution of shape 3.
    punctuality : float
        Share of vehicles that must get at least 98 % of what they want, in (0, 1].
    nights : int
        Drawn nights.
    seed : int
    """

    transformer_kva: float
    power_factor: float = 0.95
    ceiling_share: float = 0.8
    base_share: float = 0.5
    pile_kw: float = 7.0
    visits: float = 0.8
    energy_kwh: float = 15.0
    punctuality: float = 0.98
    nights: int = 10
    seed: int = 7

    def __post_init__(self) -> None:
        for name in ("transformer_kva", "pile_kw", "energy_kwh"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidValueError(f"{getattr(self, name):g} must be positive", where=name)
        for name in ("power_factor", "ceiling_share", "visits", "punctuality"):
            if not 0 < getattr(self, name) <= 1:
                raise InvalidValueError(
                    f"{getattr(self, name):g} is no share above 0 and up to 1",
                    where=name,
                    fix="98 % is 0.98",
                )
        if not 0 <= self.base_share < 1:
            raise InvalidValueError(
                f"{self.base_share:g} is no share from 0 to below 1",
                where="base_share",
                fix="with a base load up to the limit nothing fits",
            )
        if self.nights < 1:
            raise InvalidValueError("needs at least one night", where="nights")

    @property
    def limit_kw(self) -> float:
        """What may be drawn through the transformer, kW."""
        return self.transformer_kva * self.power_factor * self.ceiling_share


@dataclass(frozen=True)
class Point:
    """One count of piles.

    Parameters
    ----------
    piles : int
    uncontrolled_peak_kw : float
        Highest quarter hour of all nights, base load with it, charging at once, kW.
    first_come, ordered : float
        Share of vehicles served, in [0, 1], in the order of arrival under the limit, and ordered.
    first_come_energy, ordered_energy : float
        Share of the energy wanted that is delivered, in [0, 1]; the ordered one is the highest
        that the limit allows.
    ordered_peak_kw : float
        Highest quarter hour, kW; never above the limit.
    """

    piles: int
    uncontrolled_peak_kw: float
    first_come: float
    ordered: float
    first_come_energy: float
    ordered_energy: float
    ordered_peak_kw: float


@dataclass(frozen=True)
class Hosting:
    """The answer: piles that fit, three ways, and the curve behind it."""

    question: Question
    uncontrolled: int
    first_come: int
    ordered: int
    points: tuple[Point, ...]

    @property
    def crossing(self) -> Point | None:
        """The fewest piles tried at which ordered charging serves fewer vehicles than first come.

        Its plan is the one of most energy, not of most vehicles served: where there is too little
        for all, what is missing is spread over more of them.
        """
        return next((p for p in self.points if p.ordered < p.first_come), None)

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "question": asdict(self.question),
            "limit_kw": self.question.limit_kw,
            "piles_uncontrolled": self.uncontrolled,
            "piles_first_come": self.first_come,
            "piles_ordered": self.ordered,
            "fewer_served_than_first_come_from": None
            if self.crossing is None
            else self.crossing.piles,
            "points": [asdict(p) for p in self.points],
        }


@dataclass(frozen=True)
class _Night:
    arrival_s: FloatArray
    departure_s: FloatArray
    energy_kwh: FloatArray


def hosting(question: Question, tell: Callable[[str], None] = lambda line: None) -> Hosting:
    """How many piles fit.

    Parameters
    ----------
    question : Question
    tell : callable
        Told each count tried.

    Returns
    -------
    Hosting
        Counts are exact to about 2 %; the curve reaches past the largest.
    """
    limit = question.limit_kw
    base = np.repeat(np.array(EVENING_SHAPE), 4) * question.base_share * limit
    room_kwh = float(np.maximum(limit - base, 0.0).sum()) / 4
    most = max(int(1.3 * room_kwh / (question.visits * question.energy_kwh)), 4)
    nights = [_night(question, most, k) for k in range(question.nights)]
    known: dict[int, Point] = {}

    def at(piles: int) -> Point:
        if piles not in known:
            tell(f"{piles} piles")
            known[piles] = _point(question, base, nights, piles)
        return known[piles]

    wanted = question.punctuality
    at_once = _largest(most, lambda n: at(n).uncontrolled_peak_kw <= limit)
    in_turn = _largest(most, lambda n: at(n).first_come >= wanted)
    ordered = _largest(most, lambda n: at(n).ordered >= wanted)
    reach = min(int(1.25 * max(at_once, in_turn, ordered)) + 4, most)
    for n in np.unique(np.linspace(max(reach // 12, 1), reach, 12).astype(int)):
        at(int(n))
    points = tuple(known[n] for n in sorted(known) if n <= reach)
    return Hosting(question, at_once, in_turn, ordered, points)


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest count that fits, by halving; each way serves less as the count grows."""
    low, high = 0, most
    while high - low > max(1, low // 50):
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _night(question: Question, piles: int, k: int) -> _Night:
    """Vehicles of one night from noon to noon: back in the evening, away in the morning."""
    rng = np.random.default_rng([question.seed, k])
    comes = rng.random(piles) < question.visits
    arrival = np.clip(rng.normal(6.75, 1.5, piles), 0.5, 14.0) * 3600
    departure = np.clip(rng.normal(19.5, 0.8, piles), 15.0, 23.5) * 3600
    energy = rng.gamma(3.0, question.energy_kwh / 3.0, piles)
    most = question.pile_kw * (departure - arrival) / 3600
    return _Night(arrival, departure, np.where(comes, np.minimum(energy, most), 0.0))


def _point(question: Question, base: FloatArray, nights: Sequence[_Night], piles: int) -> Point:
    peaks, ordered_peaks, first, ordered, vehicles = [], [], 0, 0, 0
    wanted_kwh = first_kwh = ordered_kwh = 0.0
    for night in nights:
        here = np.flatnonzero(night.energy_kwh[:piles] > 0)
        vehicles += here.size
        peaks.append(float((base + _at_once(question, night, here)).max()))
        got, load = _ordered(question, base, night, here)
        wanted = night.energy_kwh[here] * FULL_SHARE
        ordered += int((got >= wanted).sum())
        in_turn = _first_come(question, base, night, here)
        first += int((in_turn >= wanted).sum())
        wanted_kwh += float(night.energy_kwh[here].sum())
        first_kwh += float(in_turn.sum())
        ordered_kwh += float(got.sum())
        ordered_peaks.append(float((base + load).max()))
    whole, energy = max(vehicles, 1), wanted_kwh or 1.0
    return Point(
        piles=piles,
        uncontrolled_peak_kw=max(peaks),
        first_come=first / whole,
        ordered=ordered / whole,
        first_come_energy=first_kwh / energy,
        ordered_energy=ordered_kwh / energy,
        ordered_peak_kw=max(ordered_peaks),
    )


def _at_once(question: Question, night: _Night, here: np.ndarray[Any, Any]) -> FloatArray:
    """Mean power of each quarter hour with everybody at full power from arrival, kW."""
    edges = np.arange(SLOTS + 1) * SLOT_S
    start = night.arrival_s[here]
    end = start + night.energy_kwh[here] / question.pile_kw * 3600
    overlap = np.minimum(end[:, None], edges[1:]) - np.maximum(start[:, None], edges[:-1])
    return np.asarray(np.maximum(overlap, 0.0).sum(axis=0) / SLOT_S * question.pile_kw)


def _ordered(
    question: Question, base: FloatArray, night: _Night, here: np.ndarray[Any, Any]
) -> tuple[FloatArray, FloatArray]:
    """Energy of each vehicle, kWh, and power of each quarter hour, kW, planned as one."""
    zone = ZoneInfo("Asia/Shanghai")
    noon = int(datetime(2026, 1, 1, 12, tzinfo=zone).timestamp())
    n = here.size
    price = np.where(base > 0.6 * base.max(initial=1.0), 1.0, 0.4)
    problem = Problem(
        horizon=Horizon(noon + np.arange(SLOTS + 1, dtype=np.int64) * SLOT_S, zone),
        node_ids=("transformer",),
        parent=np.array([-1], dtype=np.int64),
        cap_kw=np.maximum(question.limit_kw - base, 0.0)[None, :],
        fleet=plain_fleet(
            ids=tuple(f"v{k}" for k in range(n)),
            node=np.zeros(n, dtype=np.int64),
            start_s=noon + night.arrival_s[here].astype(np.int64),
            end_s=noon + night.departure_s[here].astype(np.int64),
            max_kw=np.full(n, question.pile_kw),
            energy_kwh=night.energy_kwh[here],
        ),
        buy_per_kwh=price,
        sell_per_kwh=np.zeros(SLOTS),
        surplus_kw=np.zeros(SLOTS),
    )
    answer = run_cascade(problem, [(r, load_solver(r)) for r in RUNGS], WORK_LIMIT)
    got = np.bincount(problem.entry_session, weights=answer.energy_kwh, minlength=n)
    load = np.bincount(problem.entry_slot, weights=answer.energy_kwh, minlength=SLOTS)
    return np.asarray(got, dtype=np.float64), np.asarray(load * 3600 / SLOT_S, dtype=np.float64)


def _first_come(
    question: Question, base: FloatArray, night: _Night, here: np.ndarray[Any, Any]
) -> FloatArray:
    """Energy of each vehicle, served in the order of arrival under the limit, kWh."""
    order = np.argsort(night.arrival_s[here], kind="stable")
    who = here[order]
    owed = night.energy_kwh[who].copy()
    for t in range(SLOTS):
        lo = np.maximum(night.arrival_s[who], t * SLOT_S)
        hi = np.minimum(night.departure_s[who], (t + 1) * SLOT_S)
        wants = np.minimum(question.pile_kw * np.maximum(hi - lo, 0.0) / 3600, owed)
        room = max(question.limit_kw - float(base[t]), 0.0) * SLOT_S / 3600
        before = np.cumsum(wants) - wants
        owed -= np.clip(room - before, 0.0, wants)
    got = np.empty(here.size)
    got[order] = night.energy_kwh[who] - owed
    return got
