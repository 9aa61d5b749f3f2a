"""Sets of slots as rows of 64-bit words."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

NONE = np.uint64(0)
_ONE = np.uint64(1)


@intrinsic  # type: ignore[untyped-decorator]
def lowest(typing_context: Any, word: Any) -> Any:
    """Position of the lowest bit set in a word that is not 0: one machine instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@njit(inline="always")
def bit(slot):  # type: ignore[no-untyped-def]
    """The bit of a slot inside its word."""
    return _ONE << np.uint64(slot & 63)


@njit(inline="always")
def without_lowest(word):  # type: ignore[no-untyped-def]
    """The word less its lowest bit."""
    return word & (word - _ONE)


@njit(inline="always")
def put(rows, i, slot, on):  # type: ignore[no-untyped-def]
    """Set or clear one slot in row i."""
    if on:
        rows[i, slot >> 6] |= bit(slot)
    else:
        rows[i, slot >> 6] &= ~bit(slot)


@njit(inline="always")
def positive(values, row):  # type: ignore[no-untyped-def]
    """Write into a row of words which values are positive."""
    for w in range(row.size):
        row[w] = NONE
    for slot in range(values.size):
        if values[slot] > 0:
            row[slot >> 6] |= bit(slot)
