"""The page beside the daemon: a process of its own, started again when it ends."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

log = logging.getLogger("valleyfill.page")

AGAIN_S = 5.0
"""Before a page that has ended is started again."""


class PageProcess:
    """Keeps the page's process while the daemon runs; control never waits for it.

    Parameters
    ----------
    path : Path
        The site file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def start(self) -> None:
        """Start it; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        process = self._process
        if process is not None:
            process.terminate()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                code = self._once()
            except OSError as problem:
                log.error("the page cannot be started: %s", problem)
            else:
                if not self._stopping.is_set():
                    log.warning("the page has ended with code %d", code)
            self._stopping.wait(AGAIN_S)

    def _once(self) -> int:
        command = [sys.executable, "-m", "adapters.cli", "page", str(self._path)]
        command += ["--parent", str(os.getpid())]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._process = process
        try:
            while True:
                try:
                    return process.wait(1.0)
                except subprocess.TimeoutExpired:
                    if self._stopping.is_set():
                        process.terminate()
                        self._stopping.wait(0.1)
        finally:
            if process.poll() is None:
                process.kill()
