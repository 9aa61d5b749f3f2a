"""The table, fault by fault: ``python -m tests.chaos [--quick] [--only 1,5] [--out FILE]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import field_faults, messages, processes, readers, simulated, strangers
from tests.chaos.rig import Rig, rig
from tests.chaos.trial import QUICK_WINDOW_S, WINDOW_S, Fault, Row, try_alone, try_fault
from tests.integration.field import MOSQUITTO

FAULTS: tuple[Fault, ...] = tuple(
    sorted(
        (
            *messages.FAULTS,
            *processes.FAULTS,
            *field_faults.FAULTS,
            *readers.FAULTS,
            *strangers.FAULTS,
            *simulated.FAULTS,
        ),
        key=lambda f: f.number,
    )
)

LOADED = 1.5
"""Runnable threads for each processor, beyond which times say nothing about the daemon."""

_HEAD = (
    f"{'no':>3}  {'fault':<52} {'s':>5} {'raw':>4} {'judged':>6} {'base':>4} {'energy':>7} "
    f"{'recov.':>7} {'lost':>4}  result"
)


def line(row: Row) -> str:
    """A row of the table."""
    v = row.verdict
    kept = "-" if row.kept is None else f"{row.kept:.1%}"
    recovery = "-" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
    seconds = v.seconds + row.simulated_s
    judged = v.judged_s + row.simulated_over_s
    result = "pass" if row.passed else "FALLS SHORT: " + "; ".join(row.problems)
    said = f"{row.number:>3}  {row.title:<52} {seconds:>5.0f} {v.raw_s:>4} {judged:>6g} "
    said += f"{v.base_alone_s:>4} {kept:>7} {recovery:>7} {row.lost:>4}  {result}"
    return said + (f"  ({'; '.join(row.notes)})" if row.notes else "")


def run(faults: Sequence[Fault], folder: Path, *, window_s: float = WINDOW_S) -> list[Row]:
    """Inject one after the other into one site, telling each row as it comes.

    What falls short by a time or by energy alone is tried once more, and both are told: a
    neighbour may have taken the processor. Nothing above a limit is ever tried again.
    """
    rows = []
    for fault in faults:
        if fault.alone:
            rows.append(try_alone(fault))
            print(line(rows[-1]), flush=True)
    for gives in (False, True):
        live = [f for f in faults if not f.alone and f.gives is gives]
        if live:
            rows += _run_live(live, folder / "gives" if gives else folder, window_s, gives=gives)
    return rows


def _run_live(faults: Sequence[Fault], folder: Path, window_s: float, *, gives: bool) -> list[Row]:
    """Faults of one running site, one after the other."""
    rows = []
    with rig(folder, gives=gives) as place:
        for fault in faults:
            row = try_fault(fault, place, window_s=window_s)
            print(line(row), flush=True)
            if row.late_only:
                first = "; ".join(row.problems)
                row = try_fault(fault, place, window_s=window_s)
                row = replace(row, notes=(*row.notes, f"at the second try; the first: {first}"))
                print(line(row), flush=True)
            rows.append(row)
            if os.environ.get("CHAOS_SECONDS"):
                _tell_seconds(place, row.verdict.seconds)
    return rows


def run_share(share: tuple[tuple[int, ...], Path, float]) -> list[Row]:
    """The same for the faults of these places in the list, in a process of its own."""
    places, folder, window_s = share
    return run([FAULTS[k] for k in places], folder, window_s=window_s)


def run_all(
    faults: Sequence[Fault], folder: Path, workers: int, *, window_s: float = WINDOW_S
) -> list[Row]:
    """As many sites side by side as there are workers."""
    print(_HEAD, flush=True)
    places = [k for k, f in enumerate(FAULTS) if f in faults]
    if workers == 1:
        return run_share((tuple(places), folder, window_s))
    shares = [(tuple(places[k::workers]), folder / f"site-{k}", window_s) for k in range(workers)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        rows = [row for found in pool.map(run_share, shares) for row in found]
    return sorted(rows, key=lambda row: row.number)


def _tell_seconds(place: Rig, count: int) -> None:
    """Every second of the last fault, to look into one that falls short."""
    for s in place.meter.seconds[-count - 1 :]:
        limit = place.meter.limits.at(s.at_s)
        at = s.at_s - place.meter.seconds[0].at_s
        print(f"    {at:.1f} piles {s.total_kw:.1f} base {s.base_kw:.1f} limit {limit:.0f}")


def main() -> int:
    """Print the table, write it as JSON; 1 when anything falls short."""
    words = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    words.add_argument("--quick", action="store_true", help="a third of the faults")
    words.add_argument("--only", default="", help="numbers, as in 1,5,22")
    words.add_argument("--out", type=Path, default=None, help="JSON file")
    words.add_argument("--keep", type=Path, default=None, help="folder for logs and store")
    words.add_argument("--workers", type=int, default=1, help="sites side by side")
    given = words.parse_args()
    numbers = {int(n) for n in given.only.split(",") if n}
    faults = [f for f in FAULTS if (not numbers or f.number in numbers)]
    faults = [f for f in faults if f.quick or not given.quick]
    if MOSQUITTO is None:
        print("chaos: Mosquitto is not installed, nothing can be tried", file=sys.stderr)
        return 0 if given.quick else 1
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        window_s = QUICK_WINDOW_S if given.quick else WINDOW_S
        rows = run_all(faults, given.keep or Path(folder), given.workers, window_s=window_s)
    real = sum(r.verdict.seconds for r in rows)
    simulated = sum(r.simulated_s for r in rows)
    over = sum(r.verdict.judged_s + r.simulated_over_s for r in rows)
    short = [r for r in rows if not r.passed]
    print(
        f"{len(rows)} faults, {real} real and {simulated:,.0f} simulated seconds, {over:g} "
        f"node-seconds above the limit, {sum(r.lost for r in rows)} limits lost, "
        f"{len(short)} fall short; {time.monotonic() - began:.0f} s"
    )
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        total = {
            "faults": len(rows),
            "real_s": real,
            "simulated_s": simulated,
            "over_node_s": over,
            "fall_short": len(short),
            "rows": [r.as_json() for r in rows],
        }
        given.out.write_text(json.dumps(total, indent=2, ensure_ascii=False) + "\n")
    load = max(load, os.getloadavg()[0])
    if given.quick and short and all(r.late_only for r in short) and load > LOADED * cores:
        print(f"load {load:.0f} on {cores} processors: energies and times not judged")
        return 0
    return 1 if short else 0
