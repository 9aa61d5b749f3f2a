"""A step function of time: what holds from an instant until the next one."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import InvalidValueError


@dataclass(frozen=True)
class StepSeries:
    """Values that each hold until the next start.

    Parameters
    ----------
    starts_s : sequence of float
        Increasing epoch seconds; the first value holds before them too, the last for ever.
    values : sequence of float
        As many, finite.
    """

    starts_s: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if not self.starts_s or len(self.starts_s) != len(self.values):
            raise InvalidValueError(f"{len(self.starts_s)} starts, {len(self.values)} values")
        if any(b <= a for a, b in zip(self.starts_s, self.starts_s[1:], strict=False)):
            raise InvalidValueError("the starts of a series must increase")
        if not all(math.isfinite(v) for v in self.values):
            raise InvalidValueError("a series holds finite values")

    def at(self, seconds: float) -> float:
        """Value at an instant."""
        return self.values[max(bisect_right(self.starts_s, seconds) - 1, 0)]

    def next_change_s(self, seconds: float) -> float:
        """First start after an instant, epoch seconds; inf where none is left."""
        k = bisect_right(self.starts_s, seconds)
        return self.starts_s[k] if k < len(self.starts_s) else math.inf


def constant(value: float) -> StepSeries:
    """A series that never changes."""
    return StepSeries((0.0,), (value,))
