"""What energy could be moved through where phases are full, which no tree of nodes holds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import and_, or_

from scheduler.limits_above import LimitsAbove
from scheduler.problem import Problem


class PhaseReach:
    """What reaches what where phases are full.

    Sessions that count at the same limits are one kind. Energy moves to a session in a slot in
    which every full limit of its own is freed by another, or by several together.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._rows = len(problem.node_ids) + len(problem.phase_limits)
        chains: dict[tuple[int, ...], list[int]] = {}
        above = LimitsAbove(problem)
        for i in range(problem.fleet.n):
            chains.setdefault(above.of(i), []).append(i)
        self._chains = list(chains)
        self._members = list(chains.values())
        self._kind = {i: k for k, own in enumerate(self._members) for i in own}
        self._sets = [frozenset(c) for c in self._chains]
        self._below: list[list[int]] = [[] for _ in range(self._rows)]
        for k, chain in enumerate(self._chains):
            for v in chain:
                self._below[v].append(k)

    def reach(
        self, i: int, full: list[int], leave: list[int], enter: list[int], *, back: bool
    ) -> tuple[list[int], set[int]]:
        """Limits and sessions that energy of session i could be moved through.

        Parameters
        ----------
        i : int
        full : list of int
            By row of :mod:`scheduler.limits_above`, the slots in which it is full, as bits.
        leave, enter : list of int
            By session, the slots in which it could take more, and less.
        back : bool
            Those from which energy could be moved to session i instead; sessions alone.

        Returns
        -------
        rows : list of int
            By limit, the slots in which it is met.
        met : set of int
            Sessions, i among them.
        """
        if back:
            leave, enter = enter, leave
        rows = [0] * self._rows
        if not leave[i]:
            return rows, {i}
        count = len(self._chains)
        met, left = {i}, [[j for j in own if j != i] for own in self._members]
        reached, fresh = [0] * count, [0] * count
        fresh[self._kind[i]] = leave[i]
        gives = [_either(enter[j] for j in own) for own in self._members]
        # Slots in which a limit is not in the way: not full, or others could free it.
        open_at = [~f for f in full]
        for chain, slots in zip(self._chains, gives, strict=True):
            for v in chain:
                open_at[v] |= slots
        block = [_either(full[v] for v in chain) for chain in self._chains]
        while any(fresh):
            here, fresh = fresh, [0] * count
            for c in (c for c, slots in enumerate(here) if slots):
                reached[c] |= here[c]
                together = 0 if back else here[c] & _all(open_at[v] for v in self._chains[c])
                # Kinds that share no full limit: what is full above the one that takes is all.
                near = {d for v in self._chains[c] if full[v] for d in self._below[v]}
                far = here[c] & ~block[c]
                for d in range(count) if far or back else near:
                    if not gives[d] & here[c]:
                        continue
                    if d in near:
                        enough = self._open(here[c], together, full, *((d, c) if back else (c, d)))
                    else:
                        enough = here[c] & ~block[d] if back else far
                    for j in [j for j in left[d] if enter[j] & enough]:
                        left[d].remove(j)
                        met.add(j)
                        fresh[d] |= leave[j]
            fresh = [f & ~r for f, r in zip(fresh, reached, strict=True)]
        for chain, slots in zip(self._chains, reached, strict=True):
            for v in chain:
                rows[v] |= slots
                slots &= ~full[v]
        return rows, met

    def _open(self, slots: int, together: int, full: list[int], c: int, d: int) -> int:
        """Slots in which kind d frees every full limit of kind c, or some where others free all."""
        alone, some = slots, 0
        for v in self._chains[c]:
            if v in self._sets[d]:
                some |= full[v]
            else:
                alone &= ~full[v]
        return alone | together & some


def _all(bits: Iterable[int]) -> int:
    return reduce(and_, bits)


def _either(bits: Iterable[int]) -> int:
    return reduce(or_, bits, 0)
