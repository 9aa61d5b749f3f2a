"""A paho client that reads and writes in large pieces.

paho asks the socket for a message's first byte, then for its length byte by byte, then for its
body, and hands every message to the socket by itself. Each of these calls gives the interpreter
away and must win it back from the threads that compute, so that under load a setpoint costs a
third of a millisecond on its way out. Here one call reads all that has come, and messages that
leave together leave in one call. Were paho to make its sockets in another way some day, it would
work as it does without this.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client

PIECE_BYTES = 65_536


class BufferedSocket:
    """A connected socket with a buffer on either side.

    Parameters
    ----------
    end : socket
        Connected; plain or TLS.
    more : callable
        Whether another message is written right after this one.
    """

    def __init__(self, end: Any, more: Callable[[], bool]) -> None:
        self._end = end
        self._more = more
        # One buffer for good: a new one for each read, cut down to what had come, left the
        # heap full of holes that nothing of its size fitted into again.
        self._in = memoryview(bytearray(PIECE_BYTES))
        self._at = self._filled = 0
        self._out = b""

    def recv(self, size: int) -> bytes:
        """At most so many bytes.

        Raises
        ------
        OSError
            As the socket does; ``BlockingIOError`` where nothing has come.
        """
        if self._at >= self._filled:
            # Read first: where nothing has come the socket raises, and nothing here has changed.
            come = int(self._end.recv_into(self._in))
            self._at, self._filled = 0, come
        taken = bytes(self._in[self._at : min(self._at + size, self._filled)])
        self._at += len(taken)
        return taken

    def pending(self) -> int:
        """Bytes that can be read without asking the network."""
        below = self._end.pending() if hasattr(self._end, "pending") else 0
        return self._filled - self._at + int(below)

    def send(self, data: bytes) -> int:
        """Send, or keep until the message that follows at once; how many bytes were taken.

        Raises
        ------
        OSError
            As the socket does; ``BlockingIOError`` where none of ``data`` was taken.
        """
        if self._more() and len(self._out) + len(data) < PIECE_BYTES:
            self._out += data
            return len(data)
        kept = len(self._out)
        sent = self._end.send(self._out + data)
        self._out = self._out[sent:]
        if sent < kept:
            raise BlockingIOError
        return int(sent - kept)

    def setblocking(self, flag: bool) -> None:
        """As the socket's."""
        self._end.setblocking(flag)

    def fileno(self) -> int:
        """As the socket's."""
        return int(self._end.fileno())

    def close(self) -> None:
        """Close it; what was kept is lost, as it is with the connection."""
        self._end.close()


class BufferedClient(Client):
    """A client whose connections are buffered, and whose small messages wait for no company."""

    def _create_socket(self) -> Any:
        end = super()._create_socket()
        # A setpoint is a small packet: the system must not hold it back (up to 40 ms).
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[attr-defined]
        return BufferedSocket(end, self.want_write)
