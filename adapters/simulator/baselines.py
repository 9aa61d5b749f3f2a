"""What happens without Valleyfill: the same virtual depot, steered by simpler hosts.

``uncontrolled``: every pile offers its full power and nobody looks at a limit. ``first_come``:
an ideal controller in real time, which knows every car's draw at once, serves in the order of
arrival and keeps every limit.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Quirk
from adapters.simulator.virtual_pile import VirtualPile
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.effects import SetpointSent

FOREVER_S = 1e9

MakeDepot = Callable[[dict[str, Quirk]], VirtualDepot]
"""A fresh depot of the same cars, with these quirks."""


def uncontrolled(site: Site, make: MakeDepot, *, until_s: float) -> Trace:
    """Every car charges at once with all it can; limits are ignored, and measured all the same."""
    depot = make({p.id: Quirk(ignores=True) for p in site.piles})
    _run_out(depot, until_s)
    return depot.trace()


def first_come(site: Site, make: MakeDepot, *, until_s: float) -> Trace:
    """In the order of arrival, each as much as fits; what a car does not draw goes to the next."""
    depot = make({})
    seq = 0
    while depot.at_s < until_s and not depot.ended:
        depot.advance(min(depot.next_event_s(), until_s))
        cars = sorted(
            (p for p in depot.piles.values() if p.vehicle is not None),
            key=lambda p: (p.vehicle.arrival_s, p.pile.id) if p.vehicle else (0.0, ""),
        )
        for falling in (True, False):
            for pile, power in zip(cars, offers_in_order(site, depot, cars), strict=True):
                if abs(power - pile.offer_kw) <= POWER_EPSILON_KW:
                    continue
                if (power < pile.offer_kw) == falling:
                    seq += 1
                    depot.obey(_setpoint(pile, power, seq))
    return depot.trace()


def offers_in_order(
    site: Site, depot: VirtualDepot, cars: list[VirtualPile], *, beside_kw: float = 0.0
) -> list[float]:
    """Offers in the order of arrival, nameplate kW; ``beside_kw`` is what storage and PV draw."""
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
        reason="first_come",
        after_commit=False,
    )


def _run_out(depot: VirtualDepot, until_s: float) -> None:
    while depot.at_s < until_s and not depot.ended:
        depot.advance(min(depot.next_event_s(), until_s))
