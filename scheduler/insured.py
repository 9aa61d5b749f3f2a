"""A promise to the grid, planned with a margin while its hours are still to come."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from models.horizon import FloatArray
from scheduler.calls import CallTerm
from scheduler.microgrid import PROMISED_TIMES, Bands


def insured(term: CallTerm, bands: Bands, beside_kw: FloatArray) -> CallTerm:
    """A promise in slots to come, as far on its safe side as load and sun may come otherwise.

    Storage keeps energy, or room, for what nobody foresees; when the slot has begun the promise
    itself counts.

    Parameters
    ----------
    term : CallTerm
    bands : Bands
    beside_kw : ndarray, shape (T,)
        Load less PV as foreseen, kW: a series below it is one to fall short of by drawing more.
    """
    over, under = math.isinf(term.over_per_kwh), math.isinf(term.under_per_kwh)
    rises = np.nan_to_num(term.level_kw) < beside_kw
    below = over & (rises | (not under))
    moved = PROMISED_TIMES * np.where(below, -bands.more_kw, bands.less_kw if under else 0.0)
    moved[0] = 0.0
    return replace(term, level_kw=term.level_kw + moved)
