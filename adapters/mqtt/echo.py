"""Proof that a connection lives: what it sends to itself comes back.

paho's network thread can end, or a broker stop forwarding, while the connection still counts as
connected. So life is proved by a message to oneself, and another daemon of the site is known by
its echoes on the same topic.
"""

from __future__ import annotations

import threading
import time

ECHO_PERIOD_S = 2.0
ECHO_LOST_S = 10.0


class Echo:
    """The messages of one connection to itself.

    Parameters
    ----------
    instance : str
        Ours; another daemon of the site has another one.
    """

    def __init__(self, instance: str) -> None:
        self.word = instance.encode()
        self._sent_s = 0.0
        self._heard_s = 0.0
        self._waiting: dict[bytes, threading.Event] = {}

    def begin(self) -> None:
        """The connection stands from now on: it has as long as any echo to prove itself."""
        self._heard_s = time.monotonic()

    def lost(self, patience_s: float = 0.0) -> bool:
        """Whether none has come back for too long, and ``patience_s`` on top."""
        return time.monotonic() - self._heard_s > ECHO_LOST_S + patience_s

    def due(self) -> bool:
        """Whether the next one should be sent; counts as sent then."""
        now = time.monotonic()
        if now - self._sent_s <= ECHO_PERIOD_S:
            return False
        self._sent_s = now
        return True

    def ask(self) -> tuple[bytes, threading.Event]:
        """One that somebody waits for, and what is set when it is back."""
        token = self.word + f" {time.monotonic_ns()}".encode()
        back = self._waiting[token] = threading.Event()
        return token, back

    def forget(self, token: bytes) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(token, None)

    def hear(self, token: bytes) -> str | None:
        """One has come; who sent it if it was not we."""
        instance = token.partition(b" ")[0]
        if instance != self.word:
            return instance.decode("ascii", "replace")
        self._heard_s = time.monotonic()
        back = self._waiting.get(token)
        if back is not None:
            back.set()
        return None
