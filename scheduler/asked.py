"""What sessions ask, column by column: read again of those alone whose request is another one.

A plan is put together for thousands of sessions at a time, and a driver changes a request once in a
while. What hangs on the request alone stands in arrays that go from one plan to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import is_not

import numpy as np
from numpy.typing import NDArray

from models.session import Request
from models.site import Site
from scheduler.fixed import Fixed, fixed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Asked:
    """The requests of n sessions.

    Parameters
    ----------
    pile : ndarray of int64
        Place of the pile among those of the site.
    arrival_s, departure_s : ndarray
        Epoch seconds.
    energy_kwh : ndarray
        Since plug-in, kWh.
    most_kw, least_kw : ndarray
        What pile and vehicle are rated for, and the vehicle's own minimum, 0 where it has none, kW.
    priority : ndarray of int64
        0 to 9.
    at_once : ndarray of bool
        To be charged whatever the price.
    battery, measured : ndarray of bool
        The battery is known; its state of charge too.
    """

    pile: IntArray
    arrival_s: FloatArray
    departure_s: FloatArray
    energy_kwh: FloatArray
    most_kw: FloatArray
    least_kw: FloatArray
    priority: IntArray
    at_once: Bools
    battery: Bools
    measured: Bools


class Requests:
    """The requests read last; it belongs to one engine and is no part of the state.

    Parameters
    ----------
    site : Site
        The engine's site.
    """

    def __init__(self, site: Site) -> None:
        self._fixed = fixed(site)
        self._read: list[Request] = []
        self._asked = _read([], self._fixed)

    def asked(self, requests: list[Request]) -> Asked:
        """The columns of these requests; nothing of them may be written to."""
        if len(requests) != len(self._read):
            self._asked = _read(requests, self._fixed)
        else:
            other = np.fromiter(map(is_not, requests, self._read), np.bool_, len(requests))
            some = np.flatnonzero(other)
            if some.size:
                self._asked = _mended(self._asked, some, [requests[i] for i in some], self._fixed)
        self._read = requests
        return self._asked


def _read(requests: Sequence[Request], parts: Fixed) -> Asked:
    piles = [parts.piles[r.pile] for r in requests]
    rated = [
        one.pile.max_kw if r.max_kw is None else min(one.pile.max_kw, r.max_kw)
        for one, r in zip(piles, requests, strict=True)
    ]
    return Asked(
        pile=np.array([one.index for one in piles], dtype=np.int64),
        arrival_s=np.array([r.arrival_s for r in requests], dtype=np.float64),
        departure_s=np.array([r.departure_s for r in requests], dtype=np.float64),
        energy_kwh=np.array([r.energy_kwh for r in requests], dtype=np.float64),
        most_kw=np.array(rated, dtype=np.float64),
        least_kw=np.array([r.min_kw or 0.0 for r in requests], dtype=np.float64),
        priority=np.array([r.priority for r in requests], dtype=np.int64),
        at_once=np.array([r.mode == "now" for r in requests], dtype=np.bool_),
        battery=np.array([r.battery_kwh is not None for r in requests], dtype=np.bool_),
        measured=np.array([r.is_measured for r in requests], dtype=np.bool_),
    )


def _mended(asked: Asked, some: IntArray, requests: Sequence[Request], parts: Fixed) -> Asked:
    new, columns = _read(requests, parts), {}
    for field in fields(Asked):
        columns[field.name] = column = getattr(asked, field.name).copy()
        column[some] = getattr(new, field.name)
    return Asked(**columns)
