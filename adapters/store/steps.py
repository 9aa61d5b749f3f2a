"""Step records: every plan with all that made it, so that it can be explained and made again.

And what was told: alerts, answers to limits. Both are bounded.
"""

from __future__ import annotations

import json
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from adapters.store.records import pack, unpack
from adapters.store.schema import refuse_newer
from models.errors import StoreError
from scheduler.problem import FloatArray, Problem

STEPS_KEPT = 5_000
STEPS_BYTES = 256 * 1024**2
"""Step records are kept up to this number and this size; the oldest go first."""

TOLD_KEPT = 20_000

DECIDES = ("valleyfill", "numpy", "numba", "highspy", "ortools")
"""Distributions whose version decides what a solver answers."""


@cache
def versions() -> dict[str, str]:
    """What runs here, by name; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in DECIDES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, eq=False)
class Step:
    """One plan and all that made it.

    Parameters
    ----------
    at : datetime
        When the answer came.
    problem : Problem
        With the running plan in it.
    energy_kwh : ndarray
        The answer.
    status, rung, gap, work
        As the solver said.
    rungs : tuple of str
        What was ready to be tried, in order.
    work_limit : int
        Units of work that each rung could spend.
    versions : dict
        See :func:`versions`.
    periods : tuple of str
        Tariff period of each slot, empty where none were told.
    currency : str
    assets_kw : ndarray or None
        Planned power of storage and PV, as the solver said.
    start : bytes
        What the solver began with beside the problem, in its own form; empty for nothing.
    relaxed_kwh : ndarray or None
        The plan as if piles held any power, where they do not and somebody ends short.
    number : int
        Of the step in its store; 0 before it is written.
    """

    at: datetime
    problem: Problem
    energy_kwh: FloatArray
    status: str
    rung: str
    gap: float
    work: int
    rungs: tuple[str, ...]
    work_limit: int
    versions: dict[str, str]
    periods: tuple[str, ...] = ()
    currency: str = ""
    assets_kw: FloatArray | None = None
    start: bytes = b""
    relaxed_kwh: FloatArray | None = None
    number: int = 0


@dataclass(frozen=True)
class Told:
    """One thing that was told to people: its kind, what it is about, its body as JSON."""

    at: datetime
    kind: str
    about: str
    body: str


def write_steps(base: sqlite3.Connection, steps: Iterable[Step]) -> None:
    """Write step records inside a transaction, and let the oldest go."""
    rows = []
    for s in steps:
        body = pack([s.problem, s.energy_kwh, s.assets_kw, s.start, s.relaxed_kwh])
        facts = {
            "status": s.status,
            "gap": s.gap if s.gap == s.gap else None,
            "work": s.work,
            "rungs": s.rungs,
            "work_limit": s.work_limit,
            "versions": s.versions,
            "periods": s.periods,
            "currency": s.currency,
        }
        rows.append(
            (s.at.isoformat(), s.problem.digest, s.rung, len(body), json.dumps(facts), body)
        )
    if not rows:
        return
    base.executemany(
        "INSERT INTO steps (at, digest, rung, bytes, facts, body) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    base.execute(
        "DELETE FROM steps WHERE id <= (SELECT max(id) FROM steps) - ?",
        (STEPS_KEPT,),
    )
    base.execute(
        "DELETE FROM steps WHERE id <= (SELECT max(id) FROM (SELECT id, sum(bytes) "
        "OVER (ORDER BY id DESC) AS total FROM steps) WHERE total > ?)",
        (STEPS_BYTES,),
    )


def write_told(base: sqlite3.Connection, told: Sequence[Told]) -> None:
    """Write what was told inside a transaction, and let the oldest go."""
    if not told:
        return
    base.executemany(
        "INSERT INTO told (at, kind, about, body) VALUES (?, ?, ?, ?)",
        [(t.at.isoformat(), t.kind, t.about, t.body) for t in told],
    )
    base.execute("DELETE FROM told WHERE id <= (SELECT max(id) FROM told) - ?", (TOLD_KEPT,))


def reading_store(path: Path) -> sqlite3.Connection:
    """A site's store, to be read beside the daemon that writes it.

    Raises
    ------
    StoreError
        If there is none, or another version wrote it.
    """
    if not path.is_file():
        raise StoreError(
            "there is no store", where=str(path), fix="run the site first: valleyfill run SITE.toml"
        )
    try:
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        (found,) = base.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as problem:
        raise StoreError(f"cannot be read: {problem}", where=str(path)) from problem
    refuse_newer(found, path)
    if found < 3:
        raise StoreError(
            f"has version {found}, before steps were recorded",
            where=str(path),
            fix="start the daemon of this version once: it brings the store up to date",
        )
    return base


_COLUMNS = "id, at, rung, facts, body"


def read_step(base: sqlite3.Connection, number: int) -> Step:
    """One step.

    Raises
    ------
    StoreError
        If there is none of that number (any more), or it cannot be read.
    """
    row = base.execute(f"SELECT {_COLUMNS} FROM steps WHERE id = ?", (number,)).fetchone()
    if row is None:
        low, high = base.execute("SELECT min(id), max(id) FROM steps").fetchone()
        if low is None:
            raise StoreError(
                "no plan is kept yet", fix="one is, as soon as a session has been planned"
            )
        raise StoreError(
            f"there is no step {number}", fix=f"choose another: {low} to {high} are kept"
        )
    return _step(row)


def read_steps(base: sqlite3.Connection, *, newest: int) -> Iterable[Step]:
    """The newest steps, newest first."""
    for row in base.execute(f"SELECT {_COLUMNS} FROM steps ORDER BY id DESC LIMIT ?", (newest,)):
        yield _step(row)


@dataclass(frozen=True)
class StepHead:
    """A step without its body."""

    number: int
    at: datetime
    digest: str
    rung: str


def list_steps(base: sqlite3.Connection, newest: int) -> list[StepHead]:
    """The newest steps, newest first, without their bodies."""
    rows = base.execute(
        "SELECT id, at, digest, rung FROM steps ORDER BY id DESC LIMIT ?", (newest,)
    )
    return [StepHead(n, datetime.fromisoformat(at), digest, rung) for n, at, digest, rung in rows]


def _step(row: tuple[Any, ...]) -> Step:
    number, at, rung, facts, body = row
    told = json.loads(facts)
    # Records of earlier versions hold no start, or no relaxed plan.
    problem, energy, assets, *later = unpack(body)
    return Step(
        at=datetime.fromisoformat(at),
        problem=problem,
        energy_kwh=np.asarray(energy, dtype=np.float64),
        status=told["status"],
        rung=rung,
        gap=float("nan") if told["gap"] is None else told["gap"],
        work=told["work"],
        rungs=tuple(told["rungs"]),
        work_limit=told["work_limit"],
        versions=told["versions"],
        periods=tuple(told["periods"]),
        currency=told["currency"],
        assets_kw=assets,
        start=later[0] if later else b"",
        relaxed_kwh=later[1] if len(later) > 1 else None,
        number=number,
    )
