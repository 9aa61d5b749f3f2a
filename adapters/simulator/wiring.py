"""What flows through every node of the virtual depot, and the meters that judge it.

Piles, assets and what cannot be steered move a node's power; on an island the storage that forms
the grid gives what everything else takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from adapters.simulator.grid import GridScript
from adapters.simulator.meter import NodeMeter
from adapters.simulator.series import StepSeries
from adapters.simulator.trace import NodeVerdict
from adapters.simulator.virtual_assets import VirtualStorage
from models.site import Site


class Wiring:
    """Power and meter of every node.

    Parameters
    ----------
    site : Site
    start_s : float
        Where its time begins, epoch seconds.
    series : sequence of (str, StepSeries)
        By node: base load and sun that nobody steers, kW.
    steered : bool
        Whether assets stand beside the piles: then what is fed back is judged, and the power
        through the point of connection is kept.

    Attributes
    ----------
    limits : dict of str to list of (float, float)
        By node: since when, epoch seconds, which limit held, kW.
    base : list of (float, float)
        Since when what cannot be steered was how much at the root, kW.
    root : list of (float, float)
        Since when how much flowed through the point of connection, kW.
    inverter : NodeMeter
        Of the inverter that forms an island's grid.
    """

    def __init__(
        self,
        site: Site,
        *,
        start_s: float,
        series: Sequence[tuple[str, StepSeries]],
        steered: bool,
    ) -> None:
        self._site = site
        self._series = series
        self._steered = steered
        index, path = site.network.index, site.network.path
        self._above = {n: path[k] for n, k in index.items()}
        nodes = site.network.nodes
        self._pile_kw = [0.0] * len(nodes)
        self._base_kw = [0.0] * len(nodes)
        self._asset_kw = [0.0] * len(nodes)
        self._forming: VirtualStorage | None = None
        slowest = [0.0] * len(nodes)
        for p in site.piles:
            for k in self._above[p.node]:
                slowest[k] = max(slowest[k], p.response_s)
        self._meters = [
            NodeMeter(
                start_s=start_s,
                limit_kw=math.inf,
                response_s=slowest[k],
                export_kw=nodes[k].export_kw if steered else math.inf,
            )
            for k in range(len(nodes))
        ]
        rated = math.inf if site.island is None else site.island.rated_kw
        self.inverter = NodeMeter(start_s=start_s, limit_kw=rated, response_s=0.0, export_kw=rated)
        self.limits: dict[str, list[tuple[float, float]]] = {n.id: [] for n in nodes}
        self.base: list[tuple[float, float]] = []
        self.root: list[tuple[float, float]] = []

    def kw(self, k: int) -> float:
        """Power through a node now, kW."""
        return self._pile_kw[k] + self._base_kw[k] + self._asset_kw[k]

    def base_kw(self, k: int) -> float:
        """What cannot be steered under a node now, kW; negative while the sun gives more."""
        return self._base_kw[k]

    def limit_kw(self, k: int) -> float:
        """The effective limit of a node now, kW."""
        held = self.limits[self._site.network.ids[k]]
        return held[-1][1] if held else math.inf

    def pile_moves(self, node: str, by_kw: float, at_s: float) -> None:
        """A pile under a node draws so much more from now on."""
        for k in self._above[node]:
            self._pile_kw[k] += by_kw
            self._meter(k, at_s)

    def asset_moves(self, node: str, by_kw: float, at_s: float) -> None:
        """An asset under a node draws so much more from now on."""
        for k in self._above[node]:
            self._asset_kw[k] += by_kw
            self._meter(k, at_s)

    def pass_series(self, at_s: float) -> float:
        """Base load and sun move; when they next do, epoch seconds."""
        base = [0.0] * len(self._base_kw)
        following = math.inf
        for node, series in self._series:
            following = min(following, series.next_change_s(at_s))
            for k in self._above[node]:
                base[k] += series.at(at_s)
        if base != self._base_kw:
            self._base_kw = base
            for k in range(len(self._meters)):
                self._meter(k, at_s)
        self.base.append((at_s, base[0]))
        return following

    def relimit(self, grid: GridScript, at_s: float) -> None:
        """The meters learn the limits that hold now: what the grid company's own box knows."""
        for node, meter in zip(self._site.network.nodes, self._meters, strict=True):
            limit = grid.limit_kw(self._site, node, at_s)
            held = self.limits[node.id]
            if not held or held[-1][1] != limit:
                meter.limit(at_s, limit)
                held.append((at_s, limit))

    def form(self, storage: VirtualStorage | None, at_s: float) -> None:
        """This storage's inverter forms the grid from now on; None: the connection does."""
        self._forming = storage
        if storage is None:
            self.inverter.power(at_s, 0.0, 0.0)
        self._meter(0, at_s)

    def verdicts(self, at_s: float) -> tuple[NodeVerdict, ...]:
        """What the meters judged until now."""
        for meter in self._meters:
            meter.close(at_s)
        return tuple(
            NodeVerdict(
                node.id,
                m.raw_s,
                m.judged_s,
                m.base_alone_s,
                m.peak_kw,
                m.export_s,
                m.drawn_kwh,
                m.fed_kwh,
            )
            for node, m in zip(self._site.network.nodes, self._meters, strict=True)
        )

    def _balance(self, at_s: float) -> None:
        """On an island the storage gives what everything else takes."""
        one = self._forming
        if one is None:
            return
        rest = self.kw(0) - one.power_kw
        one.advance(at_s)
        for k in self._above[one.asset.node]:
            self._asset_kw[k] += -rest - one.power_kw
        one.form(-rest)
        self.inverter.power(at_s, rest, 0.0)

    def _meter(self, k: int, at_s: float) -> None:
        """A node's meter sees what flows through it now."""
        if k == 0:
            self._balance(at_s)
        total = self.kw(k)
        self._meters[k].power(at_s, total, self._base_kw[k])
        if k == 0 and self._steered:
            if self.root and self.root[-1][0] == at_s:
                self.root.pop()
            self.root.append((at_s, total))
