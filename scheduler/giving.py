"""Vehicles that give back, as a problem's columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.site import GiveBackRule
from scheduler.microgrid import Giving


@dataclass(frozen=True)
class Giver:
    """One vehicle whose driver consents.

    Parameters
    ----------
    most_kw : float
        That vehicle and pile give, kW >= 0.
    stored_kwh, capacity_kwh : float
        Of its battery.
    min_soc : float
        The driver's floor, a fraction.
    wants_kwh : float
        Still to be charged, kWh.
    given_kwh : float
        Given back already in this stay, kWh.
    """

    most_kw: float
    stored_kwh: float
    capacity_kwh: float
    min_soc: float
    wants_kwh: float
    given_kwh: float = 0.0


def giving_of(givers: Sequence[Giver | None], rule: GiveBackRule) -> Giving:
    """The columns of a fleet; None where a session gives nothing back."""
    n = len(givers)
    power, spare, room, budget = np.zeros(n), np.zeros(n), np.full(n, math.inf), np.zeros(n)
    for i, one in enumerate(givers):
        if one is None:
            continue
        floor = one.capacity_kwh * max(one.min_soc, rule.reserve_soc)
        power[i] = one.most_kw
        spare[i] = max(one.stored_kwh - floor, 0.0)
        room[i] = max(one.capacity_kwh - one.stored_kwh, one.wants_kwh)
        budget[i] = max(rule.cycles_per_day * one.capacity_kwh - one.given_kwh, 0.0)
    return Giving(
        discharge_kw=power,
        efficiency=np.full(n, rule.efficiency),
        spare_kwh=spare,
        room_kwh=room,
        wear_per_kwh=np.full(n, rule.price_per_kwh + rule.wear_per_kwh),
        budget_kwh=budget,
    )
