"""A session as it happened, with the driver's own words where they are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from models.errors import DataError


@dataclass(frozen=True)
class ReplaySession:
    """One recorded session.

    Parameters
    ----------
    id : str
        Unique, a legal id.
    pile : str
        Id of the pile it happened at.
    arrival, departure : datetime
        When the vehicle was plugged in and out; aware, departure after arrival.
    delivered_kwh : float
        What it took, kWh >= 0: in a replay it takes at most this.
    stated_departure : datetime or None
        When the driver said to leave; None: no word.
    stated_kwh : float or None
        What the driver asked for, kWh >= 0; None: no word.
    battery_kwh, soc : float or None
        Capacity, kWh > 0, and state of charge at plug-in, a fraction, where they are known: the
        replayed vehicle then tapers.
    source_id : str
        The id in the source, where it was not legal here.
    announced_h : float
        How long before its arrival its request is said, h >= 0: a timetable knows ahead.
    """

    id: str
    pile: str
    arrival: datetime
    departure: datetime
    delivered_kwh: float
    stated_departure: datetime | None = None
    stated_kwh: float | None = None
    battery_kwh: float | None = None
    soc: float | None = None
    source_id: str = ""
    announced_h: float = 0.0

    def __post_init__(self) -> None:
        where = f"session {self.id}"
        for name in ("arrival", "departure", "stated_departure"):
            instant = getattr(self, name)
            if instant is not None and instant.tzinfo is None:
                raise DataError("the instant has no offset", where=f"{where}.{name}")
        if self.departure <= self.arrival:
            raise DataError(
                f"leaves {self.departure.isoformat()}, not after its arrival "
                f"{self.arrival.isoformat()}",
                where=where,
            )
        if not self.announced_h >= 0:
            raise DataError("is announced after it came", where=f"{where}.announced_h")
        for name in ("delivered_kwh", "stated_kwh"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise DataError(f"{value} kWh is no energy", where=f"{where}.{name}")
