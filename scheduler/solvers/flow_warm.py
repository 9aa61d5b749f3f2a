"""Compile the flow kernel and the general path's moves into their cache:
``python -m scheduler.solvers.flow_warm``.

Run once at installation; a later process then has its first answer after half a second.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import Horizon
from scheduler.general_program import GeneralProgram
from scheduler.placing import Placing
from scheduler.problem import Problem, plain_fleet
from scheduler.solvers import flow, flow_fair, flow_kernel, general_path
from scheduler.solvers.flow_kernel.run import BLOCK_SESSIONS
from scheduler.solvers.general_path.mend import mended


def forget() -> None:
    """Drop what an older source compiled: numba looks at a function's own file, not at the files
    of what is inlined into it."""
    for package in (flow_kernel, general_path):
        for cached in Path(str(package.__file__)).parent.glob("__pycache__/*.nb[ci]"):
            cached.unlink(missing_ok=True)


def warm() -> float:
    """Solve a tiny shortage and a tiny fleet under tapers, which calls every compiled function.

    Returns
    -------
    float
        Seconds that it took: half a minute or more without a cache, about half a second with.
    """
    begin = time.perf_counter()
    edges = np.array([0, 900, 1800], dtype=np.int64)
    n = 2 * BLOCK_SESSIONS
    fleet = plain_fleet(
        tuple(str(i) for i in range(n)),
        np.arange(n, dtype=np.int64) % 2 + 1,
        np.zeros(n, dtype=np.int64),
        np.full(n, 1800, dtype=np.int64),
        np.full(n, 10.0),
        np.full(n, 4.0),
        np.arange(n, dtype=np.int64) % 2,
    )
    cap_kw = np.array([[10.0, 10.0], [8.0, 8.0], [8.0, 8.0]])
    problem = Problem(
        horizon=Horizon(edges, ZoneInfo("UTC")),
        node_ids=("root", "left", "right"),
        parent=np.array([-1, 0, 0], dtype=np.int64),
        cap_kw=cap_kw,
        fleet=fleet,
        buy_per_kwh=np.array([1.0, 2.0]),
        sell_per_kwh=np.zeros(2),
        surplus_kw=np.zeros(2),
        running_kwh=np.zeros(2 * n),
    )
    _, memory = flow.solve_again(problem, None, work_limit=10**6)
    flow.solve_again(_neighbour(problem), memory, work_limit=10**6)
    shared = flow_fair.solve(problem, work_limit=10**6)
    stepped = dataclasses.replace(problem, fleet=dataclasses.replace(fleet, min_kw=np.full(n, 1.4)))
    placing = Placing(stepped, shared, shared.energy_kwh, np.arange(n), flow.placing_kernel())
    placing.place_all(list(range(n)), fleet.energy_kwh)
    tapering = dataclasses.replace(
        fleet, taper_per_h=np.full(n, 1.0), taper_room_kwh=np.full(n, 5.0)
    )
    wide = np.full((3, 2), np.inf)
    flow.solve(dataclasses.replace(problem, fleet=tapering, cap_kw=wide), work_limit=10**6)
    owners: dict[str, int] = {}
    program = GeneralProgram(problem, lambda name: owners.setdefault(name, len(owners)))
    mended(problem, program, np.tile([1.5, 2.5], n), 10**6)
    return time.perf_counter() - begin


def _neighbour(problem: Problem) -> Problem:
    """A driver changed their mind, another vehicle plugged in, and a limit fell."""
    fleet = problem.fleet
    kept = np.append(np.arange(fleet.n), 0)
    columns = {
        name: getattr(fleet, name)[kept] for name in fleet.__dataclass_fields__ if name != "ids"
    }
    columns["energy_kwh"][0] = 2.0
    more = dataclasses.replace(fleet, ids=(*fleet.ids, "one more"), **columns)
    return dataclasses.replace(problem, fleet=more, cap_kw=0.9 * problem.cap_kw)


if __name__ == "__main__":
    forget()
    print(f"flow kernel ready after {warm():.1f} s")
