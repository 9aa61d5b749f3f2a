"""Problems to measure on: fleets of three kinds on a tree, and small random ones to compare on.

``fleet_problem`` is the published family: ten piles a feeder, eight feeders a transformer, one
site; 45 % stay overnight (7.36 kW), 30 % the working day (11 kW), 25 % a few hours (22 kW).
Seeds make instances reproducible on any machine.
"""

from __future__ import annotations

import dataclasses
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import Horizon
from scheduler.problem import Fleet, FloatArray, IntArray, PhaseLimit, Problem, plain_fleet

Load = Literal["light", "medium", "congested", "short"]
Shape = Literal["flat", "two-level", "five-level", "hourly", "quarter-hourly"]

LOADS: dict[Load, tuple[float, float]] = {
    "light": (1.0, 1.0),
    "medium": (0.7, 1.0),
    "congested": (0.5, 0.8),
    "short": (0.35, 0.9),
}
"""Tightness of the transformers and of the site."""

SHAPES: tuple[Shape, ...] = ("flat", "two-level", "five-level", "hourly", "quarter-hourly")
_MIDNIGHT_S = 1_781_971_200
_ZONE = ZoneInfo("Asia/Shanghai")
_KW = np.array([7.36, 11.0, 22.0])
_AMPS_PER_KW = 1000.0 / 230.0


def fleet_problem(
    n: int,
    *,
    load: Load = "congested",
    shape: Shape = "five-level",
    seed: int = 0,
    slot_minutes: int = 15,
    late_minutes: int = 0,
    hours: int = 24,
    by_phase: bool = False,
) -> Problem:
    """A day from 6:00 of n sessions under feeders, transformers and one point of connection.

    Parameters
    ----------
    n : int
        Number of sessions, one a pile.
    load : {"light", "medium", "congested", "short"}
        How tight the limits are; ``short`` has three priorities and cannot serve everyone.
    shape : {"flat", "two-level", "five-level", "hourly", "quarter-hourly"}
        The tariff.
    seed : int
        Of the sessions and prices.
    slot_minutes : int
        Length of a slot, a divisor of 60.
    late_minutes : int
        The horizon starts so many minutes after 6:00: a partial first slot.
    hours : int
        Length of the horizon; 23 and 25 on the days on which clocks change.
    by_phase : bool
        Single-phase piles of 32 A on the three phases in turn, and every node limited by the
        current on each phase, a third of what its kW make, instead of by its kW.
    """
    rng = np.random.default_rng(seed)
    start_s = _MIDNIGHT_S + 6 * 3600
    edges = start_s + np.arange(0, hours * 3600 + 1, slot_minutes * 60, dtype=np.int64)
    begin = start_s + late_minutes * 60
    edges = np.concatenate([[begin], edges[edges > begin]])
    horizon = Horizon(edges, _ZONE)
    hour = ((edges[:-1] - _MIDNIGHT_S) / 3600.0) % 24
    kind = rng.choice(3, n, p=[0.45, 0.30, 0.25])
    arrive_h = np.choose(kind, [rng.normal(18.5, 1.2, n), rng.normal(8.5, 0.7, n),
                                rng.uniform(7.0, 24.0, n)])  # fmt: skip
    stay_h = np.choose(kind, [rng.normal(11.5, 1.2, n), rng.normal(8.8, 0.8, n),
                              rng.uniform(1.0, 4.0, n)])  # fmt: skip
    first_s = _MIDNIGHT_S + np.round(np.maximum(arrive_h, 6.0) * 12).astype(np.int64) * 300
    last_s = np.minimum(first_s + np.round(stay_h * 12).astype(np.int64) * 300, edges[-1])
    first_s = np.minimum(first_s, last_s - 3600)
    kw = np.full(n, _KW[0]) if by_phase else _KW[kind]
    want = np.choose(kind, [rng.uniform(12, 60, n), rng.uniform(8, 45, n), rng.uniform(12, 45, n)])
    energy = np.minimum(np.round(want, 2), np.floor(0.8 * kw * (last_s - first_s) / 36) / 100)
    parent, leaf = _tree(n)
    cap = _capacities(parent, leaf, kw, hour, load)
    fleet = plain_fleet(
        tuple(f"s{i:05d}" for i in range(n)),
        leaf,
        first_s,
        last_s,
        kw,
        energy,
        rng.integers(1, 4, n) if load == "short" else None,
    )
    zeros = np.zeros(horizon.n)
    problem = Problem(
        horizon=horizon,
        node_ids=tuple(f"n{v}" for v in range(parent.size)),
        parent=parent,
        cap_kw=cap,
        fleet=fleet,
        buy_per_kwh=prices(shape, hour, rng),
        sell_per_kwh=zeros,
        surplus_kw=zeros,
    )
    return _on_phases(problem) if by_phase else problem


def _on_phases(problem: Problem) -> Problem:
    """The same piles on one phase each, the limits in amps on each phase."""
    n = problem.fleet.n
    limits = tuple(
        PhaseLimit(v, phase, cap_kw * _AMPS_PER_KW / 3.0)
        for v, cap_kw in enumerate(problem.cap_kw)
        for phase in range(3)
    )
    fleet = dataclasses.replace(
        problem.fleet, phases=2 ** (np.arange(n) % 3), amps_per_kw=np.full(n, _AMPS_PER_KW)
    )
    none = np.full(problem.cap_kw.shape, np.inf)
    return dataclasses.replace(problem, fleet=fleet, cap_kw=none, phase_limits=limits)


def prices(shape: Shape, hour: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Price per kWh of slots that begin at these hours of the day."""
    if shape == "flat":
        return np.full(hour.size, 0.60)
    if shape == "two-level":
        return np.where((hour >= 8) & (hour < 22), 0.90, 0.35)
    if shape == "five-level":
        edges = [2, 6, 8, 11, 13, 15, 18, 21, 23]
        level = np.array([0.25, 0.25, 0.38, 0.65, 0.95, 0.38, 0.65, 1.20, 0.95, 0.38])
        return np.asarray(level[np.searchsorted(edges, hour, side="right")])
    by_slot = np.round(0.6 + 0.3 * np.sin((hour - 13) / 24 * 2 * np.pi), 4)
    noise = np.round(rng.normal(0, 0.05, 24 if shape == "hourly" else hour.size), 4)
    if shape == "hourly":
        whole = np.floor(hour).astype(int)
        smooth = np.round(0.6 + 0.3 * np.sin((whole - 13) / 24 * 2 * np.pi), 4)
        return np.asarray(smooth + noise[whole])
    return np.asarray(by_slot + noise)


def _tree(n: int) -> tuple[IntArray, IntArray]:
    """One site, transformers, feeders in preorder; the feeder of each of n piles."""
    feeders = -(-n // 10)
    parent = [-1]
    feeder_node = []
    for first in range(0, feeders, 8):
        transformer = len(parent)
        parent.append(0)
        for _ in range(first, min(first + 8, feeders)):
            feeder_node.append(len(parent))
            parent.append(transformer)
    leaf = np.array(feeder_node, dtype=np.int64)[np.arange(n) // 10]
    return np.array(parent, dtype=np.int64), leaf


def _capacities(
    parent: IntArray, leaf: IntArray, kw: FloatArray, hour: FloatArray, load: Load
) -> FloatArray:
    """Feeders at 0.6 of their piles, transformers and site by load after an evening peak."""
    transformer_share, site_share = LOADS[load]
    m = parent.size
    piles = np.bincount(leaf, weights=kw, minlength=m)
    cap = np.zeros((m, hour.size))
    cap[:] = 0.6 * piles[:, None]
    transformers = np.flatnonzero(parent == 0)
    rating = np.zeros(m)
    np.add.at(rating, parent[leaf], kw)
    base = 0.43 + 0.45 * np.exp(-(((hour - 19.5) / 2.5) ** 2))
    left = rating[transformers, None] * (1.0 - base)[None, :]
    cap[transformers] = transformer_share * left
    cap[0] = 0.88 * site_share * cap[transformers].sum(axis=0)
    return np.round(cap, 3)


def random_problem(seed: int) -> Problem:
    """A small problem with every feature that a flow holds, in whole watts and seconds.

    Deep trees, unequal slots, windows that begin and end inside slots, sessions at inner nodes,
    priorities, promises, surplus tiers, single-phase limits, capacities of 0, and often too
    little of everything.
    """
    rng = np.random.default_rng(seed)
    t, m, n = int(rng.integers(1, 13)), int(rng.integers(1, 9)), int(rng.integers(1, 13))
    if rng.random() < 0.05:
        t = int(rng.integers(60, 140))
    lengths = rng.choice([60, 300, 420, 900, 3600], t)
    edges = _MIDNIGHT_S + np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    parent = np.array([-1] + [_ancestor(rng, v) for v in range(1, m)], dtype=np.int64)
    parent = _preorder(parent)
    span = int(edges[-1] - edges[0])
    begin = edges[0] + rng.integers(-600, span, n)
    end = begin + rng.integers(1, max(span, 2), n)
    kw = np.round(rng.choice([1.38, 3.68, 7.36, 11.0, 22.0, 60.0], n) * rng.choice([1, 0.5], n), 3)
    inside = np.maximum(np.minimum(end, edges[-1]) - np.maximum(begin, edges[0]), 0)
    reach = np.floor(kw * 1000 * inside * rng.uniform(0, 1.2, n)) / 3.6e6
    energy = np.where(rng.random(n) < 0.05, 0.0, reach)
    promised = np.where(rng.random(n) < 0.3, np.floor(energy * 3.6e6 * rng.random(n)) / 3.6e6, 0.0)
    if rng.random() < 0.5:
        promised[:] = 0.0
    cap = np.round(rng.uniform(0, 1.2, (m, t)) * kw.sum() * rng.uniform(0.05, 1.0, (m, 1)), 3)
    cap[rng.random((m, t)) < 0.05] = 0.0
    cap[rng.random(m) < 0.3] = np.inf
    levels = np.round(rng.uniform(0.1, 1.5, int(rng.integers(1, 6))), 3)
    buy = rng.choice(levels, t)
    sell = np.minimum(np.round(rng.choice(levels, t) * 0.6, 3), buy)
    surplus = np.where(rng.random(t) < 0.4, np.round(rng.uniform(0, kw.sum(), t), 3), 0.0)
    if rng.random() < 0.5:
        surplus[:] = 0.0
    phased = rng.random() < 0.3
    base = plain_fleet(
        tuple(f"s{i}" for i in range(n)),
        rng.integers(0, m, n),
        begin,
        end,
        kw,
        energy,
        rng.integers(0, int(rng.integers(1, 5)), n),
    )
    factor = float(rng.choice([1.0, 1.0, 1.25]))
    fleet: Fleet = dataclasses.replace(
        base,
        promised_kwh=promised,
        count_factor=np.full(n, factor),
        phases=2 ** rng.integers(0, 3, n) if phased else base.phases,
        amps_per_kw=np.full(n, 4.0) if phased else base.amps_per_kw,
    )
    limits: tuple[PhaseLimit, ...] = ()
    if phased:
        where = m - 1 if rng.random() < 0.7 else 0
        limits = tuple(
            PhaseLimit(where, phase, np.round(rng.uniform(0, 2.0, t) * kw.sum(), 1))
            for phase in range(3)
        )
    problem = Problem(
        horizon=Horizon(edges, _ZONE),
        node_ids=tuple(f"n{v}" for v in range(m)),
        parent=parent,
        cap_kw=cap,
        fleet=fleet,
        buy_per_kwh=buy,
        sell_per_kwh=sell,
        surplus_kw=surplus,
        phase_limits=limits,
    )
    if rng.random() < 0.3:
        running = np.floor(problem.upper_kwh * 3.6e6 * rng.random(problem.upper_kwh.size)) / 3.6e6
        problem = dataclasses.replace(problem, running_kwh=running)
    return problem


def _ancestor(rng: np.random.Generator, v: int) -> int:
    """A parent for node v, near ones more often: trees grow deep."""
    return int(max(v - 1 - rng.geometric(0.6) + 1, 0))


def _preorder(parent: IntArray) -> IntArray:
    """The same tree with its nodes renumbered in preorder."""
    m = parent.size
    children: list[list[int]] = [[] for _ in range(m)]
    for v in range(1, m):
        children[int(parent[v])].append(v)
    order: list[int] = []
    pending = [0]
    while pending:
        v = pending.pop()
        order.append(v)
        pending.extend(reversed(children[v]))
    place = np.empty(m, dtype=np.int64)
    place[order] = np.arange(m)
    return np.array([-1] + [int(place[parent[v]]) for v in order[1:]], dtype=np.int64)
