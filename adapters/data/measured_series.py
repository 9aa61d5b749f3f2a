"""Measured power series of a microgrid by file, moved to other days where asked."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from adapters.forecast.series import Measured
from models.errors import DataError

STEP_S = 900


def read_ucsd(
    path: Path, *, zone: ZoneInfo, first: datetime, last: datetime, moved_days: int = 0
) -> tuple[Measured, int]:
    """One series of the UC San Diego microgrid, on quarter hours of UTC, without holes.

    Parameters
    ----------
    path : Path
        A file of that collection (``DateTime`` in local time, newest first; ``RealPower``, kW).
    zone : ZoneInfo
        Of its clock.
    first, last : datetime
        Aware, after the move: slots in [first, last).
    moved_days : int
        Whole days that every local stamp is moved on by; multiples of 7 keep the weekday.

    Returns
    -------
    series : Measured
    filled : int
        Slots that were missing: they take the value of the same local time a day (then two,
        three, ...) before.

    Raises
    ------
    DataError
        If the file has no such columns, or none of the days asked for.
    """
    try:
        with gzip.open(path, "rt") as text:
            table = pd.read_csv(text, thousands=",")
        stamps = pd.to_datetime(table["DateTime"], format="%m/%d/%Y %H:%M")
        power = table["RealPower"].astype(float).to_numpy()
    except (KeyError, ValueError, OSError) as problem:
        raise DataError(f"is no measured series: {problem}", where=str(path.name)) from problem
    local = stamps + timedelta(days=moved_days)
    known = pd.Series(power, index=local).sort_index()
    known = known[~known.index.duplicated()]
    grid = pd.date_range(first, last, freq=f"{STEP_S}s", inclusive="left").tz_convert(zone)
    wanted = grid.tz_localize(None)
    values = known.reindex(wanted).to_numpy(copy=True)
    missing = ~np.isfinite(values)
    filled = int(missing.sum())
    if filled == values.size:
        raise DataError("has none of the days asked for", where=str(path.name))
    for back in range(1, 15):
        if not missing.any():
            break
        before = known.reindex(wanted[missing] - timedelta(days=back)).to_numpy()
        values[missing] = before
        missing = ~np.isfinite(values)
    values[missing] = float(np.nanmean(values))
    whole = np.asarray(values, dtype=np.float64)
    return Measured(int(grid[0].timestamp()), STEP_S, whole, zone), filled
