"""The same problems in the hands a user would otherwise take (:mod:`benchmarks.peer_models`).

One formulation, several tools: energy of every session in every slot of its stay, what is owed
as an equality with a dear slack, every node's limit in every slot. Tools that think in phases and
amps are given single-phase piles under limits on each phase, and our flow the same beside them.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.instances import Load, fleet_problem
from benchmarks.latency import host
from benchmarks.peer_models import hands
from benchmarks.peer_models.hand import Hand
from scheduler.problem import Problem

COLUMNS = ("hand", "sessions", "wall_ms", "cpu_ms", "cost", "delivered_kwh", "asked")
LARGE = 20_000
CUT_OFF_S = 20.0
"""Of the wall clock, for a hand at a size that it may not manage: all of them in ten minutes."""

_BROUGHT_BY = "pip install 'valleyfill[bench]' brings it"
_REPEATS, _SHORT_MS = 5, 100.0
"""The median of five, of what takes less than a tenth of a second."""

_UNKNOWN = dict.fromkeys(("wall_ms", "cpu_ms", "cost", "delivered_kwh"))


def run(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time and objective of each hand on congested fleets; a missing tool is named, not hidden.

    Who takes longer than the cut-off at one size is not asked the next, and its row says so.
    """
    rows: list[dict[str, Any]] = []
    ended: dict[str, dict[str, Any]] = {}
    for n in (50, 200) if quick else (50, 200, 1_000, LARGE):
        for name, hand in hands().items():
            if quick and n > hand.largest:
                continue
            progress(f"{name}, {n:,} sessions")
            if name in ended:
                row = ended[name] | {"sessions": n}
            else:
                row = _row(hand, n) if n <= hand.largest else _cut_off(hand, n)
            if "cut_off_s" in row or (row["wall_ms"] or 0.0) > 1e3 * CUT_OFF_S:
                ended[name] = _named(hand, n) | _UNKNOWN | {"cut_off_s": CUT_OFF_S}
            rows.append(row)
    return {"host": host(), "cut_off_s": CUT_OFF_S, "rows": rows}


def _cut_off(hand: Hand, n: int) -> dict[str, Any]:
    """The row of a hand in a process that is ended when it takes too long."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_apart, args=(theirs, hand.name, n), daemon=True)
    process.start()
    theirs.close()
    found = _named(hand, n) | _UNKNOWN
    try:
        # Loading the tool, and its small problem before, are not its time.
        if ours.poll(CUT_OFF_S) and ours.recv() == "begun" and ours.poll(CUT_OFF_S):
            found = ours.recv()
        else:
            found["cut_off_s"] = CUT_OFF_S
    except EOFError:
        found["missing"] = "it ended without an answer"
    process.kill()
    process.join()
    return found


def _apart(pipe: Connection, name: str, n: int) -> None:
    pipe.send(_row(hands()[name], n, begun=lambda: pipe.send("begun")))


def _row(hand: Hand, n: int, begun: Callable[[], None] = lambda: None) -> dict[str, Any]:
    row = _named(hand, n)
    try:
        hand.plan(_problem(hand, 10, 0))
    except ImportError as error:
        begun()
        return row | _UNKNOWN | {"missing": f"{error}; {_BROUGHT_BY}"}
    problem = _problem(hand, n, 1)
    begun()
    wall, cpu = [], []
    while not wall or (len(wall) < _REPEATS and sum(wall) < _SHORT_MS):
        started, started_cpu = time.perf_counter(), time.process_time()
        energy = hand.plan(problem)
        wall.append(1e3 * (time.perf_counter() - started))
        cpu.append(1e3 * (time.process_time() - started_cpu))
    return row | {
        "wall_ms": float(np.median(wall)),
        "cpu_ms": float(np.median(cpu)),
        "cost": float(energy @ problem.buy_per_kwh[problem.entry_slot]),
        "delivered_kwh": float(energy.sum()),
    }


def _named(hand: Hand, n: int) -> dict[str, Any]:
    problem = "limits in amps by phase" if hand.by_phase else "limits in kW"
    return {"hand": hand.name, "sessions": n, "problem": problem, "asked": hand.asked}


def _problem(hand: Hand, n: int, seed: int) -> Problem:
    # Turns of four piles on a feeder's phase leave less room: medium is as tight as congested.
    load: Load = "medium" if hand.by_phase else "congested"
    return fleet_problem(n, load=load, seed=seed, by_phase=hand.by_phase)
