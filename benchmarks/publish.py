"""The instances as files that anybody's scheduler can read: ``valleyfill bench instances``.

One JSON document an instance: edges in epoch seconds, the tree in preorder, capacities in kW by
node and slot (null: none), prices by slot, and the sessions; energy in kWh, power in kW. A plan
is the energy of each session in each slot of its stay. ``best`` is what a proved optimum costs
and leaves unserved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.instances import LOADS, fleet_problem
from models.horizon import Horizon
from scheduler.cascade import load_solver
from scheduler.problem import Problem, plain_fleet

FORMAT = "valleyfill-instance-1"


def document(problem: Problem) -> dict[str, Any]:
    """An instance as a document; only what :func:`benchmarks.instances.fleet_problem` makes."""
    fleet = problem.fleet
    return {
        "format": FORMAT,
        "edges_s": problem.horizon.edges_s.tolist(),
        "zone": problem.horizon.zone.key,
        "parent": problem.parent.tolist(),
        "cap_kw": [[None if math.isinf(c) else c for c in row] for row in problem.cap_kw.tolist()],
        "buy_per_kwh": problem.buy_per_kwh.tolist(),
        "sessions": [
            {
                "id": fleet.ids[i],
                "node": int(fleet.node[i]),
                "start_s": int(fleet.start_s[i]),
                "end_s": int(fleet.end_s[i]),
                "max_kw": float(fleet.max_kw[i]),
                "energy_kwh": float(fleet.energy_kwh[i]),
                "priority": int(fleet.priority[i]),
            }
            for i in range(fleet.n)
        ],
    }


def problem_of(found: dict[str, Any]) -> Problem:
    """The problem that a document tells."""
    sessions = found["sessions"]
    column = {k: [s[k] for s in sessions] for k in sessions[0]}
    parent = np.array(found["parent"], dtype=np.int64)
    slots = len(found["edges_s"]) - 1
    cap = [[math.inf if c is None else c for c in row] for row in found["cap_kw"]]
    return Problem(
        horizon=Horizon(np.array(found["edges_s"], dtype=np.int64), ZoneInfo(found["zone"])),
        node_ids=tuple(f"n{v}" for v in range(parent.size)),
        parent=parent,
        cap_kw=np.array(cap),
        fleet=plain_fleet(
            tuple(column["id"]),
            np.array(column["node"], dtype=np.int64),
            np.array(column["start_s"], dtype=np.int64),
            np.array(column["end_s"], dtype=np.int64),
            np.array(column["max_kw"]),
            np.array(column["energy_kwh"]),
            np.array(column["priority"], dtype=np.int64),
        ),
        buy_per_kwh=np.array(found["buy_per_kwh"]),
        sell_per_kwh=np.zeros(slots),
        surplus_kw=np.zeros(slots),
    )


def write(folder: Path, sizes: tuple[int, ...], progress: Callable[[str], None]) -> list[Path]:
    """Write one file for each size and load; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for n in sizes:
        for load in LOADS:
            progress(f"{n} sessions, {load}")
            problem = fleet_problem(n, load=load, seed=1)
            best = load_solver("flow")(problem, work_limit=2**62)
            short = float(best.short_kwh(problem).sum())
            told = document(problem)
            told["best"] = {"cost": best.cost(problem), "short_kwh": short}
            file = folder / f"fleet-{n}-{load}.json"
            file.write_text(json.dumps(told) + "\n")
            out.append(file)
    return out
