"""Random problems solved by several hands: ``python -m benchmarks.fuzz --n 20000``."""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.instances import random_problem
from scheduler.problem import Problem
from scheduler.solution import Solution, Solver, SolverError
from scheduler.solvers import flow, highs, mincost
from scheduler.solvers.flow_kernel import run as run_module
from scheduler.verify import verify

ALL = 2**31 - 1
RELATIVE = 1e-9


@dataclass(frozen=True)
class Score:
    """What an answer achieves, in the order of the objectives: smaller is better.

    Parameters
    ----------
    short_kwh : tuple of float
        Promised energy not delivered, then what is short by priority, largest first.
    cost : float
        Money.
    """

    short_kwh: tuple[float, ...]
    cost: float


def score(problem: Problem, solution: Solution) -> Score:
    """Evaluate an answer afresh."""
    fleet = problem.fleet
    given = np.bincount(problem.entry_session, weights=solution.energy_kwh, minlength=fleet.n)
    short = [float(np.maximum(fleet.promised_kwh - given, 0.0).sum())]
    for level in np.unique(fleet.priority)[::-1]:
        members = fleet.priority == level
        short.append(float((fleet.energy_kwh - given)[members].sum()))
    return Score(tuple(short), solution.cost(problem))


def differs(problem: Problem, one: Score, other: Score, relative: float = RELATIVE) -> bool:
    """Whether two scores differ by more than a share of all that is owed and all it costs."""
    energy = max(float(problem.fleet.energy_kwh.sum()), 1.0)
    money = max(abs(one.cost), abs(other.cost), 1.0)
    if any(
        abs(a - b) > relative * energy for a, b in zip(one.short_kwh, other.short_kwh, strict=True)
    ):
        return True
    return abs(one.cost - other.cost) > relative * money


def compare(problem: Problem, reference: Solver) -> str:
    """``same``, ``refused`` (no flow), or what is wrong with the compiled flow's answer."""
    try:
        answer = flow.solve(problem, work_limit=ALL)
    except SolverError:
        return "refused"
    verdict = verify(problem, answer)
    if not verdict.ok:
        return str(verdict)
    try:
        other = reference(problem, work_limit=ALL)
    except SolverError as error:
        return f"no reference: {error}"
    mine, theirs = score(problem, answer), score(problem, other)
    return f"{mine} against {theirs}" if differs(problem, mine, theirs) else "same"


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Counts of outcomes against both other hands.

    Parameters
    ----------
    quick : bool
        500 problems instead of 5,000 (a tenth of that against OR-tools).
    progress : callable
        Told a line before each hand.
    """
    rows = []
    for name, count in (("highs", 500 if quick else 5_000), ("mincost", 50 if quick else 500)):
        progress(f"{count} problems against {name}")
        counts = outcomes(range(count), name)
        row: dict[str, Any] = {"against": name, "problems": count}
        rows.append(row | {k: counts[k] for k in ("same", "refused", "different")})
    return {"relative": RELATIVE, "rows": rows}


def outcomes(seeds: Iterable[int], against: str) -> collections.Counter[str]:
    """Compare on each seed; whatever differs is told on standard error."""
    reference: Solver = highs.solve if against == "highs" else mincost.solve
    counts: collections.Counter[str] = collections.Counter()
    for seed in seeds:
        outcome = compare(random_problem(seed), reference)
        if outcome not in ("same", "refused"):
            print(f"seed {seed}: {outcome}", file=sys.stderr)
            outcome = "different"
        counts[outcome] += 1
    return counts


def main() -> int:
    """Run the comparison and print what was found; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="number of problems")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument(
        "--against", choices=["highs", "mincost"], default="highs", help="the other hand"
    )
    parser.add_argument(
        "--block",
        type=int,
        default=run_module.BLOCK_SESSIONS,
        help="sessions of a subtree solved on its own first: 1 sends all across the tree",
    )
    options = parser.parse_args()
    run_module.BLOCK_SESSIONS = options.block
    counts = outcomes(range(options.seed, options.seed + options.n), options.against)
    print(f"{options.n} problems against {options.against}: {dict(counts)}")
    return int(counts["different"] > 0)


if __name__ == "__main__":
    sys.exit(main())
