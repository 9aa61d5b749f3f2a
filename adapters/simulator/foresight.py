"""Perfect foresight: the least cost of the most energy, for one who knows every truth.

One linear program on slots of the local clock, split at prices' and limits' edges, windows pro
rata. It is a bound: it knows no 6 A minimum, no reaction time, and splits energy freely within
a slot.

A limit can bind only in slots where the largest powers of the cars present add up to more than
it; cars that meet in no such slot, not even by way of others, are planned apart. So months fall
into programs of about a day, with the same optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adapters.simulator.costs import PriceSum
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Vehicle
from models.horizon import FloatArray, Horizon, IntArray, local_grid_s
from models.site import Site
from scheduler.problem import Fleet, Problem
from scheduler.solution import Solution
from scheduler.solvers.highs import solve_delivering, solve_lexicographic


@dataclass(frozen=True)
class Foresight:
    """Energy by session, kWh, and what it costs."""

    delivered_kwh: dict[str, float]
    cost: float

    @property
    def total_kwh(self) -> float:
        """Energy of all sessions, kWh."""
        return sum(self.delivered_kwh.values())


def perfect_foresight(
    site: Site, vehicles: Sequence[Vehicle], prices: PriceSum, world: Trace, *, slot_minutes: int
) -> Foresight:
    """Most energy first, then least cost.

    Parameters
    ----------
    site : Site
        Tree, piles and zone.
    vehicles : sequence of Vehicle
        The truth.
    prices : PriceSum
        What energy costs.
    world : Trace
        Limits and base load as they were in a run.
    slot_minutes : int
        Length of a slot.
    """
    return _solve_all(site, vehicles, prices, world, slot_minutes, solve_lexicographic)


def least_cost_of(
    site: Site,
    vehicles: Sequence[Vehicle],
    prices: PriceSum,
    world: Trace,
    given_kwh: dict[str, float],
    *,
    slot_minutes: int,
) -> Foresight:
    """The least cost of giving each session a stated energy, by session."""

    def solve(problem: Problem) -> Solution:
        given = np.array([given_kwh.get(s, 0.0) for s in problem.fleet.ids])
        return solve_delivering(problem, given)

    return _solve_all(site, vehicles, prices, world, slot_minutes, solve)


def _solve_all(
    site: Site,
    vehicles: Sequence[Vehicle],
    prices: PriceSum,
    world: Trace,
    slot_minutes: int,
    solve: Callable[[Problem], Solution],
) -> Foresight:
    delivered: dict[str, float] = {}
    cost = 0.0
    if not vehicles:
        return Foresight(delivered, cost)
    whole = _horizon(site, vehicles, prices, world, slot_minutes)
    caps = _caps(site, world, whole)
    for group in _apart(site, vehicles, whole, caps):
        lo = int(np.searchsorted(whole.edges_s, min(v.arrival_s for v in group), side="right")) - 1
        hi = int(np.searchsorted(whole.edges_s, max(v.departure_s for v in group), side="left"))
        horizon = Horizon(whole.edges_s[lo : hi + 1], site.zone)
        problem = Problem(
            horizon=horizon,
            node_ids=site.network.ids,
            parent=np.array(site.network.parents, dtype=np.int64),
            cap_kw=caps[:, lo:hi],
            fleet=fleet_of_truth(site, group),
            buy_per_kwh=prices.of_slots(horizon),
            sell_per_kwh=np.zeros(horizon.n),
            surplus_kw=np.zeros(horizon.n),
        )
        answer = solve(problem)
        given = np.bincount(
            problem.entry_session, weights=answer.energy_kwh, minlength=problem.fleet.n
        )
        delivered.update(zip(problem.fleet.ids, given.tolist(), strict=True))
        cost += answer.cost(problem)
    return Foresight(delivered, cost)


def _horizon(
    site: Site, vehicles: Sequence[Vehicle], prices: PriceSum, world: Trace, slot_minutes: int
) -> Horizon:
    start = int(min(v.arrival_s for v in vehicles) // 1)
    end = int(-(-max(v.departure_s for v in vehicles) // 1))
    grid = local_grid_s(start, end, slot_minutes, site.zone)
    changes = [int(s) for steps in world.limits.values() for s, _ in steps]
    changes += [int(s) for s, _ in world.base]
    extra = np.array([start, end, *changes, *prices.edges_s.tolist()], dtype=np.int64)
    edges = np.unique(np.concatenate([grid, extra]))
    return Horizon(edges[(edges >= start) & (edges <= end)], site.zone)


def _caps(site: Site, world: Trace, horizon: Horizon) -> FloatArray:
    """Power left for cars at each node in each slot, kW, shape (m, T)."""
    caps = np.full((len(site.network.nodes), horizon.n), np.inf)
    base = np.zeros(horizon.n)
    if world.base:
        base = horizon.step_values([s for s, _ in world.base], [kw for _, kw in world.base], 0.0)
    for k, node in enumerate(site.network.nodes):
        steps = world.limits[node.id]
        first = steps[0][1]
        limit = np.full(horizon.n, first)
        if len(steps) > 1:
            limit = horizon.step_values([s for s, _ in steps], [kw for _, kw in steps], first)
        caps[k] = np.maximum(limit - (base if k == 0 else 0.0), 0.0)
    return caps


def _apart(
    site: Site, vehicles: Sequence[Vehicle], horizon: Horizon, caps: FloatArray
) -> list[list[Vehicle]]:
    """Groups of vehicles that no limit can bring together."""
    edges = horizon.edges_s
    first = np.searchsorted(edges, [v.arrival_s for v in vehicles], side="right") - 1
    last = np.searchsorted(edges, [v.departure_s for v in vehicles], side="left")
    binding = np.zeros(horizon.n, dtype=bool)
    for k in range(caps.shape[0]):
        most = np.zeros(horizon.n + 1)
        for i, vehicle in enumerate(vehicles):
            node = site.pile_node[vehicle.pile]
            if k in site.network.path[node]:
                most[first[i]] += site.pile_by_id[vehicle.pile].max_kw
                most[last[i]] -= site.pile_by_id[vehicle.pile].max_kw
        binding |= np.cumsum(most)[:-1] > caps[k]
    return _components(vehicles, first, last, binding)


def _components(
    vehicles: Sequence[Vehicle], first: IntArray, last: IntArray, binding: np.ndarray
) -> list[list[Vehicle]]:
    """Vehicles joined wherever two of them are present in one binding slot."""
    leader = list(range(len(vehicles)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    at_slot: dict[int, int] = {}
    for i in range(len(vehicles)):
        for t in np.flatnonzero(binding[first[i] : last[i]]) + first[i]:
            other = at_slot.setdefault(int(t), i)
            leader[find(i)] = find(other)
    groups: dict[int, list[Vehicle]] = {}
    for i, vehicle in enumerate(vehicles):
        groups.setdefault(find(i), []).append(vehicle)
    return list(groups.values())


def fleet_of_truth(site: Site, group: Sequence[Vehicle]) -> Fleet:
    """The fleet of vehicles of which every truth is known."""
    n = len(group)
    piles = [site.pile_by_id[v.pile] for v in group]
    wants = np.array([v.wants_kwh for v in group])
    tapers = [v.battery.taper_soc < 1 for v in group]
    return Fleet(
        ids=tuple(v.session for v in group),
        node=np.array([site.pile_node[p.id] for p in piles], dtype=np.int64),
        start_s=np.array([v.arrival_s for v in group]).astype(np.int64),
        end_s=np.ceil([v.departure_s for v in group]).astype(np.int64),
        max_kw=np.array(
            [min(p.max_kw, v.battery.max_kw) for p, v in zip(piles, group, strict=True)]
        ),
        min_kw=np.zeros(n),
        step_kw=np.zeros(n),
        energy_kwh=wants,
        asked_kwh=wants,
        promised_kwh=np.zeros(n),
        priority=np.full(n, 5),
        count_factor=np.ones(n),
        taper_per_h=np.array([v.battery.taper_per_h for v in group]),
        taper_room_kwh=np.array(
            [
                v.battery.capacity_kwh - v.stored_kwh if t else np.inf
                for v, t in zip(group, tapers, strict=True)
            ]
        ),
        phases=np.zeros(n, dtype=np.int64),
        amps_per_kw=np.zeros(n),
        earliest=np.zeros(n, dtype=bool),
    )
