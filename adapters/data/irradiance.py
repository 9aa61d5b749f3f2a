"""Irradiance as a weather service foresees it, by file."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from adapters.forecast.series import Measured
from models.errors import DataError
from models.horizon import epoch_s

MOST_W_M2 = 2000.0
"""More never reaches the ground."""


def read_irradiance(path: Path, *, zone: ZoneInfo, step_s: int) -> Measured:
    """A file of two columns, ``start`` and ``w_m2``, on slots of a whole number of steps.

    Parameters
    ----------
    path : Path
        CSV; ``start`` with its offset (RFC 3339), rising by one and the same length of slot.
    zone : ZoneInfo
        Of the plant.
    step_s : int
        Length of the slots wanted, s; a slot of the file is a whole number of them.

    Raises
    ------
    DataError
        If a row cannot be read, or the slots do not follow each other.
    """
    starts: list[int] = []
    values: list[float] = []
    with path.open(encoding="utf-8", newline="") as text:
        for number, row in enumerate(csv.DictReader(text), start=2):
            try:
                at, value = datetime.fromisoformat(row["start"]), float(row["w_m2"])
                if at.tzinfo is None or not 0.0 <= value <= MOST_W_M2:
                    raise ValueError(f"{row['start']}, {row['w_m2']}")
            except (KeyError, TypeError, ValueError) as problem:
                raise DataError(
                    f"line {number} is no start with its offset and no w_m2 from 0 to "
                    f"{MOST_W_M2:g}: {problem}",
                    where=str(path),
                ) from problem
            starts.append(epoch_s(at))
            values.append(value)
    lengths = set(np.diff(starts).tolist())
    length = lengths.pop() if len(lengths) == 1 else 0
    if length <= 0 or length % step_s:
        raise DataError(
            f"its slots are not all of one length that is a multiple of {step_s // 60} min",
            where=str(path),
        )
    return Measured(starts[0], step_s, np.repeat(np.array(values), length // step_s), zone)
