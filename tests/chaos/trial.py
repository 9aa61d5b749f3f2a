"""One fault's trial: what it may ask of the rig, what it found, and its row in the table."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from adapters.store.codec import unpack_event
from models.events import LimitPushed
from tests.chaos.meter import Verdict
from tests.chaos.rig import RESPONSE_S, Rig

ENERGY_ASKED = 0.98
QUICK_WINDOW_S, WINDOW_S = 15.0, 70.0
"""A run is at least so long, in the quick third and in the whole table: energy kept means little
over less, since one late second of a busy machine is then some hundredths of it."""


@dataclass(frozen=True)
class Fault:
    """A fault of the design's list.

    Parameters
    ----------
    number : int
        As in the list.
    title : str
        What is done.
    run : callable
        Injects it; everything is well again when it returns, or on its way there.
    quick : bool
        Part of the quick run.
    energy : bool
        Whether 98 % of the energy without the fault are asked. False: said in advance that
        leases run out or a pile itself misbehaves, with the reason in ``because``.
    because : str
        Why energy cannot be asked.
    alone : bool
        It needs no running site: the engine with simulated time.
    gives : bool
        It needs a site where vehicles give back.
    """

    number: int
    title: str
    run: Callable[[Trial], None]
    quick: bool = False
    energy: bool = True
    because: str = ""
    alone: bool = False
    gives: bool = False


@dataclass
class Trial:
    """What a fault's script works with.

    ``over_s`` is the instant at which the fault was over, for the recovery time; ``simulated_s``
    and ``simulated_over_s`` what a run in the simulator adds.
    """

    place: Rig | None
    began_s: float = field(default_factory=time.monotonic)
    over_s: float | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    simulated_s: float = 0.0
    simulated_over_s: float = 0.0
    lost_extra: int = 0

    @property
    def rig(self) -> Rig:
        """The running site."""
        assert self.place is not None
        return self.place

    def check(self, holds: object, what: str) -> None:
        """Something that must be so; the row falls short where it is not."""
        if not holds:
            self.problems.append(what)

    def note(self, text: str) -> None:
        """A figure for the row."""
        self.notes.append(text)

    def over(self) -> None:
        """From now on the fault is over and the clock of the recovery runs."""
        self.over_s = time.monotonic()

    def excuse(self, begin_s: float, end_s: float) -> None:
        """Nobody could know in this time: raw counts it, the judge does not."""
        self.rig.excused.append((begin_s, end_s))

    def unserved(self, begin_s: float, end_s: float) -> None:
        """Nothing can be delivered in this time."""
        self.rig.unserved.append((begin_s, end_s))


@dataclass(frozen=True)
class Row:
    """A line of the table. ``load``: runnable threads on the machine when it was told."""

    number: int
    title: str
    verdict: Verdict
    kept: float | None
    recovery_s: float | None
    lost: int
    simulated_s: float
    simulated_over_s: float
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))

    @property
    def passed(self) -> bool:
        """Whether it holds in every column."""
        return not self.problems

    @property
    def late_only(self) -> bool:
        """Whether it falls short by times or energy alone: nothing above a limit, nothing lost."""
        over = self.verdict.judged_s + self.simulated_over_s
        return bool(self.problems) and not over and not self.lost

    def as_json(self) -> dict[str, Any]:
        """For the artefact."""
        v = self.verdict
        return {
            "fault": self.number,
            "title": self.title,
            "seconds": v.seconds,
            "raw_s": v.raw_s,
            "judged_s": v.judged_s,
            "base_alone_s": v.base_alone_s,
            "worst_kw": round(v.worst_kw, 2),
            "energy_kept": None if self.kept is None else round(self.kept, 4),
            "recovery_s": None if self.recovery_s is None else round(self.recovery_s, 2),
            "lost": self.lost,
            "simulated_s": self.simulated_s,
            "simulated_over_s": self.simulated_over_s,
            "load": self.load,
            "passed": self.passed,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def lost_limits(rig: Rig, timeout_s: float = 5.0) -> int:
    """Limits that the broker took over and that are not in the daemon's journal."""
    end = time.monotonic() + timeout_s
    while True:
        missing = set(rig.sent) - _journalled(rig)
        if not missing or time.monotonic() > end:
            return len(missing)
        time.sleep(0.3)


def _journalled(rig: Rig) -> set[tuple[int, int]]:
    try:
        with closing(sqlite3.connect(f"file:{rig.store}?mode=ro", uri=True)) as base:
            rows = base.execute("SELECT kind, body FROM journal WHERE kind = 'LimitPushed'")
            events = [unpack_event(kind, body) for kind, body in rows]
    except sqlite3.Error:
        return set()
    return {e.stamp for e in events if isinstance(e, LimitPushed)}


def try_alone(fault: Fault) -> Row:
    """A fault in the simulator: judged there, second by second."""
    trial = Trial(None)
    try:
        fault.run(trial)
    except Exception as problem:
        trial.problems.append(f"{type(problem).__name__}: {problem}")
    if trial.simulated_over_s:
        trial.problems.append(f"{trial.simulated_over_s:g} s above the limit")
    return Row(
        fault.number,
        fault.title,
        Verdict(),
        None,
        None,
        0,
        trial.simulated_s,
        trial.simulated_over_s,
        tuple(trial.problems),
        tuple(trial.notes),
    )


def try_fault(fault: Fault, rig: Rig, *, window_s: float = WINDOW_S) -> Row:
    """Inject a fault and tell what came of it, in a run of at least ``window_s``."""
    try:
        rig.calm()
    except AssertionError as problem:
        print(f"before fault {fault.number}: {problem}")
    rig.excused, rig.unserved, rig.sent = [], [], []
    trial = Trial(rig)
    start = time.monotonic()
    try:
        fault.run(trial)
        rig.wait_serving(60.0)
    except Exception as problem:
        trial.problems.append(f"{type(problem).__name__}: {problem}")
        _revive(rig)
    time.sleep(max(start + window_s - time.monotonic(), 1.2))
    verdict = rig.meter.judge(
        start,
        time.monotonic(),
        response_s=RESPONSE_S + 0.5,
        kept_free_kw=rig.kept_free_kw,
        excused=tuple(rig.excused),
        unserved=tuple(rig.unserved),
    )
    recovery = None if trial.over_s is None else _recovery_s(rig, trial.over_s)
    kept = None
    if verdict.allowed_kwh > 0.05:
        kept = min(verdict.delivered_kwh / verdict.allowed_kwh, 1.0)
    lost = lost_limits(rig) + trial.lost_extra
    if verdict.judged_s or trial.simulated_over_s:
        trial.problems.append(f"{verdict.judged_s + trial.simulated_over_s:g} s above the limit")
    if lost:
        trial.problems.append(f"{lost} limits lost")
    if fault.energy and kept is not None and kept < ENERGY_ASKED:
        trial.problems.append(f"energy {kept:.1%}")
    if not fault.energy:
        trial.notes.append(f"energy not asked: {fault.because}")
    return Row(
        fault.number,
        fault.title,
        verdict,
        kept,
        recovery,
        lost,
        trial.simulated_s,
        trial.simulated_over_s,
        tuple(trial.problems),
        tuple(trial.notes),
    )


def _recovery_s(rig: Rig, over_s: float) -> float:
    """From the end of a fault until the piles use again what they may."""
    for second in rig.meter.seconds:
        room = rig.meter.limits.at(second.at_s) - second.base_kw - rig.kept_free_kw
        if second.at_s + 1.0 > over_s and second.total_kw >= 0.95 * max(room, 0.0):
            return max(second.at_s - over_s, 0.0)
    return time.monotonic() - over_s


def _revive(rig: Rig) -> None:
    """After a fault that went wrong: what the next one needs."""
    rig.to_daemon.tell("pass")
    rig.to_piles.tell("pass")
    for leftover in ("clock", "die"):
        (rig.folder / leftover).unlink(missing_ok=True)
    if not rig.daemon.alive:
        rig.daemon.start()
