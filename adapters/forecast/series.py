"""A measured series on whole slots, what is foreseen of it, and the skill of a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError
from models.horizon import FloatArray, IntArray

_BAND = (0.05, 0.95)
"""Quantiles of past errors at the two ends of a band."""

_NEAR = 2
"""Errors of so many slots before and after speak for a slot too."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A series of slot means.

    Parameters
    ----------
    start_s : int
        Epoch seconds of the first slot.
    step_s : int
        Length of a slot, s > 0; a day holds a whole number of them.
    values_kw : ndarray, shape (n,)
        Mean of each slot, kW; nan where nothing was measured.
    zone : ZoneInfo
        Whose clock and calendar days follow.
    """

    start_s: int
    step_s: int
    values_kw: FloatArray
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self.step_s <= 0 or 86_400 % self.step_s:
            raise InvalidValueError(f"{self.step_s} s is no slot of a day", where="step_s")

    @property
    def per_day(self) -> int:
        """Slots of a day of 24 hours."""
        return 86_400 // self.step_s

    def until(self, k: int) -> Measured:
        """What is known before slot k."""
        return Measured(self.start_s, self.step_s, self.values_kw[:k], self.zone)

    def at(self, seconds: float) -> int:
        """The slot that holds an instant; it may lie outside."""
        return int((seconds - self.start_s) // self.step_s)

    def starts_s(self, first: int, n: int) -> IntArray:
        """Starts of n slots from a slot on, known or not, epoch seconds."""
        return self.start_s + self.step_s * np.arange(first, first + n, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Foreseen:
    """A forecast of n slots with its band.

    Parameters
    ----------
    values_kw, low_kw, high_kw : ndarray, shape (n,)
        What is expected, and the band that nine of ten past errors lie in.
    """

    values_kw: FloatArray
    low_kw: FloatArray
    high_kw: FloatArray


class Method(Protocol):
    """One way to foresee a series."""

    name: str

    def expect(self, past: Measured, n: int) -> FloatArray:
        """The n slots after the last measured one, kW; finite wherever a day is known."""
        ...


class Banded:
    """A method with the band of its own errors, at about the same hour of the days before.

    Each of those errors is of a forecast from what was known then; what one call has worked out
    the next need not.

    Parameters
    ----------
    method : Method
    days : int
        Days looked back at, >= 1.
    """

    def __init__(self, method: Method, *, days: int = 21) -> None:
        self.method = method
        self._days = days
        self._then: dict[tuple[int, int], FloatArray] = {}

    def foresee(self, past: Measured, n: int) -> Foreseen:
        """The n slots after the last measured one.

        Parameters
        ----------
        past : Measured
            All that is known; where it holds less than two days, the band is of no width.
        n : int
            Slots.
        """
        values = self.method.expect(past, n)
        end, day = past.values_kw.size, past.per_day
        errors = []
        for back in range(1, self._days + 1):
            k = end - back * day
            if k < 2 * day:
                break
            key = (k, n)
            if key not in self._then:
                self._then[key] = self.method.expect(past.until(k), n)
            truth = past.values_kw[k : k + n]
            full = np.full(n, np.nan)
            full[: truth.size] = truth - self._then[key][: truth.size]
            errors.append(full)
        if not errors:
            return Foreseen(values, values, values)
        wide = np.pad(np.array(errors), ((0, 0), (_NEAR, _NEAR)), constant_values=np.nan)
        near = np.concatenate([wide[:, d : d + n] for d in range(2 * _NEAR + 1)])
        low, high = quantiles(near, _BAND)
        return Foreseen(values, values + np.minimum(low, 0.0), values + np.maximum(high, 0.0))


def quantiles(table: FloatArray, shares: tuple[float, ...]) -> FloatArray:
    """Quantiles of what is known in each column: ``numpy.nanquantile`` to the last bit, which goes
    through the columns one by one.

    Parameters
    ----------
    table : ndarray, shape (n, columns)
        nan where nothing is known.
    shares : tuple of float
        Each in [0, 1].

    Returns
    -------
    ndarray, shape (shares, columns)
        0 where nothing is known.
    """
    ordered = np.sort(table, axis=0)
    count = np.isfinite(table).sum(axis=0)
    every = np.arange(table.shape[1])
    out = np.zeros((len(shares), table.shape[1]))
    for k, share in enumerate(shares):
        at = share * np.maximum(count - 1, 0)
        below = np.floor(at).astype(np.int64)
        rest = at - below
        a, b = (
            ordered[below, every],
            ordered[np.minimum(below + 1, np.maximum(count - 1, 0)), every],
        )
        value = np.where(rest < 0.5, a + (b - a) * rest, b - (b - a) * (1.0 - rest))
        out[k] = np.where(count > 0, value, 0.0)
    return out


def skill(
    methods: Sequence[Method], series: Measured, first: int, *, n: int, every: int
) -> dict[str, dict[str, float]]:
    """Errors of methods on what comes after ``first``, each forecast from its past alone.

    Parameters
    ----------
    methods : sequence of Method
        The first is the reference of the skill.
    series : Measured
        The whole truth.
    first : int
        The first origin, a slot.
    n : int
        Slots of each forecast.
    every : int
        Slots between origins.

    Returns
    -------
    dict
        By method: ``mae_kw``, ``rmse_kw``, ``bias_kw`` and ``skill`` = 1 - MAE / MAE of the
        first.
    """
    origins = range(first, series.values_kw.size - n + 1, every)
    return errors_of(
        {
            method.name: np.array(
                [method.expect(series.until(k), n) - series.values_kw[k : k + n] for k in origins]
            )
            for method in methods
        }
    )


def errors_of(misses: Mapping[str, FloatArray]) -> dict[str, dict[str, float]]:
    """What methods missed, as figures.

    Parameters
    ----------
    misses : mapping of str to ndarray, any shape
        By method, forecast less truth, kW; nan where it is not known. The first is the reference.

    Returns
    -------
    dict
        As :func:`skill` returns it.
    """
    out: dict[str, dict[str, float]] = {}
    for name, missed in misses.items():
        table = missed[np.isfinite(missed)]
        out[name] = {
            "mae_kw": float(np.mean(np.abs(table))),
            "rmse_kw": float(np.sqrt(np.mean(table**2))),
            "bias_kw": float(np.mean(table)),
        }
    reference = next(iter(out.values()))["mae_kw"]
    for found in out.values():
        found["skill"] = 1.0 - found["mae_kw"] / reference if reference > 0 else 0.0
    return out
