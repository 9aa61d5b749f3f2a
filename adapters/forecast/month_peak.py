"""What a month's peak will come to however well a storage is steered: hindsight on days before.

A planner that looks a day ahead cannot know it. It is told as ``forecast/peak-{root}``, so that no
energy is spent in the first days on a peak that will be exceeded anyway.
"""

from __future__ import annotations

import numpy as np

from models.horizon import FloatArray
from models.storage import Storage

_NEAR_KW = 0.1


def least_peak_kw(net_kw: FloatArray, step_h: float, storage: Storage) -> float:
    """The least level under which a storage could have kept a series of the past, kW.

    Parameters
    ----------
    net_kw : ndarray, shape (n,)
        Load less PV without the storage, kW; slots that are nan take no part.
    step_h : float
        Length of a slot, h > 0.
    storage : Storage
        It starts half full, charges whenever there is room under the level, and takes what is
        above it.

    Returns
    -------
    float
        kW >= 0, to a tenth of a kW.
    """
    known = np.asarray(net_kw, dtype=np.float64)
    known = known[np.isfinite(known)]
    low, high = 0.0, float(np.max(known, initial=0.0))
    while high - low > _NEAR_KW:
        middle = (low + high) / 2.0
        if _keeps(known.tolist(), step_h, storage, middle):
            high = middle
        else:
            low = middle
    return high


def _keeps(net_kw: list[float], step_h: float, storage: Storage, level_kw: float) -> bool:
    top = (storage.max_soc - storage.floor_soc) * storage.capacity_kwh
    left = min(max((0.5 - storage.floor_soc) * storage.capacity_kwh, 0.0), top)
    for power in net_kw:
        over = power - level_kw
        if over > storage.max_kw:
            return False
        if over > 0.0:
            left -= over * step_h / storage.discharge_efficiency
            if left < 0.0:
                return False
        else:
            into = min(-over, storage.max_kw) * step_h * storage.charge_efficiency
            left = min(top, left + into)
    return True
