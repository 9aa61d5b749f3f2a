"""Mean power by quarter hour, from the lifetime registers that the store keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from models.horizon import FloatArray, IntArray


def registered_kw(
    base: sqlite3.Connection,
    edges_s: IntArray,
    group_of: Mapping[str, int],
    groups: int,
    root: str,
) -> tuple[FloatArray, FloatArray]:
    """What groups of piles drew, kW, shape (groups, n), and what the root's meter imported, (n,).

    Parameters
    ----------
    base : sqlite3.Connection
    edges_s : ndarray, shape (n + 1,)
        Slots, epoch seconds.
    group_of : mapping of str to int
        The group of each pile.
    groups : int
        How many there are.
    root : str
        Id of the root's meter.
    """
    power = np.zeros((groups, edges_s.size - 1))
    total = np.zeros(edges_s.size - 1)
    rows = base.execute(
        "SELECT meter, session, at_s, import_kwh FROM readings WHERE at_s >= ? "
        "ORDER BY meter, session, at_s",
        (int(edges_s[0]),),
    ).fetchall()
    for before, after in pairwise(rows):
        if before[:2] != after[:2] or after[2] <= before[2]:
            continue
        knots, register = np.array([before[2], after[2]]), np.array([before[3], after[3]])
        kw = np.diff(np.interp(edges_s, knots, register)) * 3600.0 / np.diff(edges_s)
        group = group_of.get(after[0])
        if group is not None:
            power[group] += kw
        elif after[0] == root:
            total += kw
    return power, total
