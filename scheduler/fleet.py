"""The sessions of a problem, column by column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidValueError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fleet:
    """The sessions of a problem, column by column; n of them.

    Parameters
    ----------
    ids : tuple of str
        Session ids, unique, in a fixed order (ties are broken by it).
    node : ndarray of int64, shape (n,)
        Index of the node that each session's pile hangs under.
    start_s, end_s : ndarray of int64, shape (n,)
        Window in epoch seconds; clipped to the horizon. A slot that the window covers in part
        takes energy pro rata.
    max_kw : ndarray, shape (n,)
        Most power, kW > 0.
    min_kw : ndarray, shape (n,)
        Least power other than 0, kW (6 A for an AC pile). Solvers may relax it.
    step_kw : ndarray, shape (n,)
        Powers are multiples of it, kW (1 A of a pile that takes whole amps); 0: any power.
        Solvers may relax it.
    energy_kwh : ndarray, shape (n,)
        Energy still owed, kWh >= 0. Soft: what does not fit is reported as short.
    asked_kwh : ndarray, shape (n,)
        The whole request, kWh, for the served fraction (asked - energy + planned) / asked.
    promised_kwh : ndarray, shape (n,)
        What of the energy still owed has been promised, kWh, in [0, energy].
    priority : ndarray of int64, shape (n,)
        0 to 9, larger is served first.
    count_factor : ndarray, shape (n,)
        How much 1 kW counts at a node: 1 + voltage tolerance for AC piles, else 1.
    taper_per_h : ndarray, shape (n,)
        k of the taper p <= k (room - energy taken so far), 1/h; inf where there is none.
    taper_room_kwh : ndarray, shape (n,)
        Energy up to a full battery, kWh; inf where it is not known.
    phases : ndarray of int64, shape (n,)
        Bit 0 to 2: the pile draws on phase 1 to 3. 0: counts on no phase limit.
    amps_per_kw : ndarray, shape (n,)
        Current on each of its phases per kW planned, A/kW.
    earliest : ndarray of bool, shape (n,)
        True: the driver wants power now; energy goes to the earliest slots whatever the price.
    """

    ids: tuple[str, ...]
    node: IntArray
    start_s: IntArray
    end_s: IntArray
    max_kw: FloatArray
    min_kw: FloatArray
    step_kw: FloatArray
    energy_kwh: FloatArray
    asked_kwh: FloatArray
    promised_kwh: FloatArray
    priority: IntArray
    count_factor: FloatArray
    taper_per_h: FloatArray
    taper_room_kwh: FloatArray
    phases: IntArray
    amps_per_kw: FloatArray
    earliest: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.ids)
        for name in self.__dataclass_fields__:
            if name == "ids":
                continue
            kind = np.int64 if name in _INT_COLUMNS else np.float64
            column = np.ascontiguousarray(
                getattr(self, name), dtype=np.bool_ if name == "earliest" else kind
            )
            if column.shape != (n,):
                raise InvalidValueError(
                    f"has shape {column.shape}, {n} sessions", where=f"fleet.{name}"
                )
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        if n and not bool(np.all(self.max_kw > 0)):
            raise InvalidValueError("a session's largest power must be positive", where="max_kw")
        if n and not bool(np.all(self.energy_kwh >= 0) and np.all(np.isfinite(self.energy_kwh))):
            raise InvalidValueError("energy must be finite and not negative", where="energy_kwh")

    @property
    def n(self) -> int:
        """Number of sessions."""
        return len(self.ids)


_INT_COLUMNS = frozenset({"node", "start_s", "end_s", "priority", "phases"})


def plain_fleet(
    ids: tuple[str, ...],
    node: IntArray,
    start_s: IntArray,
    end_s: IntArray,
    max_kw: FloatArray,
    energy_kwh: FloatArray,
    priority: IntArray | None = None,
) -> Fleet:
    """A fleet with windows, power and energy alone: no taper, no phases, no minimum.

    Parameters
    ----------
    ids, node, start_s, end_s, max_kw, energy_kwh
        As in :class:`Fleet`.
    priority : ndarray of int64, optional
        5 for all unless given.
    """
    n = len(ids)
    return Fleet(
        ids=ids,
        node=node,
        start_s=start_s,
        end_s=end_s,
        max_kw=max_kw,
        min_kw=np.zeros(n),
        step_kw=np.zeros(n),
        energy_kwh=energy_kwh,
        asked_kwh=energy_kwh,
        promised_kwh=np.zeros(n),
        priority=np.full(n, 5) if priority is None else priority,
        count_factor=np.ones(n),
        taper_per_h=np.full(n, np.inf),
        taper_room_kwh=np.full(n, np.inf),
        phases=np.zeros(n, dtype=np.int64),
        amps_per_kw=np.zeros(n),
        earliest=np.zeros(n, dtype=bool),
    )
