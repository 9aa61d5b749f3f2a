"""The running plan as arrays, from its step record; from the stored plan where no step is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adapters.store.steps import Step
from adapters.web.models import Block
from models.horizon import FloatArray, IntArray
from models.plan import Plan
from models.units import POWER_EPSILON_KW, SECONDS_PER_HOUR

_SAME_KW = 0.05


@dataclass(frozen=True, eq=False)
class Planned:
    """What each session and asset is to draw, and when.

    Parameters
    ----------
    index : dict of str to int
        Place of each session.
    offsets : ndarray of int64, shape (n + 1,)
        Where each session's entries begin.
    start_s, end_s : ndarray of int64
        Of each entry, epoch seconds.
    power_kw : ndarray
        Of each entry; negative while a vehicle gives back.
    edges_s : ndarray of int64, shape (T + 1,)
        Slots of the plan.
    slot : ndarray of int64
        Of each entry.
    assets_kw : dict of str to ndarray, shape (T,)
        By storage and PV plant.
    """

    index: dict[str, int]
    offsets: IntArray
    start_s: IntArray
    end_s: IntArray
    power_kw: FloatArray
    edges_s: IntArray
    slot: IntArray
    assets_kw: dict[str, FloatArray]

    @cached_property
    def _session(self) -> IntArray:
        return np.repeat(np.arange(len(self.index)), np.diff(self.offsets))

    @cached_property
    def ready_of(self) -> dict[str, int]:
        """When the last of each session's charging ends, epoch s; without those that get none."""
        on = np.flatnonzero(self.power_kw > POWER_EPSILON_KW)
        last = np.full(len(self.index), -1)
        last[self._session[on]] = self.end_s[on]
        return {s: at for s, at in zip(self.index, last.tolist(), strict=True) if at >= 0}

    def now_kw(self, at_s: float) -> dict[str, float]:
        """Power of each session at an instant, kW."""
        here = np.flatnonzero((self.start_s <= at_s) & (at_s < self.end_s))
        power = np.zeros(len(self.index))
        power[self._session[here]] = self.power_kw[here]
        return dict(zip(self.index, power.tolist(), strict=True))

    def by_group(self, group_of: dict[str, int], n: int, *, gives: int | None = None) -> FloatArray:
        """Mean power of groups of sessions in each slot, kW, shape (n, T).

        Parameters
        ----------
        group_of : dict of str to int
            The group of each session; others are left out.
        n : int
            Number of groups.
        gives : int, optional
            The group of what vehicles give back.
        """
        t = self.edges_s.size - 1
        group = np.array([group_of.get(s, n) for s in self.index], dtype=np.int64)
        of_entry = np.repeat(group, np.diff(self.offsets))
        if gives is not None:
            of_entry = np.where(self.power_kw < 0, gives, of_entry)
        energy = self.power_kw * (self.end_s - self.start_s)
        sums = np.bincount(of_entry * t + self.slot, weights=energy, minlength=(n + 1) * t)
        return np.asarray(sums[: n * t].reshape(n, t) / np.diff(self.edges_s), dtype=np.float64)

    def blocks(self, session: str) -> Iterable[Block]:
        """A session's charging and giving back, neighbours of one power joined."""
        i = self.index.get(session)
        if i is None:
            return
        own = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        open_block: Block | None = None
        for start, end, power in zip(
            self.start_s[own].tolist(),
            self.end_s[own].tolist(),
            self.power_kw[own].tolist(),
            strict=True,
        ):
            if abs(power) <= POWER_EPSILON_KW:
                continue
            if open_block is not None:
                if open_block.end_s == start and abs(open_block.power_kw - power) < _SAME_KW:
                    open_block = Block(open_block.start_s, end, open_block.power_kw)
                    continue
                yield open_block
            open_block = Block(start, end, power)
        if open_block is not None:
            yield open_block


def of_step(step: Step) -> Planned:
    """The plan of a step."""
    problem, grid = step.problem, step.problem.microgrid
    assets: dict[str, FloatArray] = {}
    if grid is not None and step.assets_kw is not None:
        assets = dict(zip(grid.asset_ids, step.assets_kw, strict=True))
    return Planned(
        index={s: i for i, s in enumerate(problem.fleet.ids)},
        offsets=problem.offsets,
        start_s=problem.entry_start_s,
        end_s=problem.entry_start_s + problem.entry_s,
        power_kw=step.energy_kwh * SECONDS_PER_HOUR / np.maximum(problem.entry_s, 1),
        edges_s=problem.horizon.edges_s,
        slot=problem.entry_slot,
        assets_kw=assets,
    )


def of_plan(plan: Plan) -> Planned:
    """A plan as the state holds it."""
    parts = list(plan.sessions.values())
    counts = [len(p.power_kw) for p in parts]
    edges = np.asarray(plan.edges_s, dtype=np.int64)
    start = np.array([s for p in parts for s in p.starts_s[: len(p.power_kw)]], dtype=np.int64)
    slot = np.clip(np.searchsorted(edges, start, side="right") - 1, 0, edges.size - 2)
    return Planned(
        index={s: i for i, s in enumerate(plan.sessions)},
        offsets=np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
        start_s=start,
        end_s=np.array([s for p in parts for s in p.starts_s[1 : len(p.power_kw) + 1]], np.int64),
        power_kw=np.array([x for p in parts for x in p.power_kw], dtype=np.float64),
        edges_s=edges,
        slot=slot,
        assets_kw={a: np.array([p.at(s) for s in edges[:-1]]) for a, p in plan.assets.items()},
    )
