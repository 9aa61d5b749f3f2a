"""The basis that one program ends with, and how the next begins with it."""

from __future__ import annotations

import zlib

import highspy
import numpy as np

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, IntArray

_KNOWN_SHARE = 0.5
"""With fewer of the columns known the last basis is no start."""

_LOWER, _BASIC, _UPPER, _ZERO = 0, 1, 2, 3
_STATUS = np.array(
    [
        highspy.HighsBasisStatus.kLower,
        highspy.HighsBasisStatus.kBasic,
        highspy.HighsBasisStatus.kUpper,
        highspy.HighsBasisStatus.kZero,
    ],
    dtype=object,
)

Basis = tuple[IntArray, IntArray]
"""Status of each column and of each row."""

NO_BASIS: Basis = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def carried(
    highs: highspy.Highs, before: GeneralProgram | None, program: GeneralProgram
) -> Basis | None:
    """The basis that HiGHS holds of the program before, on this program's columns and rows.

    None where there is none, or little of it is known.
    """
    held = None if before is None else _held(highs, before)
    if before is None or held is None:
        return None
    cols = _looked_up(before.col_key, held[0], program.col_key, -1)
    if float(np.mean(cols >= 0)) < _KNOWN_SHARE:
        return None
    rows = _looked_up(before.row_key, held[1], program.row_key, _BASIC)
    return np.where(cols < 0, _LOWER, cols), rows


def packed(basis: Basis | None) -> bytes:
    """A basis as bytes: one for each column and row, compressed. None: one of nothing."""
    both = np.concatenate(NO_BASIS if basis is None else basis)
    return zlib.compress(both.astype(np.uint8).tobytes(), 1)


def unpacked(told: bytes, program: GeneralProgram) -> Basis | None:
    """A basis out of bytes; None where it is of a program of another shape."""
    columns, rows = int(program.cost.size), int(program.row_up.size)
    both = np.frombuffer(zlib.decompress(told), dtype=np.uint8) if told else None
    if both is None or both.size != columns + rows:
        return None
    return both[:columns].astype(np.int64), both[columns:].astype(np.int64)


def begin_with(highs: highspy.Highs, basis: Basis) -> bool:
    """Whether HiGHS takes a basis for the program that it holds."""
    found = highspy.HighsBasis()
    found.col_status = _STATUS[basis[0]].tolist()
    found.row_status = _STATUS[basis[1]].tolist()
    found.valid = True
    found.alien = True
    return bool(highs.setBasis(found) == highspy.HighsStatus.kOk)


def _looked_up(known: IntArray, status: IntArray, key: IntArray, other: int) -> IntArray:
    """Status of each key where it is known, else ``other``."""
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known, key, sorter=order), known.size - 1)]
    return np.where(known[at] == key, status[at], other)


def _held(highs: highspy.Highs, program: GeneralProgram) -> Basis | None:
    """Status of columns and rows in the basis that HiGHS holds."""
    status, basic = highs.getBasicVariables()  # type: ignore[attr-defined]
    if status != highspy.HighsStatus.kOk:
        return None
    solution = highs.getSolution()
    value = np.array(solution.col_value)
    activity = np.array(solution.row_value)
    cols = np.where(_nearer(value, program.low, program.up), _UPPER, _LOWER)
    rows = np.where(_nearer(activity, program.row_low, program.row_up), _UPPER, _LOWER)
    basic = np.asarray(basic)
    cols[basic[basic >= 0]] = _BASIC
    rows[-basic[basic < 0] - 1] = _BASIC
    return cols, rows


def _nearer(value: FloatArray, low: FloatArray, up: FloatArray) -> np.ndarray:
    """Whether a nonbasic value sits at its upper bound."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(up) & ((np.abs(value - up) < np.abs(value - low)) | ~np.isfinite(low))
