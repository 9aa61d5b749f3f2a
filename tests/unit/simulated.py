"""Small sites and vehicles for tests of the virtual depot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.vehicle import Vehicle
from models.battery import Battery
from models.network import Node, network_of
from models.pile import Pile
from models.session import Request
from models.site import Site, WalkIn
from scheduler.effects import SetpointSent

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 9, 15, 8, 0, tzinfo=ZONE)
START_S = START.timestamp()
FOREVER_S = 1e8


def at(hours: float) -> float:
    """Epoch seconds so many hours after the start."""
    return START_S + hours * 3600.0


def pile(name: str, **other: Any) -> Pile:
    """A 10 kW DC pile without a minimum, or as said."""
    plate: dict[str, Any] = {
        "id": name,
        "node": "transformer",
        "current": "dc",
        "phases": (1, 2, 3),
        "volts": 220.0,
        "max_kw": 10.0,
        "min_kw": 0.0,
        "fallback_kw": 0.0,
        "offline_kw": 0.0,
        "response_s": 0.0,
    }
    return Pile(**plate | other)


def site_of(piles: Sequence[Pile], limit_kw: float = 100.0, **other: Any) -> Site:
    """A site behind one transformer."""
    keys: dict[str, Any] = {
        "name": "test",
        "zone": ZONE,
        "currency": "CNY",
        "tariff": "zhejiang-2026",
        "base_load": "none",
        "walk_in": WalkIn(20.0, 4.0, 3),
        "network": network_of([Node("transformer", limit_kw=limit_kw, heartbeat="none")]),
        "margin_kw": 0.0,
        "voltage_tolerance": 0.0,
        "lease_s": 86_400.0,
        "telemetry_period_s": 900.0,
    }
    return Site(piles=tuple(piles), **keys | other)


def vehicle(
    session: str,
    name: str,
    hours: tuple[float, float],
    kwh: float,
    *,
    words: bool = True,
    says: dict[str, Any] | None = None,
    **other: Any,
) -> Vehicle:
    """A car that takes so much without a taper, and whose request is the truth unless said."""
    arrival, departure = at(hours[0]), at(hours[1])
    keys: dict[str, Any] = {
        "session": session,
        "pile": name,
        "arrival": START + timedelta(hours=hours[0]),
        "departure": START + timedelta(hours=hours[1]),
        "energy_kwh": kwh,
    }
    request = Request(**keys | (says or {}))
    car: dict[str, Any] = {
        "battery": Battery(kwh, 1000.0, taper_soc=1.0),
        "stored_kwh": 0.0,
        "words": ((arrival, request),) if words else (),
    }
    return Vehicle(
        session=session, pile=name, arrival_s=arrival, departure_s=departure, **car | other
    )


def setpoint(name: str, power_kw: float, seq: int, lease_s: float = FOREVER_S) -> SetpointSent:
    """A setpoint of epoch 1."""
    return SetpointSent(
        pile=name,
        stamp=(1, seq),
        power_kw=power_kw,
        lease_s=lease_s,
        fallback_kw=0.0,
        reason="plan",
        after_commit=False,
    )


def run_out(depot: VirtualDepot, until_s: float) -> list[Any]:
    """Let time pass from event to event; all that is said."""
    facts: list[Any] = []
    while depot.at_s < until_s:
        facts += depot.advance(min(depot.next_event_s(), until_s))
    return facts
