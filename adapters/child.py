"""A process that must not outlive the daemon that started it."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
import time

_PR_SET_PDEATHSIG = 1

LOOK_S = 1.0


def end_with_parent() -> None:
    """From now on end when the parent has gone, also in the middle of loading or of a solve.

    The kernel sees to it where it can (Linux), so that a daemon which is started again at once
    does not share the processor with what its dead one left loading; elsewhere it is looked for.
    """
    starter = multiprocessing.parent_process()
    parent = os.getppid() if starter is None else starter.pid
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
