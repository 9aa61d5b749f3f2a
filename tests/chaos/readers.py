"""The page beside the daemon: many windows at once, one that hangs in the middle of a read."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from tests.chaos.rig import Rig
from tests.chaos.trial import Fault, Trial
from tests.integration.field import ROOT, free_port, until

WINDOWS = 12
SECONDS = 10.0
PATHS = ("/parts/grid", "/parts/dispatcher", "/api/v1/series", "/api/v1/piles", "/api/v1/steps")


class Windows:
    """A page process of the rig's site, and windows that ask as fast as it answers."""

    def __init__(self, rig: Rig) -> None:
        port = free_port()
        config = rig.folder / f"page-{port}.toml"
        config.write_text(rig.config.read_text() + f"\n[web]\nport = {port}\n")
        self._root = f"http://127.0.0.1:{port}"
        self._stop = threading.Event()
        self.answers = 0
        with (rig.folder / "page.log").open("ab") as log:
            command = [sys.executable, "-m", "adapters.cli", "page", str(config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        self._threads = [threading.Thread(target=self._look, args=(k,)) for k in range(WINDOWS)]

    def open(self) -> None:
        """Wait for the first answer; from then on all of them ask."""
        until(lambda: self.ask(PATHS[0]), "the page answers", 60)
        for thread in self._threads:
            thread.start()

    def ask(self, path: str) -> bool:
        """Whether the page answers."""
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(self._root + path, timeout=5.0) as answer:
                answer.read()
            return True
        return False

    def _look(self, k: int) -> None:
        while not self._stop.is_set():
            k += 1
            self.answers += self.ask(PATHS[k % len(PATHS)])

    def close(self) -> None:
        """Shut all windows and the page."""
        self._stop.set()
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()


def watched(t: Trial) -> None:
    """A limit falls while the page is asked without end, and while it hangs inside a read."""
    rig = t.rig
    windows = Windows(rig)
    try:
        windows.open()
        time.sleep(SECONDS)
        took = rig.obeyed_in_s(100.0)
        t.check(took < 1.5, f"with {WINDOWS} windows a limit took {took:.1f} s")
        rig.limit("probe", None, revoked=True)
        rig.wait_serving(40)
        os.kill(windows.process.pid, signal.SIGSTOP)
        time.sleep(3.0)
        hung = rig.obeyed_in_s(100.0)
        t.check(hung < 1.5, f"while the page hangs a limit took {hung:.1f} s")
        rig.limit("probe", None, revoked=True)
        rig.wait_serving(40)
        os.kill(windows.process.pid, signal.SIGCONT)
        t.check(windows.answers > WINDOWS, f"only {windows.answers} answers")
        t.note(f"{windows.answers} answers; limits obeyed in {took:.2f} and {hung:.2f} s")
    finally:
        windows.close()
    t.over()
    time.sleep(3.0)


FAULTS = (Fault(33, "twelve windows on the page, then it hangs in a read", watched),)
