"""How well the limit is used while somebody who ends short waits for power."""

from __future__ import annotations

import math

import numpy as np

from adapters.simulator.trace import SessionTrace, Trace

SHORT_KWH = 0.1
"""A session this much under its own truth counts as short."""


def limit_share_used_while_waiting(trace: Trace) -> float:
    """Energy drawn by energy allowed at the root, while a session that ends short could take more.

    1 where no session ends short, or the root has no limit.
    """
    stretches = [
        stretch
        for session in trace.sessions
        if session.short_kwh > SHORT_KWH
        for stretch in _below_maximum(session)
    ]
    waiting = _union(stretches)
    drawn = allowed = 0.0
    for piece in (p for s in trace.sessions for p in s.pieces):
        drawn += (
            piece.energy_kwh
            * _overlap(waiting, piece.start_s, piece.end_s)
            / max(piece.end_s - piece.start_s, 1e-9)
        )
    root = next(iter(trace.limits.values()), [])
    ends = [s for s, _ in root[1:]] + [math.inf]
    for (begin, limit), finish in zip(root, ends, strict=True):
        if math.isinf(limit):
            return 1.0
        allowed += limit * _overlap(waiting, begin, finish) / 3600.0
    return drawn / allowed if allowed > 0 else 1.0


def _below_maximum(session: SessionTrace) -> list[tuple[float, float]]:
    """When it drew less than it could."""
    at, out = session.arrival_s, []
    for piece in session.pieces:
        if piece.power_kw >= session.max_kw * (1 - 1e-6):
            if piece.start_s > at:
                out.append((at, piece.start_s))
            at = piece.end_s
    if session.departure_s > at:
        out.append((at, session.departure_s))
    return out


def _union(stretches: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Stretches merged: their starts and their ends."""
    starts: list[float] = []
    ends: list[float] = []
    for begin, finish in sorted(stretches):
        if ends and begin <= ends[-1]:
            ends[-1] = max(ends[-1], finish)
        else:
            starts.append(begin)
            ends.append(finish)
    return np.array(starts), np.array(ends)


def _overlap(union: tuple[np.ndarray, np.ndarray], begin: float, finish: float) -> float:
    """Seconds of [begin, finish) inside the union."""
    starts, ends = union
    lo = int(np.searchsorted(ends, begin, side="right"))
    hi = int(np.searchsorted(starts, finish, side="left"))
    if hi <= lo:
        return 0.0
    inside = np.minimum(ends[lo:hi], finish) - np.maximum(starts[lo:hi], begin)
    return float(inside.sum())
