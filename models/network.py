"""The tree of limits: point of connection, transformers, feeders.

A node's own limit is what its iron bears and its operator allows: the smaller of ``limit_kw``
and ``rating_kva x power_factor x ceiling_share``. What the grid company pushes comes on top
(:mod:`models.limits`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from models.errors import ConfigurationError
from models.ids import check_id
from models.thermal import ThermalRule

Heartbeat = Literal["required", "none"]


@dataclass(frozen=True)
class Node:
    """One node of the limit tree.

    Parameters
    ----------
    id : str
        Unique among nodes and assets.
    parent : str or None
        The node above; None for the root, the point of connection.
    limit_kw : float, optional
        Most power drawn through it, kW >= 0.
    rating_kva, power_factor, ceiling_share : float, optional
        Nameplate kVA > 0, its power factor in (0, 1], and the share of the rating that may be
        used, in (0, 1]. Given together or not at all.
    limit_a : tuple of 3 floats, optional
        Most current on each phase, A >= 0.
    imbalance_a : float, optional
        Most current by which one phase may exceed another, A >= 0.
    contract_kw : float, optional
        Holds while no pushed limit is in force.
    failsafe_kw : float, optional
        Holds while the heartbeat is stale; needed where it is required.
    export_kw : float
        Most power fed back through it, kW >= 0. A site that may not export says 0.
    heartbeat : {"required", "none"}, optional
        Whether the grid company's heartbeat must live for limits to hold. Said for the root;
        other nodes take their parent's word.
    volts_low, volts_high : float, optional
        Band of the voltage between phase and neutral that its meter tells, V > 0: below it less is
        drawn, above it less is fed back. None: voltage limits nothing.
    thermal : ThermalRule, optional
        A transformer watched by its hot spot; needs ``rating_kva``.
    """

    id: str
    parent: str | None = None
    limit_kw: float | None = None
    rating_kva: float | None = None
    power_factor: float | None = None
    ceiling_share: float | None = None
    limit_a: tuple[float, float, float] | None = None
    contract_kw: float | None = None
    failsafe_kw: float | None = None
    export_kw: float = 0.0
    heartbeat: Heartbeat | None = None
    volts_low: float | None = None
    volts_high: float | None = None
    imbalance_a: float | None = None
    thermal: ThermalRule | None = None

    def __post_init__(self) -> None:
        where = f"nodes.{self.id}"
        check_id(self.id, where=where)
        for name in ("limit_kw", "contract_kw", "failsafe_kw", "export_kw"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"{value} is no limit", where=f"{where}.{name}")
        rating = (self.rating_kva, self.power_factor, self.ceiling_share)
        if any(v is not None for v in rating) and any(v is None for v in rating):
            missing = [
                n
                for n in ("rating_kva", "power_factor", "ceiling_share")
                if getattr(self, n) is None
            ]
            raise ConfigurationError(
                f"a rating needs {' and '.join(missing)} too",
                where=where,
                fix="ceiling_share is the share of the rating in use, 0.8 is usual",
            )
        if self.rating_kva is not None:
            assert self.power_factor is not None
            assert self.ceiling_share is not None
            if not (math.isfinite(self.rating_kva) and self.rating_kva > 0):
                raise ConfigurationError(
                    f"{self.rating_kva} is no rating", where=f"{where}.rating_kva"
                )
            for name, value in (
                ("power_factor", self.power_factor),
                ("ceiling_share", self.ceiling_share),
            ):
                if not 0 < value <= 1:
                    raise ConfigurationError(f"{value} is not in (0, 1]", where=f"{where}.{name}")
        if self.limit_a is not None and (
            len(self.limit_a) != 3 or any(not (math.isfinite(a) and a >= 0) for a in self.limit_a)
        ):
            raise ConfigurationError(
                f"{self.limit_a} is not a current for each of 3 phases", where=f"{where}.limit_a"
            )
        if self.imbalance_a is not None and not (
            math.isfinite(self.imbalance_a) and self.imbalance_a >= 0
        ):
            raise ConfigurationError(
                f"{self.imbalance_a} is no difference of currents",
                where=f"{where}.imbalance_a",
                fix="20 A (4.6 kVA) is what German grid rules allow at one connection",
            )
        low, high = self.volts_low, self.volts_high
        for key, volts in (("volts_low", low), ("volts_high", high)):
            if volts is not None and not (math.isfinite(volts) and volts > 0):
                raise ConfigurationError(f"{volts} is no voltage", where=f"{where}.{key}")
        if low is not None and high is not None and low >= high:
            raise ConfigurationError(
                f"{low:g} V is not below {high:g} V",
                where=f"{where}.volts_low",
                fix="volts_low = 198 and volts_high = 235 are usual at 220 V",
            )
        if self.thermal is not None and self.rating_kva is None:
            raise ConfigurationError(
                "a transformer's temperature needs its rating",
                where=f"{where}.thermal",
                fix="rating_kva, power_factor and ceiling_share of the node",
            )
        if self.parent is None and self.heartbeat is None:
            raise ConfigurationError(
                "the root must say whether the grid company's heartbeat is required",
                where=f"{where}.heartbeat",
                fix='heartbeat = "required" or "none"',
            )
        if self.heartbeat == "required" and self.failsafe_kw is None:
            raise ConfigurationError(
                "a node whose heartbeat is required needs the limit for when it is lost",
                where=f"{where}.failsafe_kw",
            )

    @property
    def own_limit_kw(self) -> float:
        """What the node bears by itself, kW; inf where nothing limits it."""
        return self.bears_kw(0.0)

    @property
    def rated_kw(self) -> float:
        """Its rating as real power, kW; inf where it has none."""
        if self.rating_kva is None or self.power_factor is None:
            return math.inf
        return self.rating_kva * self.power_factor

    def bears_kw(self, rated_share: float) -> float:
        """What it bears while so much of its rating may be used for short, kW.

        Parameters
        ----------
        rated_share : float
            0: no more than ``ceiling_share`` of it.
        """
        limit = math.inf if self.limit_kw is None else self.limit_kw
        if self.ceiling_share is not None:
            limit = min(limit, self.rated_kw * max(self.ceiling_share, rated_share))
        return limit


@dataclass(frozen=True, eq=False)
class Network:
    """The nodes as one tree, in preorder.

    Parameters
    ----------
    nodes : tuple of Node
        Any order; exactly one root, no cycle, no unknown parent.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        by_id: dict[str, Node] = {}
        for node in self.nodes:
            if node.id in by_id:
                raise ConfigurationError("the id is used twice", where=f"nodes.{node.id}")
            by_id[node.id] = node
        roots = [n for n in self.nodes if n.parent is None]
        if len(roots) != 1:
            names = ", ".join(n.id for n in roots) or "none"
            raise ConfigurationError(
                f"a site has one root node, here: {names}",
                where="nodes",
                fix="give every other node a parent",
            )
        children: dict[str, list[Node]] = {n.id: [] for n in self.nodes}
        for node in self.nodes:
            if node.parent is None:
                continue
            if node.parent not in by_id:
                raise ConfigurationError(
                    f"{node.parent!r} is no node", where=f"nodes.{node.id}.parent"
                )
            children[node.parent].append(node)
        ordered: list[Node] = []
        stack = [roots[0]]
        while stack:
            node = stack.pop()
            ordered.append(node)
            stack.extend(reversed(children[node.id]))
        if len(ordered) != len(self.nodes):
            lost = ", ".join(sorted(set(by_id) - {n.id for n in ordered}))
            raise ConfigurationError(f"these nodes lead in a circle: {lost}", where="nodes")
        object.__setattr__(self, "nodes", tuple(ordered))

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Node ids in preorder."""
        return tuple(n.id for n in self.nodes)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Position of each node id."""
        return {n.id: k for k, n in enumerate(self.nodes)}

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Index of each node's parent, -1 for the root."""
        return tuple(-1 if n.parent is None else self.index[n.parent] for n in self.nodes)

    @cached_property
    def path(self) -> tuple[tuple[int, ...], ...]:
        """For each node the indices from itself up to the root."""
        out: list[tuple[int, ...]] = []
        for k, p in enumerate(self.parents):
            out.append((k, *out[p]) if p >= 0 else (k,))
        return tuple(out)

    @property
    def root(self) -> Node:
        """The point of connection."""
        return self.nodes[0]

    def heartbeat_of(self, index: int) -> Heartbeat:
        """The node's own word, or that of the nearest node above which has one."""
        for k in self.path[index]:
            said = self.nodes[k].heartbeat
            if said is not None:
                return said
        raise AssertionError("the root always says")


def network_of(nodes: Iterable[Node]) -> Network:
    """The tree of these nodes."""
    return Network(tuple(nodes))
