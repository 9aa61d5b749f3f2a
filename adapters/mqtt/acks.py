"""Acknowledgements in the order of the messages, whatever order they become due in."""

from __future__ import annotations

import threading
from collections.abc import Callable


class AckOrder:
    """The messages of one connection that wait for their acknowledgement.

    MQTT wants acknowledgements in the order of the messages, and some brokers end a connection
    that breaks it: one that is due early waits for those before it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, bool] = {}
        self.generation = 0

    def begin(self) -> int:
        """A new connection: what an old one left open is void. Its number."""
        with self._lock:
            self.generation += 1
            self._due.clear()
            return self.generation

    def came(self, mid: int) -> None:
        """A message has come that must be acknowledged."""
        with self._lock:
            self._due[mid] = False

    def done(self, mid: int, generation: int, send: Callable[[int], object]) -> None:
        """A message is done with: send all acknowledgements that are due in order."""
        with self._lock:
            if generation != self.generation or mid not in self._due:
                return
            self._due[mid] = True
            while self._due:
                first = next(iter(self._due))
                if not self._due[first]:
                    return
                del self._due[first]
                send(first)
