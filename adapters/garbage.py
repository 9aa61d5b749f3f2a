"""The cycle collector's whole pass, when it disturbs least.

Python looks through everything that lives whenever enough of it is new: some 50 ms at 500 piles,
every ten seconds or so, at any moment, with a limit waiting or not. What is there once the daemon
runs stays as long as it does, so it is never looked through again; the whole pass over the rest
comes once a minute, after a drain. Young garbage is collected as ever.
"""

from __future__ import annotations

import gc
import time

WHOLE_EVERY_S = 60.0

_NEVER = 1_000_000
"""Middle passes before Python would make a whole one by itself."""


class Garbage:
    """When the whole pass is made."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def settle(self) -> None:
        """What lives now is there to stay."""
        gc.collect()
        gc.freeze()
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        self._last_s = time.monotonic()

    def look(self) -> bool:
        """Make the whole pass if it is time; whether it was."""
        now_s = time.monotonic()
        if now_s - self._last_s < WHOLE_EVERY_S:
            return False
        gc.collect()
        self._last_s = time.monotonic()
        return True
