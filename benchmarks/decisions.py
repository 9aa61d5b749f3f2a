"""Decisions on real days: are they made again byte for byte, and is what is short rightly told?

Each plan of a closed-loop run becomes a step record, goes through the store's format, and is made
again. Of the sessions that end short a random part is explained, and the explanation is tried:
lifting what it names, all together, must shrink the shortage of those behind the cut; lifting
everything that it does not name must help none of them, and must change nothing at all for them
where all others take no more than they had. Freed of their own limits and let to take, others may
take a share of what those behind the cut had: how often is told beside it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.books import load_book
from adapters.data.recorded import ReplaySession
from adapters.replaying import replay, solve
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import WORK_LIMIT, cascade_of, run
from adapters.simulator.replay import Words, prepare
from adapters.simulator.simulate import last_s
from adapters.site_writers import site_from_sessions
from adapters.solving import RUNGS
from adapters.store.records import pack, unpack
from adapters.store.steps import Step, versions
from benchmarks.real_data import ACN, LOS_ANGELES, TARIFF
from models.network import Network, Node
from models.site import Site
from scheduler.engine import Engine
from scheduler.fleet import Fleet
from scheduler.problem import FloatArray, Problem
from scheduler.shortage import Cut, Cuts
from scheduler.solution import Solution, given_kwh
from tariffs.tariff import Tariff

FEEDERS = 4
LIMIT_KW = 59.98731
"""No whole number of watts, as what a metered base load leaves is none."""

SHORT_KWH = 0.1
SAME_KWH = 1e-3


def steps_of(
    site: Site,
    tariff: Tariff,
    sessions: Sequence[ReplaySession],
    start: datetime,
    end: datetime,
    *,
    words: Words = "truth",
    most: int | None = None,
) -> list[Step]:
    """The steps of a closed-loop run; ``most``: no more than so many are kept."""
    fleet = prepare(site, sessions, start, end, words=words)
    inner = cascade_of(*RUNGS)
    kept: list[Step] = []

    def record(problem: Problem) -> Solution:
        answer = inner(problem)
        if most is None or len(kept) < most:
            kept.append(_step(problem, answer, len(kept) + 1))
        return answer

    run(
        Engine(site, tariff),
        VirtualDepot(site, fleet.vehicles, start_s=start.timestamp()),
        until_s=last_s(fleet),
        solve=record,
    )
    return kept


def _step(problem: Problem, answer: Solution, number: int) -> Step:
    return Step(
        at=datetime.fromtimestamp(problem.horizon.start_s, UTC),
        problem=problem,
        energy_kwh=answer.energy_kwh,
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        work=answer.work,
        rungs=RUNGS,
        work_limit=WORK_LIMIT,
        versions=versions(),
        assets_kw=answer.assets_kw,
        relaxed_kwh=answer.relaxed_kwh,
        number=number,
    )


def real_days(data: Path, *, limit_kw: float = LIMIT_KW) -> Callable[[int], list[Step]]:
    """The steps of day k from May 2019 on: JPL and Caltech in turn, behind a tight transformer."""
    tariff = load_book(TARIFF, holidays="none")
    sites = [
        site_from_sessions(
            data / ACN.format(site=name),
            transformer_kw=limit_kw,
            zone=LOS_ANGELES,
            tariff=TARIFF,
            currency=tariff.currency,
        )
        for name in ("jpl", "caltech")
    ]

    def day(k: int) -> list[Step]:
        file, sessions = sites[k % 2]
        start = datetime(2019, 5, 1, tzinfo=LOS_ANGELES) + timedelta(days=k // 2)
        inside = [s for s in sessions if start <= s.arrival < start + timedelta(days=1)]
        if not inside:
            return []
        site = with_feeders(file.site, FEEDERS, limit_kw / 3)
        return steps_of(site, tariff, inside, start, start + timedelta(days=1))

    return day


def with_feeders(site: Site, n: int, limit_kw: float) -> Site:
    """The site with its piles dealt out to so many feeders, so that more than one node binds."""
    feeders = tuple(Node(f"feeder-{k + 1}", site.network.root.id, limit_kw) for k in range(n))
    piles = tuple(replace(p, node=feeders[k % n].id) for k, p in enumerate(site.piles))
    return replace(site, network=Network((site.network.root, *feeders)), piles=piles)


def replay_all(steps: Sequence[Step]) -> dict[str, Any]:
    """Each step through the store's bytes and made again."""
    began = time.perf_counter()
    same, sizes, apart = 0, [], []
    for step in steps:
        body = pack([step.problem, step.energy_kwh, step.relaxed_kwh])
        problem, energy, relaxed = unpack(body)
        sizes.append(len(body))
        again = replay(
            replace(step, problem=problem, energy_kwh=np.asarray(energy), relaxed_kwh=relaxed)
        )
        same += again.identical
        if not again.identical:
            apart.append(step.number)
    return {
        "steps": len(steps),
        "identical": same,
        "different": apart[:20],
        "record_bytes_mean": float(np.mean(sizes)) if sizes else 0.0,
        "wall_s": time.perf_counter() - began,
    }


@dataclass(frozen=True)
class Tried:
    """One explanation, tried: what its cut's sessions lack as planned, with what it names lifted,
    with everything else lifted, and with that while others take no more than they had, kWh: as if
    piles held any power, and the first two as they are held.
    """

    step: int
    cut: Cut
    short_kwh: float
    named_lifted_kwh: float
    rest_lifted_kwh: float
    rest_lifted_alone_kwh: float
    held_kwh: float
    held_named_lifted_kwh: float

    @property
    def holds(self) -> bool:
        """Whether what it names, and nothing else, keeps them short."""
        if self.cut.relaxed:
            return self.short_kwh <= SAME_KWH and self.rest_lifted_kwh <= SAME_KWH
        helps = not self.cut.nodes or self.named_lifted_kwh < self.short_kwh - SAME_KWH
        if self.cut.nodes and self.short_kwh <= SAME_KWH:
            # Short only as piles are held, behind full nodes: there it has to help.
            helps = self.held_named_lifted_kwh < self.held_kwh - SAME_KWH
        helped = self.rest_lifted_kwh < self.short_kwh - SAME_KWH
        changed = abs(self.rest_lifted_alone_kwh - self.short_kwh) > SAME_KWH
        return helps and not helped and not changed


def short_sessions(steps: Sequence[Step]) -> Iterator[tuple[Step, int]]:
    """Every session that a step leaves short though its stay ends inside the window."""
    for step in steps:
        problem = step.problem
        given = given_kwh(problem, step.energy_kwh)
        short = problem.fleet.energy_kwh - given > SHORT_KWH
        inside = problem.fleet.end_s < problem.horizon.end_s
        for i in np.flatnonzero(short & inside):
            yield step, int(i)


def tried(step: Step, i: int) -> Tried:
    """An explanation against three counterfactual plans."""
    problem = step.problem
    cut = Cuts(problem, step.energy_kwh, relaxed_kwh=step.relaxed_kwh).of(i)
    named = np.zeros(problem.cap_kw.shape, dtype=bool)
    for name, slots in cut.nodes:
        named[problem.node_ids.index(name), list(slots)] = True
    members = [problem.fleet.ids.index(s) for s in cut.sessions]

    fleet = problem.fleet
    behind = np.isin(np.arange(fleet.n), members)
    had = np.minimum(given_kwh(problem, _relaxed(step)), fleet.energy_kwh)
    content = replace(fleet, energy_kwh=np.where(behind, fleet.energy_kwh, had))

    def short(lifted: np.ndarray[Any, Any], fleet: Fleet = fleet) -> tuple[float, float]:
        other = replace(problem, cap_kw=np.where(lifted, np.inf, problem.cap_kw), fleet=fleet)
        answer = solve(step, other)
        return (
            _owed(other, _relaxed(answer), members),
            _owed(other, answer.energy_kwh, members),
        )

    now = _owed(problem, _relaxed(step), members)
    held = _owed(problem, step.energy_kwh, members)
    helped, held_helped = short(named)
    free, alone = short(~named)[0], short(~named, content)[0]
    return Tried(step.number, cut, now, helped, free, alone, held, held_helped)


def _relaxed(answer: Step | Solution) -> FloatArray:
    """The plan as if piles held any power: what a pile cannot hold is no limit that can be lifted,
    and the repair's own choice between equals would be taken for what lifting brings.
    """
    return answer.energy_kwh if answer.relaxed_kwh is None else answer.relaxed_kwh


def _owed(problem: Problem, energy_kwh: FloatArray, sessions: list[int]) -> float:
    """What a plan leaves these sessions short of, together, kWh."""
    short = np.maximum(problem.fleet.energy_kwh - given_kwh(problem, energy_kwh), 0.0)
    return float(short[sessions].sum())


def explain_some(steps: Sequence[Step], n: int, seed: int) -> dict[str, Any]:
    """A random part of the short sessions, each explanation tried."""
    began = time.perf_counter()
    found = list(short_sessions(steps))
    chosen = random.Random(seed).sample(found, min(n, len(found)))
    results = [tried(step, i) for step, i in chosen]
    wrong = [(t.step, t.cut.session) for t in results if not t.holds]
    return {
        "short_sessions": len(found),
        "tried": len(results),
        "seed": seed,
        "hold": len(results) - len(wrong),
        "wrong": wrong[:20],
        "rest_lifted_helped": sum(t.rest_lifted_kwh < t.short_kwh - SAME_KWH for t in results),
        "rest_lifted_took": sum(t.rest_lifted_kwh > t.short_kwh + SAME_KWH for t in results),
        "named_a_node": sum(bool(t.cut.nodes) for t in results),
        "stay_or_pile_alone": sum(not t.cut.nodes and not t.cut.relaxed for t in results),
        "least_power_alone": sum(t.cut.relaxed for t in results),
        "short_as_held_alone": sum(bool(t.cut.nodes) and t.short_kwh <= SAME_KWH for t in results),
        "held_plan_helped": sum(
            t.held_named_lifted_kwh < t.held_kwh - SAME_KWH for t in results if t.cut.nodes
        ),
        "short_kwh": sum(t.short_kwh for t in results),
        "short_kwh_with_named_lifted": sum(t.named_lifted_kwh for t in results),
        "short_kwh_with_rest_lifted": sum(t.rest_lifted_kwh for t in results),
        "short_kwh_with_rest_lifted_alone": sum(t.rest_lifted_alone_kwh for t in results),
        "wall_s": time.perf_counter() - began,
    }


def decisions(
    days: Callable[[int], list[Step]], *, steps: int, short: int, seed: int
) -> dict[str, Any]:
    """Both checks on as many days as it takes.

    Parameters
    ----------
    days : callable
        The steps of day k, counted from 0.
    steps, short : int
        How many to replay, and how many short sessions to explain.
    seed : int
        Of the choice among the short sessions.
    """
    kept: list[Step] = []
    k = 0
    while len(kept) < steps or sum(1 for _ in short_sessions(kept)) < short:
        more = days(k)
        if not more and k > 60:
            break
        kept += [replace(s, number=len(kept) + j + 1) for j, s in enumerate(more)]
        k += 1
    return {
        "days": k,
        "replay": replay_all(kept[:steps]),
        "explain": explain_some(kept, short, seed),
    }
