"""A paho client that reads and writes in large pieces.

paho asks the socket for a message's first byte, then for its length byte by byte, then for its
body, and hands every message to the socket by itself. Each of these calls gives the interpreter
away and must win it back from the threads that compute, so that under load a setpoint costs a
third of a millisecond on its way out. Here one call reads all that has come, and messages that
leave together leave in one call. Were paho to make its sockets in another way some day, it would
work as it does without this.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

PIECE_BYTES = 65_536

READ_AT_ONCE = 200
"""So many packets are read before what waits to be written has its turn."""


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


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a broker, as far as anybody here asks of paho's own."""

    mid: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: None = None


class Packed:
    """Properties of many messages, written as bytes once: paho would write them each time.

    Parameters
    ----------
    properties : Properties
    """

    def __init__(self, properties: Any) -> None:
        self._packed: bytes = properties.pack()

    def pack(self) -> bytes:
        """The bytes."""
        return self._packed


_TAKEN: Any = ReasonCode(PacketTypes.PUBACK)
_NOTHING: Any = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]
_NO_SUBSCRIBER = 0x10
_EXPIRY_ALONE = b"\x05\x02"
"""Five bytes of properties, the first of them an expiry: its four bytes follow."""


class BufferedClient(Client):
    """A client whose connections are buffered, and whose small messages wait for no company.

    paho builds a table of all properties that there are for each message that comes, and for each
    acknowledgement. Those without any, which are nearly all, are read here; any other, and whatever
    is malformed, is left to it.
    """

    def _create_socket(self) -> Any:
        end = super()._create_socket()
        # A setpoint is a small packet: the system must not hold it back (up to 40 ms).
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[attr-defined]
        return BufferedSocket(end, self.want_write)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read what has come, not a packet at a time: between two the interpreter is given away."""
        for _ in range(READ_AT_ONCE):
            code = super().loop_read(max_packets)
            end = self._sock
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or end is None:
                return code
            if not isinstance(end, BufferedSocket) or not end.pending():
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_publish(self) -> MQTTErrorCode:
        heard = heard_of(self._in_packet["command"], bytes(self._in_packet["packet"]))
        on_message: Any = self.on_message
        if heard is None or on_message is None or not self._manual_ack:
            return super()._handle_publish()
        with self._in_callback_mutex:
            on_message(self, self._userdata, heard)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        plain = len(packet) == 2 or (len(packet) == 3 and packet[2] in (0, _NO_SUBSCRIBER))
        if cmd != "PUBACK" or not plain:
            return super()._handle_pubackcomp(cmd)
        mid = packet[0] << 8 | packet[1]
        with self._out_message_mutex:
            if mid in self._out_messages:
                return self._do_on_publish(mid, _TAKEN, _NOTHING)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _packet_queue(
        self,
        command: int,
        packet: bytes | bytearray,
        mid: int,
        qos: int,
        info: MQTTMessageInfo | None = None,
    ) -> MQTTErrorCode:
        wake = self._sockpairW
        if self._thread is None or wake is None or self.on_socket_register_write is not None:
            return super()._packet_queue(command, packet, mid, qos, info)
        self._out_packet.append(
            {
                "command": command,
                "mid": mid,
                "qos": qos,
                "pos": 0,
                "to_process": len(packet),
                "packet": packet,
                "info": info,
            }
        )
        # Behind another one that has not left yet, the network thread finds it without being told:
        # a byte for each of two thousand would give the interpreter away as often.
        if len(self._out_packet) == 1:
            with contextlib.suppress(BlockingIOError):
                wake.send(b"0")
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _update_inflight(self) -> MQTTErrorCode:
        if len(self._out_messages) <= self._inflight_messages:
            # Nothing waits for a place: paho would go through all that are on their way to see it.
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super()._update_inflight()


def heard_of(command: int, packet: bytes) -> Heard | None:
    """The message in a PUBLISH of MQTT 5; None where it has properties other than an expiry, is to
    be delivered exactly once, or is none.

    Parameters
    ----------
    command : int
        The first byte of the packet.
    packet : bytes
        What follows its length.
    """
    qos = command >> 1 & 3
    at = 2 + int.from_bytes(packet[:2], "big")
    mid = int.from_bytes(packet[at : at + 2], "big") if qos else 0
    begin = at + 2 if qos else at
    if qos > 1 or at == 2 or begin >= len(packet):
        return None
    if packet[begin : begin + 2] == _EXPIRY_ALONE and begin + 6 <= len(packet):
        begin += 5
    elif packet[begin] != 0:
        return None
    try:
        topic = packet[2:at].decode()
    except UnicodeDecodeError:
        return None
    return Heard(mid, topic, packet[begin + 1 :], qos, bool(command & 1))
