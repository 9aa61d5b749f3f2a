"""Simulating a real month: JPL's sessions of May 2019 in closed loop."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.books import load_book
from adapters.simulator.simulate import simulate
from adapters.site_writers import site_from_sessions

FILE = "acn_caltech_jpl_sessions/jpl_2019-05-01_2019-08-31.csv.gz"
ZONE = ZoneInfo("America/Los_Angeles")
PLACES = (Path("../shared/data"), Path("data"))


def month_figures(data: Path | None, *, days: int) -> dict[str, Any]:
    """Time of so many days behind 150 kW, the drivers' words as requests.

    Parameters
    ----------
    data : Path, optional
        Folder of the real data, which does not ship. None: where it usually stands.
    days : int
        From the first of May.

    Returns
    -------
    dict
        ``simulate_days``, ``simulate_run_s`` (the closed loop alone) and ``simulate_wall_s``
        (with every baseline); or ``simulate_left_out`` with the reason.
    """
    folders = PLACES if data is None else (data,)
    file = next((f / FILE for f in folders if (f / FILE).exists()), None)
    if file is None:
        return {"simulate_left_out": f"no {FILE}: say where the real data stands with --data"}
    tariff = load_book("zhejiang-2026", holidays="none")
    made, sessions = site_from_sessions(
        file, transformer_kw=150.0, zone=ZONE, tariff=tariff.name, currency=tariff.currency
    )
    start = datetime(2019, 5, 1, tzinfo=ZONE)
    end = start + timedelta(days=days)
    found = simulate(made.site, tariff, sessions, start, end, requests="stated")
    return {
        "simulate_days": days,
        "simulate_run_s": found["run_wall_s"],
        "simulate_wall_s": found["wall_s"],
    }
