"""Why a session ends short: the nodes and slots that bind together, and what would help.

In the residual graph of a plan, everything that a short session could still reach by moving
others' energy is on its side of a cut; what closes the cut is full, and nothing else matters:
raising a limit outside it helps nobody inside [1]_.

References
----------
.. [1] L. R. Ford, D. R. Fulkerson, "Maximal flow through a network", Canadian J. Math. 8, 1956.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.limits_above import limit_names, limit_rooms
from scheduler.phase_reach import PhaseReach
from scheduler.problem import FloatArray, Problem
from scheduler.rows import subtree_sums
from scheduler.solution import given_kwh

_LEAST_KWH = 1e-6

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    """What keeps one session short.

    Parameters
    ----------
    session : str
        The session.
    short_kwh : float
        Energy owed that the plan does not deliver, kWh.
    nodes : tuple of (str, tuple of int)
        Nodes that bind, root first, then phases of nodes (``garage/L1``), each with the slots in
        which it does; one behind another where both are full. Empty: only the session's own power
        and stay bind.
    sessions : tuple of str
        Sessions behind the same cut, itself among them; energy more for one of them is energy
        less for another.
    more_kw : float
        Power by which the nodes named would have to be raised in all their slots to serve
        everyone behind the cut, kW, nan where no node binds. What a pile's own power forbids in
        the end is not looked into, so it may not be enough.
    relaxed : bool
        Whether piles that held any power would leave nobody behind the cut short: what is missing
        is then lost to least powers and steps, and no node binds.
    """

    session: str
    short_kwh: float
    nodes: tuple[tuple[str, tuple[int, ...]], ...]
    sessions: tuple[str, ...]
    more_kw: float
    relaxed: bool = False


def explain(problem: Problem, energy_kwh: FloatArray) -> tuple[Cut, ...]:
    """The cut of every session that ends short.

    Parameters
    ----------
    problem : Problem
        The problem. Limits of imbalance are not looked at; where full phases and nodes cross, so
        that no tree holds them, what many sessions could do together is looked into in part.
    energy_kwh : ndarray, shape (offsets[-1],)
        A plan in which no session can be given more without another losing.

    Returns
    -------
    tuple of Cut
        In the order of the sessions.
    """
    cuts = Cuts(problem, energy_kwh)
    return tuple(cuts.of(int(i)) for i in np.flatnonzero(cuts.short_kwh > _LEAST_KWH))


class Cuts:
    """The cuts of one plan, each looked for once: who can reach each other share theirs.

    Parameters
    ----------
    problem, energy_kwh
        As in :func:`explain`.
    assets_kw : ndarray, optional
        Powers of the microgrid's storage and PV. What else they could do is not looked into.
    relaxed_kwh : ndarray, optional
        The plan as if piles held any power, where the plan is not that: cuts are looked for in
        it, since only where no energy can be moved is everything that closes a cut full.
    """

    def __init__(
        self,
        problem: Problem,
        energy_kwh: FloatArray,
        assets_kw: FloatArray | None = None,
        relaxed_kwh: FloatArray | None = None,
    ) -> None:
        self._problem = problem
        fleet = problem.fleet
        n, t = fleet.n, problem.horizon.n
        given = given_kwh(problem, energy_kwh)
        self.short_kwh: FloatArray = np.maximum(fleet.energy_kwh - given, 0.0)
        self._missing_kwh = self.short_kwh
        if relaxed_kwh is not None:
            energy_kwh, given = relaxed_kwh, given_kwh(problem, relaxed_kwh)
            self._missing_kwh = np.maximum(fleet.energy_kwh - given, 0.0)
        _, full = limit_rooms(problem, energy_kwh, assets_kw)
        m = len(problem.node_ids)
        phased = bool(full[m:].any())
        self._full: Bools = full if phased else full[:m]
        can_add = np.zeros((n, t), dtype=np.bool_)
        can_cut = np.zeros((n, t), dtype=np.bool_)
        at = (problem.entry_session, problem.entry_slot)
        can_add[at] = energy_kwh < problem.upper_kwh - _LEAST_KWH
        can_cut[at] = energy_kwh > _LEAST_KWH
        # Slots as bits of whole numbers: a search looks at one node or session after the other.
        self._can_add, self._can_cut = _bits(can_add), _bits(can_cut)
        self._carries = _bits(subtree_sums(problem, np.maximum(energy_kwh, 0.0)) > _LEAST_KWH)
        self._parent: list[int] = problem.parent.tolist()
        self._node: list[int] = fleet.node.tolist()
        self._at_node: list[list[int]] = [[] for _ in problem.node_ids]
        for j, v in enumerate(self._node):
            self._at_node[v].append(j)
        self._phases = PhaseReach(problem) if phased else None
        self._found: dict[int, _Found] = {}

    @property
    def looked_for(self) -> int:
        """How many have been looked for so far."""
        return len({id(f) for f in self._found.values()})

    def known(self, i: int) -> bool:
        """Whether the cut of session i has been found with another's."""
        return i in self._found

    def of(self, i: int) -> Cut:
        """The cut of session i."""
        if i not in self._found:
            found = self._look(i)
            # Whom i reaches and who reaches i: they reach the same, and are behind the same cut.
            both = found.sessions & self._reach(i, self._full, back=True)[1]
            self._found |= dict.fromkeys(np.flatnonzero(both).tolist(), found)
        problem, found = self._problem, self._found[i]
        return Cut(
            session=problem.fleet.ids[i],
            short_kwh=float(self.short_kwh[i]),
            nodes=found.nodes,
            sessions=found.ids,
            more_kw=found.more_kw,
            relaxed=found.relaxed,
        )

    def _look(self, i: int) -> _Found:
        """Everything that session i reaches, and what is full around it.

        Where what lies behind a full node is full as well, raising the one alone would help
        nobody: the next cut is named with it, until raising all that is named does help.
        """
        problem = self._problem
        reached, sessions = self._reach(i, self._full)
        short = float(self._missing_kwh[sessions].sum())
        if short <= _LEAST_KWH:
            return _Found(sessions, (), (problem.fleet.ids[i],), float("nan"), relaxed=True)
        binding = reached & self._full
        fresh = binding
        while fresh.any():
            left = self._full & ~binding
            further, _ = self._reach(i, left)
            if bool(np.any(further[0] & ~left[0])):
                break
            fresh = further & left
            binding = binding | fresh
        names = limit_names(problem)
        nodes = tuple(
            (names[v], tuple(int(t) for t in np.flatnonzero(binding[v])))
            for v in np.flatnonzero(binding.any(axis=1))
        )
        hours = float(problem.horizon.slot_h[binding.any(axis=0)].sum())
        ids = tuple(problem.fleet.ids[int(j)] for j in np.flatnonzero(sessions))
        more_kw = short / hours if nodes else float("nan")
        return _Found(sessions, nodes, ids, more_kw, relaxed=False)

    def _reach(self, i: int, full: Bools, *, back: bool = False) -> tuple[Bools, Bools]:
        """Nodes and slots, and sessions, that energy of session i could be moved through.

        ``back``: those from which it could be moved to session i instead.
        """
        leave, enter = self._can_add, self._can_cut
        if self._phases is not None:
            rows, met = self._phases.reach(i, _bits(full), leave, enter, back=back)
            sessions = np.zeros(self._problem.fleet.n, dtype=np.bool_)
            sessions[list(met)] = True
            return _bools(rows, self._problem.horizon.n), sessions
        up, down = [~f for f in _bits(full)], self._carries
        if back:
            leave, enter, up, down = enter, leave, down, up
        m, parent, n = len(self._parent), self._parent, self._problem.fleet.n
        if not leave[i]:
            # Full in every slot of its stay: nothing can be moved, and no node is to blame.
            alone = np.arange(n) == i
            return np.zeros((m, self._problem.horizon.n), dtype=np.bool_), alone
        reached, fresh = [0] * m, [0] * m
        fresh[self._node[i]] = leave[i]
        met = {i}
        left = [list(own) for own in self._at_node]
        left[self._node[i]].remove(i)
        while any(fresh):
            # Nodes are in preorder: to the root first, then down again, then through sessions.
            for v in range(m - 1, 0, -1):
                fresh[parent[v]] |= fresh[v] & up[v]
            later = [0] * m
            for v in range(m):
                if v:
                    fresh[v] |= fresh[parent[v]] & down[v]
                new = fresh[v] = fresh[v] & ~reached[v]
                if not new:
                    continue
                reached[v] |= new
                here = [j for j in left[v] if enter[j] & new]
                if here:
                    left[v] = [j for j in left[v] if not enter[j] & new]
                    met.update(here)
                    for j in here:
                        later[v] |= leave[j]
            fresh = [x & ~r for x, r in zip(later, reached, strict=True)]
        sessions = np.zeros(n, dtype=np.bool_)
        sessions[list(met)] = True
        return _bools(reached, self._problem.horizon.n), sessions


def _bits(rows: Bools) -> list[int]:
    """Each row as one whole number, its first column the lowest bit."""
    packed = np.packbits(rows, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def _bools(rows: list[int], width: int) -> Bools:
    size = (width + 7) // 8
    packed = np.frombuffer(b"".join(x.to_bytes(size, "little") for x in rows), dtype=np.uint8)
    bits = np.unpackbits(packed.reshape(len(rows), size), axis=1, count=width, bitorder="little")
    return bits.astype(np.bool_)


@dataclass(frozen=True, eq=False)
class _Found:
    """A cut, for all who are behind it."""

    sessions: Bools
    nodes: tuple[tuple[str, tuple[int, ...]], ...]
    ids: tuple[str, ...]
    more_kw: float
    relaxed: bool
