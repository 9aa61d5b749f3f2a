"""How good forecasts are on days after everything they were fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from adapters.data.measured_series import read_ucsd
from adapters.forecast.base_load import DayBefore, LikeDays, Persistence
from adapters.forecast.pv import ClearSky
from adapters.forecast.series import Measured, Method, skill
from benchmarks.microgrid_case import FIRST_KNOWN, MOVED_DAYS, PLACE, UCSD, ZONE

COLUMNS = ("series", "hours", "method", "mae_kw", "rmse_kw", "bias_kw", "skill")


def run(data: Path, quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Errors by series, length and method; the skill is against persistence."""
    read = {
        name: read_ucsd(
            data / UCSD / f"{name}.csv.gz",
            zone=ZONE,
            first=FIRST_KNOWN,
            last=datetime(2019, 7, 30, tzinfo=ZONE),
            moved_days=MOVED_DAYS,
        )[0]
        for name in ("MusicBuilding", "StudentServices", "HopkinsParkingPV")
    }
    music = read["MusicBuilding"]
    base = replace(music, values_kw=music.values_kw + read["StudentServices"].values_kw)
    sun = read["HopkinsParkingPV"]
    sun = replace(sun, values_kw=np.maximum(sun.values_kw, 0.0))
    cases: tuple[tuple[str, Measured, tuple[Method, ...]], ...] = (
        ("base load", base, (Persistence(), DayBefore(), LikeDays())),
        ("PV", sun, (Persistence(), DayBefore(), ClearSky(PLACE))),
    )
    rows = []
    for name, series, methods in cases:
        first = series.at(datetime(2019, 6, 1, tzinfo=ZONE).timestamp())
        for hours in (1, 24):
            tell(f"{name}, {hours} h ahead")
            found = skill(methods, series, first, n=4 * hours, every=97 if quick else 29)
            rows += [
                {"series": name, "hours": hours, "method": method, **figures}
                for method, figures in found.items()
            ]
    return {"rows": rows, "from": "2019-06-01", "until": "2019-07-30"}
