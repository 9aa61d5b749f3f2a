"""What the same energy would have cost without steering: baselines, billed the same way.

Money is compared at equal kWh only. A baseline that could not deliver the energy of a session
says by how much it fell short, and is then no measure of savings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError
from models.units import SECONDS_PER_HOUR
from tariffs.bill import session_bills
from tariffs.bill_lines import Bill
from tariffs.metered import Metered
from tariffs.tariff import Tariff

_STEP_S = 300
_EQUAL_KWH = 0.01


@dataclass(frozen=True)
class Stay:
    """A session as the meter saw it: when it was there, what it drew, what its pile can do.

    Parameters
    ----------
    arrival_s, departure_s : int
        Epoch seconds, arrival before departure.
    energy_kwh : float
        Drawn in the stay, kWh, >= 0.
    max_kw : float
        Full power of the pile for this vehicle, kW, > 0.
    """

    arrival_s: int
    departure_s: int
    energy_kwh: float
    max_kw: float

    def __post_init__(self) -> None:
        if self.departure_s <= self.arrival_s or self.energy_kwh < 0 or not self.max_kw > 0:
            raise InvalidValueError(
                f"a stay from {self.arrival_s} to {self.departure_s} with {self.energy_kwh} kWh "
                f"at {self.max_kw} kW is none"
            )


@dataclass(frozen=True)
class Saving:
    """A bill against a baseline of the same sessions.

    Parameters
    ----------
    baseline : str
    baseline_cost, cost : Decimal
        Energy and fees of all sessions, exact.
    short_kwh : float
        What the baseline did not deliver of the same energy; savings count only where it is 0.
    """

    baseline: str
    baseline_cost: Decimal
    cost: Decimal
    short_kwh: float

    @property
    def saved(self) -> Decimal | None:
        """Money saved; None where energies differ."""
        return self.baseline_cost - self.cost if self.short_kwh <= _EQUAL_KWH else None


def uncontrolled(stays: Sequence[Stay]) -> list[Metered]:
    """Every stay at full power from its arrival until its energy is drawn, limits ignored."""
    found = []
    for stay in stays:
        seconds = max(1, round(stay.energy_kwh / stay.max_kw * SECONDS_PER_HOUR))
        found.append(_stretch([stay.arrival_s], [stay.arrival_s + seconds], [stay.energy_kwh]))
    return found


def first_come(stays: Sequence[Stay], limit_kw: float) -> list[Metered]:
    """In the order of arrival, each as much as fits under one limit, in steps of five minutes.

    Parameters
    ----------
    stays : sequence of Stay
    limit_kw : float
        Shared by all, kW, > 0.
    """
    if not stays:
        return []
    if not limit_kw > 0:
        raise InvalidValueError(f"a limit of {limit_kw} kW lets nothing through", where="limit_kw")
    order = sorted(range(len(stays)), key=lambda i: (stays[i].arrival_s, i))
    owed = [s.energy_kwh for s in stays]
    rows: list[tuple[list[int], list[int], list[float]]] = [([], [], []) for _ in stays]
    at = min(s.arrival_s for s in stays)
    end = max(s.departure_s for s in stays)
    waiting: list[int] = []
    while at < end:
        until = min(at + _STEP_S, end)
        while order and stays[order[0]].arrival_s < until:
            waiting.append(order.pop(0))
        room = limit_kw
        for i in list(waiting):
            stay = stays[i]
            lo, hi = max(at, stay.arrival_s), min(until, stay.departure_s)
            if hi <= lo or owed[i] <= 0:
                waiting.remove(i)
                continue
            power = min(stay.max_kw, room, owed[i] * SECONDS_PER_HOUR / (hi - lo))
            if power > 0:
                room -= power
                energy = power * (hi - lo) / SECONDS_PER_HOUR
                owed[i] = max(owed[i] - energy, 0.0)
                rows[i][0].append(lo)
                rows[i][1].append(hi)
                rows[i][2].append(energy)
        at = until
        if not waiting and order:
            at = max(at, stays[order[0]].arrival_s)
        elif not waiting:
            break
    return [_stretch(*row) for row in rows]


def saving(
    name: str,
    tariff: Tariff,
    bills: Sequence[Bill],
    baseline: Sequence[Metered],
    *,
    zone: ZoneInfo,
) -> Saving:
    """The bills of sessions against the bills of the same sessions in a baseline."""
    others = session_bills(tariff, baseline, zone=zone)
    drawn = sum((b.energy_kwh for b in bills), Decimal(0))
    other = sum((b.energy_kwh for b in others), Decimal(0))
    return Saving(
        name,
        sum((b.exact for b in others), Decimal(0)),
        sum((b.exact for b in bills), Decimal(0)),
        max(0.0, float(drawn - other)),
    )


def _stretch(starts: list[int], ends: list[int], energy: list[float]) -> Metered:
    drawn = np.array(energy, dtype=np.float64)
    return Metered(
        np.array(starts, dtype=np.int64),
        np.array(ends, dtype=np.int64),
        drawn,
        np.zeros(drawn.size),
    )
