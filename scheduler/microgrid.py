"""What a problem knows of storage, PV and vehicles that give back, beside its fleet.

A problem with a microgrid is no flow: storing loses energy, and power runs both ways. Its node
balance is, for every node and slot,

    -export <= base + sessions + charging - discharging - PV used <= import

and at the root the left side over the right is what is bought or sold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidValueError
from models.site_rules import EnergyRule
from scheduler.calls import CallTerm

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stores:
    """Stationary storages, column by column; s of them.

    Parameters
    ----------
    ids : tuple of str
        Asset ids.
    node : ndarray of int64, shape (s,)
        The node each hangs under.
    charge_kw, discharge_kw : ndarray, shape (s,)
        Most power each way at its terminals, kW >= 0.
    charge_efficiency, discharge_efficiency : ndarray, shape (s,)
        Fractions in (0, 1].
    energy_kwh : ndarray, shape (s,)
        Stored now, kWh.
    floor_kwh, top_kwh : ndarray, shape (s,)
        Band that the plan keeps, kWh; the floor holds the reserve for backup.
    wear_per_kwh : ndarray, shape (s,)
        Money per kWh discharged at its terminals, >= 0.
    end_value_per_kwh : ndarray, shape (s,)
        What a kWh still stored at the end of the horizon is worth.
    pv_only : ndarray of bool, shape (s,)
        True: it may not charge from the grid, only as much as the PV of the site gives.
    budget_kwh : ndarray, shape (s, days), optional
        Most energy discharged on each local day of the window, kWh; inf: no budget.
    day : ndarray of int64, shape (T,), optional
        The day of ``budget_kwh`` that each slot lies in.
    promised_kwh : ndarray, shape (s, T), optional
        What should be stored at the end of each slot, kWh; 0: nothing is promised then.
    """

    ids: tuple[str, ...]
    node: IntArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    charge_efficiency: FloatArray
    discharge_efficiency: FloatArray
    energy_kwh: FloatArray
    floor_kwh: FloatArray
    top_kwh: FloatArray
    wear_per_kwh: FloatArray
    end_value_per_kwh: FloatArray
    pv_only: NDArray[np.bool_]
    budget_kwh: FloatArray | None = None
    day: IntArray | None = None
    promised_kwh: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of storages."""
        return len(self.ids)

    @property
    def low_kwh(self) -> FloatArray:
        """The floor, or what is stored where that is less: it cannot rise by itself."""
        return np.minimum(self.floor_kwh, self.energy_kwh)

    @property
    def high_kwh(self) -> FloatArray:
        """The top, or what is stored where that is more."""
        return np.maximum(self.top_kwh, self.energy_kwh)

    def stored_kwh(self, net_kwh: FloatArray) -> FloatArray:
        """Stored energy after each slot, kWh, shape (s, T).

        Parameters
        ----------
        net_kwh : ndarray, shape (s, T)
            Energy at the terminals in each slot, positive while charging.
        """
        gain = np.where(
            net_kwh > 0,
            net_kwh * self.charge_efficiency[:, None],
            net_kwh / self.discharge_efficiency[:, None],
        )
        return np.asarray(self.energy_kwh[:, None] + np.cumsum(gain, axis=1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Sources:
    """PV plants; p of them.

    Parameters
    ----------
    ids : tuple of str
        Asset ids.
    node : ndarray of int64, shape (p,)
        The node each hangs under.
    available_kw : ndarray, shape (p, T)
        What each could give in each slot within its AC limit, a magnitude, kW >= 0.
    """

    ids: tuple[str, ...]
    node: IntArray
    available_kw: FloatArray

    @property
    def n(self) -> int:
        """Number of plants."""
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Giving:
    """What the sessions of a fleet may give back; columns of n, 0 kW where one may not.

    Parameters
    ----------
    discharge_kw : ndarray, shape (n,)
        Most power given back at the pile's meter, kW >= 0.
    efficiency : ndarray, shape (n,)
        Share of what leaves the battery that reaches the meter, charging losses included, in
        (0, 1]: giving d takes d / efficiency off what has been charged.
    spare_kwh : ndarray, shape (n,)
        How far the battery may fall below what it holds now, kWh >= 0: down to the driver's
        floor, or the reserve for a departure without notice.
    room_kwh : ndarray, shape (n,)
        Energy up to a full battery, kWh; inf where it is not known.
    wear_per_kwh : ndarray, shape (n,)
        Money per kWh given back: the battery's wear and what the driver is paid.
    budget_kwh : ndarray, shape (n,)
        Most energy given back on this horizon, kWh >= 0 (what is left of the daily cycles).
    """

    discharge_kw: FloatArray
    efficiency: FloatArray
    spare_kwh: FloatArray
    room_kwh: FloatArray
    wear_per_kwh: FloatArray
    budget_kwh: FloatArray


PROMISED_TIMES = 1.8
"""Bands hold nine of ten cases and a promise wants 99 of 100: so many times their width is kept
back for one, in what is offered and in how it is prepared (docs/decisions/0032)."""


@dataclass(frozen=True, eq=False)
class Bands:
    """How far load and PV may come otherwise than foreseen, by slot, kW >= 0, shape (T,).

    Parameters
    ----------
    more_kw, less_kw : ndarray
        Load less PV, above and below what is foreseen; their errors are taken as independent.
    less_load_kw : ndarray
        The load alone, below: PV that comes unforeseen can be curtailed.
    """

    more_kw: FloatArray
    less_kw: FloatArray
    less_load_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Microgrid:
    """Storage, PV and what may flow at each node in both directions.

    Parameters
    ----------
    stores, sources : Stores, Sources
        The assets, in the order of a solution's rows: storages, then PV.
    base_kw : ndarray, shape (m, T)
        What cannot be steered under each node, the nodes below it included and PV left out, kW.
    import_kw, export_kw : ndarray, shape (m, T)
        Most power drawn and fed back through each node, magnitudes, kW >= 0; inf: no limit.
    giving : Giving or None
        What sessions may give back; None: nobody gives.
    calls : tuple of CallTerm
        What demand response events make of the exchange at the root.
    energy : EnergyRule
        Whose energy is used first.
    bands : Bands or None
        How far load and sun may come otherwise than foreseen. Plans are made for what is
        expected; what is published keeps this back.
    """

    stores: Stores
    sources: Sources
    base_kw: FloatArray
    import_kw: FloatArray
    export_kw: FloatArray
    giving: Giving | None = None
    calls: tuple[CallTerm, ...] = ()
    energy: EnergyRule = field(default_factory=EnergyRule)
    bands: Bands | None = None

    def __post_init__(self) -> None:
        shape = self.base_kw.shape
        if self.import_kw.shape != shape or self.export_kw.shape != shape:
            raise InvalidValueError("base, import and export differ in shape", where="microgrid")
        if self.sources.available_kw.shape != (self.sources.n, shape[1]):
            raise InvalidValueError("needs a row for each plant", where="microgrid.available_kw")
        for name in ("import_kw", "export_kw"):
            column = getattr(self, name)
            if bool(np.any(np.isnan(column))) or bool(np.any(column < 0)):
                raise InvalidValueError("a limit must be a number, 0 or more", where=name)
        if not bool(np.all(np.isfinite(self.base_kw))):
            raise InvalidValueError("the base load must be finite", where="microgrid.base_kw")
        if not bool(np.all(self.sources.available_kw >= 0)):
            raise InvalidValueError("PV is a magnitude", where="microgrid.available_kw")

    @property
    def n_assets(self) -> int:
        """Rows of a solution's asset powers."""
        return self.stores.n + self.sources.n

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """Storages, then PV plants."""
        return self.stores.ids + self.sources.ids

    @property
    def asset_node(self) -> IntArray:
        """Node of each asset."""
        return np.concatenate([self.stores.node, self.sources.node])

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Every array, for a digest."""
        for part in (self.stores, self.sources, self.giving, self):
            if part is None:
                continue
            for f in fields(part):
                value = getattr(part, f.name)
                if isinstance(value, np.ndarray):
                    yield value
        rule = self.energy
        yield np.array([rule.own_first, rule.green_share, rule.green_per_kwh], dtype=np.float64)
        for call in self.calls:
            yield from call.arrays()


_NONE = np.zeros(0)
NO_STORES = Stores(
    ids=(),
    node=np.zeros(0, dtype=np.int64),
    charge_kw=_NONE,
    discharge_kw=_NONE,
    charge_efficiency=_NONE,
    discharge_efficiency=_NONE,
    energy_kwh=_NONE,
    floor_kwh=_NONE,
    top_kwh=_NONE,
    wear_per_kwh=_NONE,
    end_value_per_kwh=_NONE,
    pv_only=np.zeros(0, dtype=bool),
)
"""A site without storage."""
