"""What vehicles do and say by themselves, in the order of time."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from adapters.simulator.vehicle import Vehicle
from models.errors import InvalidValueError

Entry = tuple[float, int, str, Vehicle]
"""When, epoch seconds; 0 for the arrival, k for its k-th word; the session; its vehicle."""


def agenda_of(vehicles: Sequence[Vehicle], piles: Container[str], start_s: float) -> list[Entry]:
    """Arrivals and words in the order of time; at one instant cars come before words.

    Raises
    ------
    InvalidValueError
        If a vehicle stands at no pile, or at one while another still does.
    """
    agenda: list[Entry] = []
    occupied: dict[str, tuple[float, str]] = {}
    for vehicle in sorted(vehicles, key=lambda v: (v.arrival_s, v.session)):
        if vehicle.pile not in piles:
            raise InvalidValueError(
                f"{vehicle.pile!r} is no pile", where=f"vehicle {vehicle.session}"
            )
        until, other = occupied.get(vehicle.pile, (-math.inf, ""))
        if vehicle.arrival_s < until:
            raise InvalidValueError(
                f"stands at {vehicle.pile} while {other} still does",
                where=f"vehicle {vehicle.session}",
            )
        occupied[vehicle.pile] = (vehicle.departure_s, vehicle.session)
        agenda.append((max(vehicle.arrival_s, start_s), 0, vehicle.session, vehicle))
        for k, (said_s, _) in enumerate(vehicle.words):
            agenda.append((max(said_s, start_s), 1 + k, vehicle.session, vehicle))
    agenda.sort(key=lambda a: a[:3])
    return agenda
