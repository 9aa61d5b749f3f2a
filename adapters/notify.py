"""What a service tells systemd, over the socket that systemd names; nothing without one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable


def notify(*lines: str) -> bool:
    """Send assignments such as ``READY=1`` or ``WATCHDOG=1``.

    Returns
    -------
    bool
        False where no socket is named or it cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto("\n".join(lines).encode(), address)
    except OSError:
        return False
    return True


def watchdog_period_s() -> float | None:
    """Half the time after which systemd holds the service for dead, s; None: it does not watch."""
    micros = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", "")
    if not micros.isdigit() or (watched and watched != str(os.getpid())):
        return None
    return int(micros) / 2e6


class Watchdog:
    """Tells systemd, where it watches, that the service lives: twice in its period."""

    def __init__(self) -> None:
        self._period_s = watchdog_period_s()
        self._due_s = 0.0

    def feed(self, lives: Callable[[], bool]) -> None:
        """Send word when it is due and ``lives``, which is asked only then, says so."""
        if self._period_s is None or time.monotonic() < self._due_s:
            return
        if lives():
            notify("WATCHDOG=1")
            self._due_s = time.monotonic() + self._period_s / 2
