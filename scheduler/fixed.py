"""What the control pass needs of a site on every drain, looked up once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.pile import Pile
from models.site import Site
from models.storage import PvPlant, Storage
from models.switching import FREE


@dataclass(frozen=True, slots=True)
class FixedPile:
    """A nameplate as the kernel counts with it.

    Parameters
    ----------
    index : int
        Place among the piles of the site.
    pile : Pile
        The nameplate.
    path : tuple of int
        Indices of its nodes, from its own up to the root.
    factor : float
        What 1 kW of setpoint counts at a node (voltage tolerance).
    phases : tuple of int
        Phases it draws on, 0 to 2.
    amps_per_kw : float
        Current on each of them per kW; a DC pile draws more where the voltage is low.
    band_kw : float
        A rise smaller than this is not worth a message.
    jump_kw : float
        A change from one telemetry to the next that is no noise.
    telemetry : str
        The topic that its telemetry comes on, below that of the site.
    """

    index: int
    pile: Pile
    path: tuple[int, ...]
    factor: float
    phases: tuple[int, ...]
    amps_per_kw: float
    band_kw: float
    jump_kw: float
    telemetry: str


@dataclass(frozen=True, eq=False)
class Fixed:
    """Piles by id, the piles under each node, the most that may be fed in below it, kW, and the
    ids of what else can be steered; ``ruled``: some pile has a switching rule; ``node`` is that of
    each pile, in the order of the site.
    """

    piles: dict[str, FixedPile]
    under: tuple[tuple[str, ...], ...]
    generation_kw: tuple[float, ...]
    volts: tuple[float, ...]
    assets: frozenset[str]
    ruled: bool
    node: NDArray[np.int64]

    def rows(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Places of piles among those of the site, by id."""
        piles = self.piles
        return np.array([piles[name].index for name in names], dtype=np.int64)


BAND_SHARE = 0.01
"""Of a pile's power: rises below it are held back, so that a base load which breathes does not
cost a message each time."""


JUMP_SHARE = 0.02
"""Of a pile's power: a change from one telemetry to the next that is no noise."""


@lru_cache(maxsize=16)
def fixed(site: Site) -> Fixed:
    """The fixed side of a site; a site never changes."""
    network = site.network
    piles: dict[str, FixedPile] = {}
    under: list[list[str]] = [[] for _ in network.nodes]
    generation = [0.0] * len(network.nodes)
    volts = [0.0] * len(network.nodes)
    for k, pile in enumerate(site.piles):
        path = network.path[site.pile_node[pile.id]]
        low_voltage = 1.0 if pile.current == "ac" else 1.0 / (1.0 - site.voltage_tolerance)
        piles[pile.id] = FixedPile(
            index=k,
            pile=pile,
            path=path,
            factor=pile.count_factor(site.voltage_tolerance),
            phases=tuple(p - 1 for p in pile.phases) if pile.current == "ac" else (0, 1, 2),
            amps_per_kw=pile.amps_per_kw * low_voltage,
            band_kw=BAND_SHARE * pile.max_kw,
            jump_kw=JUMP_SHARE * pile.max_kw,
            telemetry=f"pile/{pile.id}/telemetry",
        )
        for v in path:
            under[v].append(pile.id)
            volts[v] = volts[v] or pile.volts
    plants: tuple[PvPlant | Storage, ...] = (*site.pv, *site.storages)
    for plant in plants:
        for v in network.path[network.index[plant.node]]:
            generation[v] += plant.max_kw
    for pile in site.piles:
        for v in piles[pile.id].path:
            generation[v] += pile.discharge_kw
    for v, node in enumerate(network.nodes):
        generation[v] = max(generation[v], node.export_kw)
    return Fixed(
        piles,
        tuple(tuple(u) for u in under),
        tuple(generation),
        tuple(v or 230.0 for v in volts),
        frozenset(a.id for a in (*plants, *site.feeders)),
        any(pile.switching != FREE for pile in site.piles),
        np.array([site.pile_node[pile.id] for pile in site.piles], dtype=np.int64),
    )


def node_sums(site: Site, rows: NDArray[np.int64], values: NDArray[np.float64]) -> list[float]:
    """Sum of a value over the piles below each node.

    Parameters
    ----------
    site : Site
    rows : ndarray, shape (n,)
        Places of the piles among those of the site.
    values : ndarray, shape (n,)
        One for each. They are added up in this order, node by node, so that the same values always
        give the same sums to the last bit.
    """
    parents = site.network.parents
    own = np.bincount(fixed(site).node[rows], weights=values, minlength=len(parents))
    sums: list[float] = own.tolist()
    for v in range(len(parents) - 1, 0, -1):
        sums[parents[v]] += sums[v]
    return sums
