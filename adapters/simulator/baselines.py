"""What happens without Valleyfill: the same virtual depot, steered by simpler hosts.

``uncontrolled``: every pile offers its full power and nobody looks at a limit. The others are an
ideal controller in real time, which knows every car's draw at once and keeps every limit:
``first_come`` serves in the order of arrival, ``earliest_departure`` whoever leaves first,
``least_laxity`` whoever has the least time to spare (both told the truth), and ``valley_only``
in the order of arrival, but only at the cheapest price of the day.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Quirk
from adapters.simulator.virtual_pile import VirtualPile
from models.site import Site
from models.units import POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.effects import SetpointSent

FOREVER_S = 1e9

MakeDepot = Callable[[dict[str, Quirk]], VirtualDepot]
"""A fresh depot of the same cars, with these quirks."""


def uncontrolled(site: Site, make: MakeDepot, *, until_s: float) -> Trace:
    """Every car charges at once with all it can; limits are ignored, and measured all the same."""
    depot = make({p.id: Quirk(ignores=True) for p in site.piles})
    _run_out(depot, until_s)
    return depot.trace()


Turn = Callable[[VirtualPile, float], float]
"""Who is served first: the smaller one, at an instant in epoch seconds."""


@dataclass(frozen=True)
class Opening:
    """When a rule lets cars charge at all.

    Parameters
    ----------
    edges_s : ndarray, shape (k + 1,)
        Epoch seconds, increasing.
    opened : ndarray of bool, shape (k,)
        Whether cars may charge between each edge and the next.
    """

    edges_s: NDArray[np.float64]
    opened: NDArray[np.bool_]

    def at(self, at_s: float) -> bool:
        """Whether cars may charge at an instant."""
        k = int(np.searchsorted(self.edges_s, at_s, side="right")) - 1
        return bool(self.opened[min(max(k, 0), self.opened.size - 1)])

    def next_s(self, at_s: float) -> float:
        """The next edge after an instant, inf behind the last."""
        k = int(np.searchsorted(self.edges_s, at_s, side="right"))
        return float(self.edges_s[k]) if k < self.edges_s.size else math.inf


def first_come(site: Site, make: MakeDepot, *, until_s: float) -> Trace:
    """In the order of arrival, each as much as fits; what a car does not draw goes to the next."""
    return in_turn(site, make, until_s=until_s, turn=_arrival)


def earliest_departure(site: Site, make: MakeDepot, *, until_s: float) -> Trace:
    """Whoever leaves first is served first."""
    return in_turn(site, make, until_s=until_s, turn=_departure)


def least_laxity(site: Site, make: MakeDepot, *, until_s: float) -> Trace:
    """Whoever has the least time to spare is served first, looked at afresh at every change."""
    return in_turn(site, make, until_s=until_s, turn=_laxity)


def valley_only(site: Site, make: MakeDepot, *, until_s: float, opening: Opening) -> Trace:
    """In the order of arrival, while the opening lasts."""
    return in_turn(site, make, until_s=until_s, turn=_arrival, opening=opening)


def in_turn(
    site: Site, make: MakeDepot, *, until_s: float, turn: Turn, opening: Opening | None = None
) -> Trace:
    """Serve by a rule, each as much as fits; what a car does not draw goes to the next."""
    depot = make({})
    seq = 0
    while depot.at_s < until_s and not depot.ended:
        following = (
            depot.next_event_s()
            if opening is None
            else min(depot.next_event_s(), opening.next_s(depot.at_s))
        )
        depot.advance(min(following, until_s))
        now = depot.at_s
        cars = sorted(
            (p for p in depot.piles.values() if p.vehicle is not None),
            key=lambda p: (turn(p, now), p.pile.id),
        )
        for falling in (True, False):
            opened = opening is None or opening.at(now)
            shares = offers_in_order(site, depot, cars) if opened else [0.0] * len(cars)
            for pile, power in zip(cars, shares, strict=True):
                if abs(power - pile.offer_kw) <= POWER_EPSILON_KW:
                    continue
                if (power < pile.offer_kw) == falling:
                    seq += 1
                    depot.obey(_setpoint(pile, power, seq))
    return depot.trace()


def _arrival(pile: VirtualPile, at_s: float) -> float:
    return pile.vehicle.arrival_s if pile.vehicle else 0.0


def _departure(pile: VirtualPile, at_s: float) -> float:
    return pile.vehicle.departure_s if pile.vehicle else 0.0


def _laxity(pile: VirtualPile, at_s: float) -> float:
    if pile.vehicle is None:
        return 0.0
    missing = pile.vehicle.stop_kwh - pile.stored_kwh
    return pile.vehicle.departure_s - at_s - SECONDS_PER_HOUR * missing / pile.pile.max_kw


def offers_in_order(
    site: Site, depot: VirtualDepot, cars: list[VirtualPile], *, beside_kw: float = 0.0
) -> list[float]:
    """Offers in the order given, nameplate kW; ``beside_kw`` is what storage and PV draw."""
    room = [depot.limit_kw(k) - depot.base_kw(k) for k in range(len(site.network.nodes))]
    room[0] -= beside_kw
    offers: list[float] = []
    for pile in cars:
        path = site.network.path[site.pile_node[pile.pile.id]]
        voltage = pile.voltage if pile.pile.current == "ac" else 1.0
        fits = min(room[k] for k in path) / voltage
        offer = max(min(pile.pile.max_kw, fits), 0.0)
        if offer < pile.pile.min_kw:
            offer = 0.0
        offers.append(offer)
        draws = pile.drawn_at_kw(offer)
        if abs(offer - pile.offer_kw) <= POWER_EPSILON_KW:
            # The meters see a tapering car at the power it had at its last step.
            draws = max(draws, pile.power_kw)
        for k in path:
            room[k] -= draws
    return offers


def _setpoint(pile: VirtualPile, power_kw: float, seq: int) -> SetpointSent:
    return SetpointSent(
        pile=pile.pile.id,
        stamp=(1, seq),
        power_kw=power_kw,
        lease_s=FOREVER_S,
        fallback_kw=pile.pile.fallback_kw,
        reason="rule",
        after_commit=False,
    )


def _run_out(depot: VirtualDepot, until_s: float) -> None:
    while depot.at_s < until_s and not depot.ended:
        depot.advance(min(depot.next_event_s(), until_s))
