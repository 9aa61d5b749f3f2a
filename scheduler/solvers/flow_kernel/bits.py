"""Sets of slots as rows of 64-bit words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from scheduler.solvers.flow_kernel.compiling import inlined
from scheduler.solvers.flow_kernel.records import Ints, Number, Words

NONE = np.uint64(0)
_ONE = np.uint64(1)


def _lowest(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


lowest = cast(Callable[[np.uint64], int], intrinsic(_lowest))
"""Position of the lowest bit set in a word that is not 0: one machine instruction."""


@inlined
def bit(slot: int) -> np.uint64:
    """The bit of a slot inside its word."""
    return _ONE << np.uint64(slot & 63)


@inlined
def without_lowest(word: np.uint64) -> np.uint64:
    """The word less its lowest bit."""
    return word & (word - _ONE)


@inlined
def put(rows: Words, i: Number, slot: int, on: bool) -> None:
    """Set or clear one slot in row i."""
    if on:
        rows[i, slot >> 6] |= bit(slot)
    else:
        rows[i, slot >> 6] &= ~bit(slot)


@inlined
def positive(values: Ints, row: Words) -> None:
    """Write into a row of words which values are positive."""
    for w in range(row.size):
        row[w] = NONE
    for slot in range(values.size):
        if values[slot] > 0:
            row[slot >> 6] |= bit(slot)
