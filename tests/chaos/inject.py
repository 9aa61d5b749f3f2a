"""What the harness puts into the daemon's process: a shifted clock, and points to die at.

``clock`` in the run's folder holds seconds by which the wall clock is off; ``die`` names a point
of the way from a decision to its publication, at which the process kills itself.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

POINTS = {
    "before the engine": ("adapters.host:Host.take", False),
    "after the engine": ("adapters.host:Host.take", True),
    "before a publication": ("adapters.mqtt.links:Links.publish", False),
    "after a publication": ("adapters.mqtt.links:Links.publish", True),
    "before the batch": ("adapters.store.writer:Writer.put", False),
    "before the commit": ("adapters.store.writer:Writer._commit", False),
    "after the commit": ("adapters.store.writer:Writer._commit", True),
    "before a release": ("adapters.host:Host.stored", False),
    "before an acknowledgement": ("adapters.mqtt.links:Links.ack", False),
}


def inject(folder: Path) -> None:
    """Shift the clock by what the file says, and arm every point."""
    import adapters.clock as clock

    file, seen = folder / "clock", [0.0, 0.0]

    def now(_self: object) -> datetime:
        tick = time.monotonic()
        if tick - seen[0] > 0.1:
            seen[0] = tick
            seen[1] = float(file.read_text() or 0) if file.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=seen[1])

    clock.WallClock.now = now  # type: ignore[method-assign, assignment]
    for point, (place, after) in POINTS.items():
        _arm(folder / "die", point, place, after)


def _arm(trigger: Path, point: str, place: str, after: bool) -> None:
    from importlib import import_module

    module, _, path = place.partition(":")
    name, _, method = path.partition(".")
    owner = getattr(import_module(module), name)
    real = getattr(owner, method)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        armed = trigger.exists() and trigger.read_text() == point
        if armed and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        out = real(*args, **kwargs)
        if armed:
            os.kill(os.getpid(), signal.SIGKILL)
        return out

    setattr(owner, method, wrapped)
