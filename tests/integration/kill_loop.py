"""kill -9, many times in a row, at random points: ``python -m tests.integration.kill_loop 1000``.

While cars charge and the grid company and an operator send, the daemon is killed and started
again. One JSON document tells what was lost (nothing), whether a store was corrupt (none), how
long the first setpoints and the first plan took, and how high the piles were ever told to go.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from adapters.config import load_site
from adapters.store.backup import backup_store
from adapters.store.recovery import recover
from adapters.store.schema import open_store
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from tests.integration.field import Peer, Yard, request, until, yard

CONTRACT_KW = 150.0

TOLD_EVERY = 25
"""After so many kills it says how far it is."""

FIRST_SETPOINT_ASKED_S, FIRST_PLAN_ASKED_S = 3.0, 10.0

IN_START = 0.3
"""So many of the kills come while the daemon is still starting."""


def kill_loop(count: int, folder: Path, *, seed: int = 1) -> dict[str, Any]:
    """Kill and start so many times; the figures.

    Parameters
    ----------
    count : int
        Kills.
    folder : Path
        For the store and the logs.
    seed : int
        Of the moments of the kills.
    """
    chance, began = random.Random(seed), time.monotonic()
    first_s: list[float] = []
    plan_s: list[float] = []
    most_kw = 0.0
    corrupt = in_start = 0
    with yard(folder, lease_s=20.0) as place:
        grid, operator = place.peer("grid"), place.peer("operator")
        planner = place.peer("planner", "plan")
        place.plug_in(6)
        place.daemon.start()
        place.ready()
        until(lambda: all(p.told for p in place.piles), "every pile has a setpoint", 60)
        for k in range(6):
            request(operator, f"s{k}", f"P-{k}", energy_kwh=400.0)
        until(lambda: place.drawn_kw > CONTRACT_KW - 1, "the cars charge", 60)
        for kill in range(count):
            if kill and kill % TOLD_EVERY == 0:
                took = f"{time.monotonic() - began:.0f} s, first setpoints {max(first_s):.2f} s"
                print(f"{kill} kills, {took} at most", file=sys.stderr, flush=True)
            _send_some(grid, kill)
            time.sleep(chance.uniform(0.0, 0.3))
            place.daemon.kill()
            corrupt += not _whole(place)
            told = {p.name: len(p.told) for p in place.piles}
            plans = len(planner.bodies(o.Plan))
            place.daemon.start()
            _send_one(operator, kill)
            if chance.random() < IN_START and kill % 10 != 9:
                # Killed again before it has come up, wherever it then is.
                in_start += 1
                time.sleep(chance.uniform(0.0, 1.5))
                continue
            first_s.append(_until_told(place, told))
            if kill % 10 == 9:
                plan_s.append(until(partial(_planned_since, planner, plans), "a plan", 60))
            time.sleep(chance.uniform(0.0, 0.5))
            most_kw = max(most_kw, _most_told_kw(place))
        _until_told(place, told)
        # What the broker kept for it while it was down is taken and written by and by.
        with contextlib.suppress(AssertionError):
            until(lambda: not _lost(place, count), "all is in the store", 30)
        place.daemon.kill()
        lost = _lost(place, count)
    first_s.sort()
    return {
        "kills": count,
        "of_them_while_starting": in_start,
        "lost_acknowledged_messages": len(lost),
        "lost": lost[:20],
        "corrupt_stores": corrupt,
        "first_setpoint_s_p50": round(statistics.median(first_s), 3),
        "first_setpoint_s_p99": round(first_s[int(len(first_s) * 0.99)], 3),
        "first_setpoint_s_max": round(first_s[-1], 3),
        "first_setpoints_over_3_s": sum(s > FIRST_SETPOINT_ASKED_S for s in first_s),
        "first_plan_s_max": round(max(plan_s), 3) if plan_s else None,
        "first_plans_over_10_s": sum(s > FIRST_PLAN_ASKED_S for s in plan_s),
        "most_told_kw": round(most_kw, 3),
        "limit_kw": CONTRACT_KW,
        "wall_s": round(time.monotonic() - began),
        "load_average_1min": round(os.getloadavg()[0], 1),
    }


def _planned_since(planner: Peer, before: int) -> bool:
    return len(planner.bodies(o.Plan)) > before


def _send_some(grid: Peer, kill: int) -> None:
    """A limit that never binds, with an id of its own."""
    later = datetime.now(UTC) + timedelta(days=30)
    body = w.Limit(**grid.stamp(), valid_from=later, import_kw=100.0, source=f"kill {kill}")
    grid.send(body, "transformer", f"L{kill}", wait=True)


def _send_one(operator: Peer, kill: int) -> None:
    """The end of a session that nobody has asked for yet."""
    operator.send(w.SessionEnd(**operator.stamp(), reason="gone"), f"ghost-{kill}", wait=True)


def _whole(place: Yard) -> bool:
    try:
        with closing(open_store(place.store)) as base:
            recover(base, load_site(place.config).site)
    except Exception as problem:
        print(problem, file=sys.stderr)
        return False
    return True


def _until_told(place: Yard, told: dict[str, int]) -> float:
    return until(
        lambda: all(len(p.told) > told[p.name] for p in place.piles), "all piles are told", 60
    )


def _most_told_kw(place: Yard) -> float:
    return sum(p.told[-1].power_kw for p in place.piles)


def _lost(place: Yard, count: int) -> list[str]:
    """What was acknowledged by the broker and is not in the store."""
    copy = place.folder / "copy.db"
    copy.unlink(missing_ok=True)
    backup_store(place.store, copy)
    with closing(open_store(copy)) as base:
        state = recover(base, load_site(place.config).site).recovered.state
    assert state is not None
    limits, ended = state.limits.get("transformer", {}), state.tombstones
    lost = [f"L{k}" for k in range(count) if f"L{k}" not in limits]
    return lost + [f"ghost-{k}" for k in range(count) if f"ghost-{k}" not in ended]


def main() -> None:
    """Print the figures as JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        figures = kill_loop(count, Path(folder))
    print(json.dumps(figures, indent=2))
    none_of = (
        "lost_acknowledged_messages",
        "corrupt_stores",
        "first_setpoints_over_3_s",
        "first_plans_over_10_s",
    )
    failed = any(figures[name] for name in none_of)
    sys.exit(1 if failed or figures["most_told_kw"] > CONTRACT_KW + 1e-6 else 0)


if __name__ == "__main__":
    main()
