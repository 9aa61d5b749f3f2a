"""A neighbour of a problem that was solved: what differs is mended, and nothing else is touched."""

from __future__ import annotations

import dataclasses

import numpy as np

from scheduler.problem import Fleet, Problem
from scheduler.solution import Solution
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.fairness import make_fair
from scheduler.solvers.flow_kernel.memory import NO_LIMIT_WS, Memory, with_room, with_row
from scheduler.solvers.flow_kernel.mend import change_capacities, set_owed, set_window
from scheduler.solvers.flow_kernel.network import WS_PER_KWH, watt_seconds
from scheduler.solvers.flow_kernel.prepare import blocks
from scheduler.solvers.flow_kernel.records import Bools, Floats, Ints, Net

_MOST_SESSIONS = 16
"""So many sessions may differ; beyond, the full solve is the quicker way."""

_WORK_SHARE = 20.0
_LEAST_WORK = 2_000
"""Work budget, in places met: a multiple of sessions and nodes, but at least so many."""

_MUST_AGREE = tuple(
    field.name
    for field in dataclasses.fields(Problem)
    if field.name not in ("cap_kw", "fleet", "running_kwh", "switching", "imbalances")
)
_PIECE = 256
"""A power of four: ids that are compared at once."""

_SAME, _OTHER_AMOUNT, _OTHER_WINDOW = 0, 1, 2


def mend(
    problem: Problem, memory: Memory, rung: str, *, fair: bool, block: int
) -> tuple[Solution, Memory] | None:
    """The optimum of a problem near the one remembered, or None where the full solve is due.

    Parameters
    ----------
    problem : Problem
        The problem of now.
    memory : Memory
        What the solve before left; used up, also where the answer is None.
    rung : str
        The name to answer under.
    fair : bool
        Whether a shortage is shared by the max-min of the served fraction.
    block : int
        Sessions of a subtree in which exchanges are looked for first.
    """
    if not _comparable(problem, memory.problem):
        return None
    old = memory.problem.fleet
    match = _match(old.ids, problem.fleet.ids)
    if match is None:
        return None
    touched = np.empty((_MOST_SESSIONS, 2), dtype=np.int64)
    factor = float(old.count_factor[0])
    differing = compare(
        match, *_columns(old), *_columns(problem.fleet), *_flow_columns(problem.fleet), factor,
        touched,
    )  # fmt: skip
    if differing < 0:
        return None
    limit = int(_WORK_SHARE * (memory.row.size + memory.net.parent.size)) + _LEAST_WORK
    memory.flow.work[0] = 0
    if problem.fleet.n != old.n or bool(match.size and match.min() < 0):
        memory = _without(memory, match, limit)
    changed: Memory | None = dataclasses.replace(memory, problem=problem)
    for k, kind in touched[:differing].tolist():
        changed = _session(changed, k, kind, limit)
        if changed is None:
            return None
    assert changed is not None
    _capacities(changed, memory.problem.cap_kw, limit)
    if int(changed.flow.work[0]) > limit:
        return None
    if fair and bool(changed.flow.left.any()):
        _share_fairly(changed, block)
    energy = laid_out(changed.net, changed.flow.energy, changed.row, WS_PER_KWH)
    return Solution(energy, "optimal", rung, 0.0, int(changed.flow.work[0])), changed


def _comparable(problem: Problem, before: Problem) -> bool:
    """Whether two problems differ in sessions and capacities alone, and hold nothing but a flow."""
    if problem.phase_limits or not problem.fleet.n or not before.fleet.n:
        return False
    for name in _MUST_AGREE:
        mine, theirs = getattr(problem, name), getattr(before, name)
        if mine is theirs:
            continue
        same = np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs
        if not same:
            return False
    return True


def _match(old: tuple[str, ...], new: tuple[str, ...]) -> Ints | None:
    """Place of each new session among the old ones, -1 where there is none; None: too different."""
    if old == new:
        return np.arange(len(new))
    least = min(len(old), len(new))
    begin = _shared(old, new, least)
    stop = _shared(old[::-1], new[::-1], least - begin)
    if max(len(old), len(new)) - begin - stop > max(len(old) // 4, _MOST_SESSIONS):
        return None
    places = {name: begin + q for q, name in enumerate(old[begin : len(old) - stop])}
    between = [places.get(name, -1) for name in new[begin : len(new) - stop]]
    out = np.arange(len(new))
    out[begin : len(new) - stop] = between
    out[len(new) - stop :] += len(old) - len(new)
    return out


def _shared(old: tuple[str, ...], new: tuple[str, ...], most: int) -> int:
    """How many ids two sequences have in common before they first differ, at most ``most``."""
    # Piece by piece, since two pieces of a tuple are compared without a word of Python between.
    at, piece = 0, _PIECE
    while piece:
        while at + piece <= most and old[at : at + piece] == new[at : at + piece]:
            at += piece
        piece //= 4
    return at


def _columns(fleet: Fleet) -> tuple[Ints, Ints, Ints, Ints, Floats, Floats, Floats]:
    return (
        fleet.node, fleet.start_s, fleet.end_s, fleet.priority,
        fleet.max_kw, fleet.energy_kwh, fleet.promised_kwh,
    )  # fmt: skip


def _flow_columns(fleet: Fleet) -> tuple[Floats, Floats, Bools, Floats]:
    return fleet.taper_per_h, fleet.taper_room_kwh, fleet.earliest, fleet.count_factor


@compiled
def compare(
    match: Ints,
    node: Ints,
    start_s: Ints,
    end_s: Ints,
    priority: Ints,
    max_kw: Floats,
    energy: Floats,
    promised: Floats,
    new_node: Ints,
    new_start_s: Ints,
    new_end_s: Ints,
    new_priority: Ints,
    new_max_kw: Floats,
    new_energy: Floats,
    new_promised: Floats,
    taper_per_h: Floats,
    taper_room: Floats,
    earliest: Bools,
    count_factor: Floats,
    factor: float,
    touched: Ints,
) -> int:
    """Write which sessions differ from what they were, and how; how many do.

    -1 where there are more than ``touched`` holds, or one that no plain flow can hold.
    """
    differing = 0
    for k in range(match.size):
        if np.isfinite(taper_per_h[k]) and np.isfinite(taper_room[k]):
            return -1
        if earliest[k] or count_factor[k] != factor:
            return -1
        i = match[k]
        kind = _SAME
        moved = i < 0 or node[i] != new_node[k] or max_kw[i] != new_max_kw[k]
        if moved or start_s[i] != new_start_s[k] or end_s[i] != new_end_s[k]:
            kind = _OTHER_WINDOW
        elif energy[i] != new_energy[k] or promised[i] != new_promised[k]:
            kind = _OTHER_AMOUNT
        kind = _OTHER_AMOUNT if kind == _SAME and priority[i] != new_priority[k] else kind
        if kind != _SAME:
            if differing == touched.shape[0]:
                return -1
            touched[differing, 0] = k
            touched[differing, 1] = kind
            differing += 1
    return differing


def _without(memory: Memory, match: Ints, limit: int) -> Memory:
    """The memory after the sessions that are gone have given back what they had."""
    rows, gone = rows_of(match, memory.row)
    for row in gone.tolist():
        _owe(memory, row, 0, 0, 0, limit)
        memory.vacant[row] = True
    return dataclasses.replace(memory, row=rows)


@compiled
def rows_of(match: Ints, row: Ints) -> tuple[Ints, Ints]:
    """The row of each session of now, -1 where it has none yet; the rows of those that are gone."""
    out, left = np.empty(match.size, np.int64), row.copy()
    for k in range(match.size):
        i = match[k]
        out[k] = -1
        if i >= 0:
            out[k], left[i] = row[i], -1
    return out, left[left >= 0]


def _owe(memory: Memory, row: int, owed: int, floor: int, rank: int, limit: int) -> None:
    set_owed(
        memory.net, memory.flow, memory.ways, memory.tiers, memory.labels,
        row, owed, floor, rank, limit,
    )  # fmt: skip


def _session(memory: Memory | None, k: int, kind: int, limit: int) -> Memory | None:
    """The memory after session k has become what it is now; None where it has no place."""
    assert memory is not None
    problem, fleet = memory.problem, memory.problem.fleet
    row = int(memory.row[k])
    if kind == _OTHER_WINDOW:
        leaf = int(memory.home[fleet.node[k]])
        if leaf < 0:
            return None
        if row >= 0:
            _owe(memory, row, 0, 0, 0, limit)
        if row < 0 or int(memory.net.leaf[row]) != leaf:
            if row >= 0:
                memory.vacant[row] = True
            memory, row = with_row(memory, leaf)
            memory.row[k] = row
        edges = problem.horizon.edges_s
        start = min(max(int(fleet.start_s[k]), int(edges[0])), int(edges[-1]))
        end = min(max(int(fleet.end_s[k]), int(edges[0])), int(edges[-1]))
        first = min(int(np.searchsorted(edges, start, side="right")) - 1, problem.horizon.n)
        last = max(int(np.searchsorted(edges, end, side="left")), first)
        roomier = with_room(memory, last - first)
        if roomier is None:
            return None
        memory = roomier
        set_window(
            memory.net, memory.flow, row, memory.used, first, last, int(fleet.start_s[k]),
            int(fleet.end_s[k]), float(fleet.max_kw[k]) * 1000.0, edges,
        )  # fmt: skip
        memory = dataclasses.replace(memory, used=memory.used + last - first)
    owed = int(float(fleet.energy_kwh[k]) * WS_PER_KWH + 1e-3)
    floor = min(int(float(fleet.promised_kwh[k]) * WS_PER_KWH + 1e-3), owed)
    _owe(memory, row, owed, floor, int(fleet.priority[k]), limit)
    return memory


def _capacities(memory: Memory, before_kw: Floats, limit: int) -> None:
    """The flow made optimal for the capacities of now."""
    problem = memory.problem
    if problem.cap_kw is before_kw:
        return
    cell = other_cells(problem.cap_kw.ravel(), before_kw.ravel())
    if not cell.size:
        return
    whole = 1000.0 / float(problem.fleet.count_factor[0])
    node, slot = np.divmod(cell, problem.horizon.n)
    allowed = problem.cap_kw[node, slot] * whole * problem.horizon.slot_s[slot] + 1e-6
    cap = np.minimum(allowed, NO_LIMIT_WS).astype(np.int64)
    change_capacities(
        memory.net, memory.flow, memory.ways, memory.tiers, memory.labels,
        memory.place[node], slot, cap, limit,
    )  # fmt: skip


@compiled
def other_cells(now: Floats, before: Floats) -> Ints:
    """Places at which two columns of numbers differ."""
    count = 0
    for k in range(now.size):
        count += now[k] != before[k]
    out = np.empty(count, np.int64)
    at = 0
    for k in range(now.size if count else 0):
        if now[k] != before[k]:
            out[at] = k
            at += 1
    return out


def _share_fairly(memory: Memory, block: int) -> None:
    net, flow, fleet = memory.net, memory.flow, memory.problem.fleet
    tops, upper, _ = blocks(net.end, net.session_from, net.session_to, block)
    asked = np.zeros(net.base.size, dtype=np.int64)
    asked[memory.row] = watt_seconds(fleet.asked_kwh)
    flow.work[:] = 0
    make_fair(net, flow, asked, tops, upper.size > 0, 2**62)


@compiled
def laid_out(net: Net, energy: Ints, row: Ints, ws_per_kwh: float) -> Floats:
    """The flow's energies in the order of the problem's entries, kWh."""
    total = 0
    for k in range(row.size):
        total += net.last[row[k]] - net.first[row[k]]
    out = np.empty(total, np.float64)
    at = 0
    for k in range(row.size):
        i = row[k]
        mine = energy[net.base[i] + net.first[i] : net.base[i] + net.last[i]]
        told = out[at : at + mine.size]
        for t in range(mine.size):
            told[t] = mine[t] / ws_per_kwh
        at += mine.size
    return out
