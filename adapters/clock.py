"""The two clocks: wall time in UTC, and monotonic time that no one sets.

The engine reads neither; both are read here, at the edge, and travel with every event.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the host takes both times from."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def mono_s(self) -> float:
        """Monotonic time, s; it also runs while the machine is suspended."""
        ...


class WallClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)

    def mono_s(self) -> float:
        """Seconds since the machine started, suspension included, where the kernel counts it."""
        return _boot_s()


def _boot_s() -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class SteppedClock:
    """Time that somebody else steps: lockstep runs and tests.

    Parameters
    ----------
    now : datetime
        Aware.
    mono_s : float
        s.
    """

    def __init__(self, now: datetime, mono_s: float) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._mono_s = mono_s

    def now(self) -> datetime:
        """The instant stepped to."""
        with self._lock:
            return self._now

    def mono_s(self) -> float:
        """The monotonic time stepped to, s."""
        with self._lock:
            return self._mono_s

    def step_to(self, now: datetime, mono_s: float) -> None:
        """Go to an instant; monotonic time never goes back."""
        with self._lock:
            self._now = now
            self._mono_s = max(mono_s, self._mono_s)
