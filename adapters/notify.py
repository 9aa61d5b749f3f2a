"""What a service tells systemd, over the socket that systemd names; nothing without one."""

from __future__ import annotations

import os
import socket


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
