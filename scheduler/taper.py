"""What a vehicle's battery takes now, where its request says enough to know."""

from __future__ import annotations

from models.pile import Pile
from scheduler.state import SessionRecord

TAPER_SOC = 0.8
"""Where the taper of a battery begins whose curve is not known (protocols reference: DC fast
charging tapers from about 80 %)."""

TAPER_BOUND = 0.7
"""A plan above this share of what a battery takes now means: all that it takes. The mean of a
quarter hour at the usual 1.5 per h is 0.83 of the power at its start."""


def stored_kwh(record: SessionRecord) -> float | None:
    """Energy in the battery, kWh; None where battery or state of charge are not known."""
    request = record.request
    if request.battery_kwh is None:
        return None
    if record.soc is not None:
        return record.soc * request.battery_kwh
    if request.soc is not None:
        return request.soc * request.battery_kwh + record.delivered_kwh
    return None


def offered_kw(record: SessionRecord, nameplate: Pile, want_kw: float) -> float:
    """Power to offer for a planned mean power, kW.

    On its taper a vehicle draws more at the start of a slot than at its end. A plan that gives
    it all it takes is a mean over the slot; held as it stands, it would cut the start and lose
    what the end cannot make up.
    """
    stored = stored_kwh(record)
    battery = record.request.battery_kwh
    if stored is None or battery is None or want_kw <= 0:
        return want_kw
    rated = nameplate.max_kw
    if record.request.max_kw is not None:
        rated = min(rated, record.request.max_kw)
    takes = rated / (battery * (1 - TAPER_SOC)) * max(battery - stored, 0.0)
    if takes < rated and want_kw >= TAPER_BOUND * takes:
        return max(min(takes, rated), want_kw)
    return want_kw
