"""Sparse coefficients by column, gathered and summed; compiled."""

from __future__ import annotations

import numpy as np

from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.general_path.kinds import END, TAKE


@compiled
def by_column(
    row: IntArray, column: IntArray, value: FloatArray, columns: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Where each column begins, rows and values, from triplets in any order."""
    start = np.zeros(columns + 1, dtype=np.int64)
    for k in range(column.size):
        start[column[k] + 1] += 1
    for c in range(columns):
        start[c + 1] += start[c]
    place = start[:-1].copy()
    rows, values = np.empty(row.size, dtype=np.int64), np.empty(row.size)
    for k in range(column.size):
        at = place[column[k]]
        rows[at], values[at] = row[k], value[k]
        place[column[k]] = at + 1
    return start, rows, values


@compiled
def add_used(
    start: IntArray, row: IntArray, value: FloatArray, values: FloatArray, out: FloatArray
) -> None:
    """Add to each row what the columns' values put into it."""
    for c in range(values.size):
        if values[c] != 0.0:
            for k in range(start[c], start[c + 1]):
                out[row[k]] += value[k] * values[c]


@compiled
def charge(
    cost: FloatArray,
    start: IntArray,
    row: IntArray,
    value: FloatArray,
    price: FloatArray,
    out: FloatArray,
) -> None:
    """Cost of each column less the prices of its rows."""
    for c in range(cost.size):
        total = 0.0
        for k in range(start[c], start[c + 1]):
            total += value[k] * price[row[k]]
        out[c] = cost[c] - total


@compiled
def of_moves(
    where: IntArray,
    efficiency: FloatArray,
    take_column: IntArray,
    give_column: IntArray,
    cost: FloatArray,
    start: IntArray,
    row: IntArray,
    value: FloatArray,
    number: IntArray,
    move_cost: FloatArray,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Moves as columns over the rows that have a number: where each begins, rows and values.

    To ``move_cost`` is added what the columns behind each move cost.
    """
    most = 0
    for k in range(where.shape[0]):
        for side in (0, 2):
            if where[k, side + 1] != END:
                entry = where[k, side]
                column = take_column[entry] if where[k, side + 1] == TAKE else give_column[entry]
                most += start[column + 1] - start[column]
    starts = np.zeros(where.shape[0] + 1, dtype=np.int64)
    rows, values = np.empty(most, dtype=np.int64), np.empty(most)
    at = np.full(number.size, -1)
    count = 0
    for k in range(where.shape[0]):
        for side in (0, 2):
            kind = where[k, side + 1]
            if kind == END:
                continue
            # Out is less taken or more given; in is the reverse.
            sign = 1.0 if side == 0 else -1.0
            entry = where[k, side]
            column = take_column[entry] if kind == TAKE else give_column[entry]
            share = -sign if kind == TAKE else sign * efficiency[k]
            move_cost[k] += cost[column] * share
            for z in range(start[column], start[column + 1]):
                r = row[z]
                if number[r] < 0:
                    continue
                if at[r] < starts[k]:
                    at[r] = count
                    rows[count], values[count] = number[r], 0.0
                    count += 1
                values[at[r]] += value[z] * share
        starts[k + 1] = count
    return starts, rows[:count], values[:count]
