"""What vehicles have drawn since their piles were read last.

Registers come once a telemetry period. A plan made in between would keep room for what a vehicle
has taken by then, up to a period's energy of everybody who charges; so the power of the last
reading is taken to go on until the next one says better (docs/decisions/0028).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from models.site import Site
from models.units import SECONDS_PER_HOUR
from scheduler.fleet import FloatArray
from scheduler.state import PileState, SessionRecord, changed
from scheduler.view import MISSED_PERIODS

LEAST_OWED_KWH = 0.01
"""Only a reading says that a vehicle has all it asked for: until then it is owed this much."""

_REQUEST = attrgetter("request")
_ENERGY_KWH, _DELIVERED_KWH = attrgetter("energy_kwh"), attrgetter("delivered_kwh")
_POWER_KW, _MEASURED_MONO_S = attrgetter("power_kw"), attrgetter("measured_mono_s")


def since_reading_kwh(
    piles: Sequence[PileState], records: Sequence[SessionRecord], site: Site, mono_s: float
) -> FloatArray:
    """Energy that each session drew since its last reading, were the power of then to go on.

    Parameters
    ----------
    piles, records : sequence
        Of n sessions.
    site : Site
        After three of its telemetry periods a pile is silent, and nothing more is added.
    mono_s : float
        Now, on the monotonic clock, s.

    Returns
    -------
    ndarray, shape (n,)
        kWh >= 0; 0 for one that did not charge, or that may give back (its state of charge counts),
        and never so much that nothing would be owed.
    """
    n = len(records)
    charging = np.fromiter(
        (r.state == "charging" and r.request.v2g is None for r in records), np.bool_, n
    )
    if not charging.any():
        return np.zeros(n)
    read_s = np.fromiter(map(_MEASURED_MONO_S, piles), np.float64, n)
    power_kw = np.fromiter(map(_POWER_KW, piles), np.float64, n)
    asked = np.fromiter(map(_ENERGY_KWH, map(_REQUEST, records)), np.float64, n)
    lacks = asked - np.fromiter(map(_DELIVERED_KWH, records), np.float64, n)
    passed_s = np.clip(mono_s - read_s, 0.0, MISSED_PERIODS * site.telemetry_period_s)
    drawn = np.minimum(power_kw * passed_s / SECONDS_PER_HOUR, lacks - LEAST_OWED_KWH)
    return np.where(charging & (read_s >= 0), np.maximum(drawn, 0.0), 0.0)


def with_drawn(record: SessionRecord, drawn_kwh: float) -> SessionRecord:
    """The record as a reading would leave it after so much more, kWh."""
    if drawn_kwh == 0.0:
        return record
    battery, soc = record.request.battery_kwh, record.soc
    if battery is not None and soc is not None:
        soc = min(soc + drawn_kwh / battery, 1.0)
    return changed(record, delivered_kwh=record.delivered_kwh + drawn_kwh, soc=soc)
