"""Small problems in hours and kW, for tests of solvers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import Horizon
from scheduler.problem import Fleet, Problem

START_S = 1_782_000_000


def session(
    start_h: float, end_h: float, max_kw: float, energy_kwh: float, **other: Any
) -> dict[str, Any]:
    """One session in hours from the start of the horizon; other columns of a fleet by name."""
    row: dict[str, Any] = {
        "node": 0,
        "start_s": START_S + round(start_h * 3600),
        "end_s": START_S + round(end_h * 3600),
        "max_kw": max_kw,
        "min_kw": 0.0,
        "step_kw": 0.0,
        "energy_kwh": energy_kwh,
        "asked_kwh": energy_kwh,
        "promised_kwh": 0.0,
        "priority": 5,
        "count_factor": 1.0,
        "taper_per_h": np.inf,
        "taper_room_kwh": np.inf,
        "phases": 0,
        "amps_per_kw": 0.0,
        "earliest": False,
    }
    return row | other


def problem_of(
    sessions: Sequence[dict[str, Any]],
    *,
    price: Sequence[float],
    cap_kw: float | Sequence[Sequence[float]] = np.inf,
    parent: Sequence[int] = (-1,),
    sell: Sequence[float] | None = None,
    surplus_kw: Sequence[float] | None = None,
    edges_h: Sequence[float] | None = None,
) -> Problem:
    """Sessions under a tree; slots of one hour unless edges are given."""
    t, m = len(price), len(parent)
    hours = np.arange(t + 1) if edges_h is None else np.asarray(edges_h)
    names = [f for f in Fleet.__dataclass_fields__ if f != "ids"]
    columns = {f: np.array([s[f] for s in sessions]) for f in names}
    cap = np.full((m, t), cap_kw) if np.isscalar(cap_kw) else np.asarray(cap_kw, dtype=float)
    zeros = [0.0] * t
    return Problem(
        horizon=Horizon(
            np.asarray(START_S + np.round(hours * 3600), dtype=np.int64), ZoneInfo("UTC")
        ),
        node_ids=tuple(f"n{v}" for v in range(m)),
        parent=np.asarray(parent, dtype=np.int64),
        cap_kw=cap,
        fleet=Fleet(ids=tuple(f"s{i}" for i in range(len(sessions))), **columns),
        buy_per_kwh=np.asarray(price, dtype=float),
        sell_per_kwh=np.asarray(zeros if sell is None else sell, dtype=float),
        surplus_kw=np.asarray(zeros if surplus_kw is None else surplus_kw, dtype=float),
    )
