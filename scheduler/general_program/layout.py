"""Columns, rows and coefficients of a program, as they are added group by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scheduler.general_program.worth import scale_of
from scheduler.microgrid import NO_STORES, Microgrid, Sources
from scheduler.problem import FloatArray, IntArray, Problem

Triplets = tuple[IntArray, IntArray, FloatArray]
"""Row, column and value of coefficients."""

Key = IntArray | Callable[[], IntArray]
"""Keys, or what makes them when they are asked for: a program solved by moves never asks."""

OwnerOf = Callable[[str], int]
"""A number below 2**24 for a name, always the same one."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two directions of one thing, of which at most one may run in a slot.

    Parameters
    ----------
    name : str
        ``store``, ``session`` or ``grid``.
    into, out : ndarray of int64
        Columns of the two directions, one pair for each place.
    """

    name: str
    into: IntArray
    out: IntArray


class Layout:
    """A program while it is laid out.

    Parameters
    ----------
    problem : Problem
        Any; see :func:`grid_of`.
    owner_of : callable
        See :data:`OwnerOf`.

    Attributes
    ----------
    scale, top : float
        See :func:`scheduler.general_program.worth.scale_of`.
    slot_end, hours : ndarray, shape (T,)
        End of each slot, epoch seconds, and its length.
    columns, rows
        What has been added.
    site, own : list of Triplets
        Coefficients of the site's rows, and of rows of one session.
    pairs : list of Pair
        What must not run both ways at once.
    """

    def __init__(self, problem: Problem, owner_of: OwnerOf) -> None:
        self.problem, self.owner_of = problem, owner_of
        self.grid = grid_of(problem)
        self.scale, self.top = scale_of(problem, self.grid)
        self.slot_end, self.hours = problem.horizon.edges_s[1:], problem.horizon.slot_h
        self.columns, self.rows = _Group(), _Group()
        self.site: list[Triplets] = []
        self.own: list[Triplets] = []
        self.pairs: list[Pair] = []

    @cached_property
    def session_owner(self) -> IntArray:
        """Number of each session, shape (n,)."""
        return np.array([self.owner_of(name) for name in self.problem.fleet.ids], dtype=np.int64)

    def add_columns(
        self,
        cost: FloatArray,
        low: FloatArray,
        up: FloatArray,
        key: Key,
        session: IntArray | None = None,
    ) -> IntArray:
        """New columns, of some sessions or of the site; their numbers."""
        return self.columns.add(low, up, key, session, cost)

    def add_rows(
        self, low: FloatArray, up: FloatArray, key: Key, session: IntArray | None = None
    ) -> IntArray:
        """New rows, of some sessions or of the site; their numbers."""
        return self.rows.add(low, up, key, session)

    def put(self, row: IntArray, col: IntArray, value: FloatArray | float) -> None:
        """Coefficients of the site's rows."""
        _append(self.site, row, col, value)

    def put_own(self, row: IntArray, col: IntArray, value: FloatArray | float) -> None:
        """Coefficients of rows of one session."""
        _append(self.own, row, col, value)


class _Group:
    """Columns or rows, one part after another."""

    def __init__(self) -> None:
        self._low: list[FloatArray] = []
        self._up: list[FloatArray] = []
        self._key: list[Key] = []
        self._cost: list[FloatArray] = []
        self._session: list[IntArray] = []
        self._n = 0

    def add(
        self,
        low: FloatArray,
        up: FloatArray,
        key: Key,
        session: IntArray | None = None,
        cost: FloatArray | None = None,
    ) -> IntArray:
        """Their numbers."""
        n = int(low.size)
        self._low.append(np.asarray(low, dtype=np.float64))
        self._up.append(np.asarray(up, dtype=np.float64))
        self._key.append(key)
        self._cost.append(np.zeros(n) if cost is None else np.asarray(cost, dtype=np.float64))
        self._session.append(np.full(n, -1) if session is None else session)
        self._n += n
        return np.arange(self._n - n, self._n, dtype=np.int64)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds."""
        return np.concatenate(self._low), np.concatenate(self._up)

    def costs(self) -> FloatArray:
        """Cost of each."""
        return np.concatenate(self._cost)

    def sessions(self) -> IntArray:
        """The session that each belongs to, -1: none."""
        return np.concatenate(self._session)

    def keys(self) -> IntArray:
        """Key of each."""
        return np.concatenate([key() if callable(key) else key for key in self._key])


def key_of(kind: IntArray | int, owner: IntArray | int, slot_end_s: IntArray | int) -> IntArray:
    """A key made of a kind, an owner and the end of a slot."""
    place = np.asarray(slot_end_s, dtype=np.int64) & 0xFFFFFFFF
    owner = np.asarray(owner, dtype=np.int64) << 32
    return np.asarray((np.asarray(kind, dtype=np.int64) << 56) | owner | place, dtype=np.int64)


def joined(parts: list[Triplets]) -> Triplets:
    """Several groups of coefficients as one."""
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    row, col, value = (np.concatenate(p) for p in zip(*parts, strict=True))
    return row, col, value


def grid_of(problem: Problem) -> Microgrid:
    """The problem's microgrid, or one of nothing but its limits and its PV surplus."""
    if problem.microgrid is not None:
        return problem.microgrid
    shape = problem.cap_kw.shape
    none, sun = np.zeros(shape), problem.surplus_kw[None, :]
    sold = none.copy()
    sold[0] = problem.surplus_kw
    return Microgrid(
        stores=NO_STORES,
        sources=Sources(("surplus",), np.zeros(1, dtype=np.int64), sun),
        base_kw=none,
        import_kw=problem.cap_kw + (sun if shape[0] == 1 else np.vstack([sun, none[1:]])),
        export_kw=sold,
    )


def _append(to: list[Triplets], row: IntArray, col: IntArray, value: FloatArray | float) -> None:
    if row.size:
        to.append((row, col, np.broadcast_to(np.asarray(value, dtype=np.float64), row.shape)))
