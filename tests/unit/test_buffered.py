"""The buffered client: paho uses it, bytes come through unchanged, and messages leave together."""

from __future__ import annotations

import random
import socket

import pytest
from paho.mqtt import _packet
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from adapters.mqtt.buffered import (
    PIECE_BYTES,
    BufferedClient,
    BufferedSocket,
    Packed,
    heard_of,
)


class _Wire:
    """A connection that counts its calls and takes so many bytes at once."""

    def __init__(self, at_once: int = 1 << 20) -> None:
        self.held = bytearray()
        self.at_once = at_once
        self.sends = self.reads = 0
        self.into: list[memoryview] = []
        self.stuck = False

    def send(self, data: bytes) -> int:
        self.sends += 1
        if self.stuck:
            raise BlockingIOError
        self.held += data[: self.at_once]
        return len(data[: self.at_once])

    def recv_into(self, buffer: memoryview) -> int:
        self.reads += 1
        self.into.append(buffer)
        come = min(len(buffer), len(self.held))
        buffer[:come] = self.held[:come]
        del self.held[:come]
        return come


def _write(out: BufferedSocket, packets: list[bytes], left: list[bytes]) -> None:
    """As paho does: every packet by itself, the rest of one that was taken in part once more."""
    left.extend(packets)
    while left:
        packet = left.pop(0)
        try:
            taken = out.send(packet)
        except BlockingIOError:
            left.insert(0, packet)
            continue
        if taken < len(packet):
            left.insert(0, packet[taken:])


def test_bytes_come_through_whatever_the_system_takes_at_once() -> None:
    chance = random.Random(7)
    for at_once in (1, 3, 50, 1 << 20):
        wire, left = _Wire(at_once), list[bytes]()
        packets = [chance.randbytes(chance.randrange(1, 90)) for _ in range(40)]
        _write(BufferedSocket(wire, lambda left=left: bool(left)), packets, left)  # type: ignore[misc]
        heard = BufferedSocket(wire, lambda: False)
        read = b""
        while piece := heard.recv(chance.randrange(1, 20)):
            read += piece
        assert read == b"".join(packets)


def test_messages_that_leave_together_leave_in_one_call() -> None:
    wire, left = _Wire(), list[bytes]()
    _write(BufferedSocket(wire, lambda: bool(left)), [b"a" * 60] * 600, left)
    assert wire.sends <= 1 + 600 * 60 // PIECE_BYTES
    heard = BufferedSocket(wire, lambda: False)
    assert b"".join(heard.recv(1) for _ in range(3_000)) == b"a" * 3_000
    assert wire.reads == 1
    assert heard.pending() == 33_000


def test_every_read_goes_into_one_buffer() -> None:
    wire = _Wire()
    heard = BufferedSocket(wire, lambda: False)
    for piece in (b"one", b"two", b"three"):
        wire.held += piece
        assert heard.recv(PIECE_BYTES) == piece
    assert wire.reads == 3
    assert all(buffer is wire.into[0] for buffer in wire.into)


def test_nothing_is_taken_that_the_system_does_not_take() -> None:
    wire, left = _Wire(), [b"next"]
    out = BufferedSocket(wire, lambda: bool(left))
    assert out.send(b"first ") == 6
    left.clear()
    wire.stuck = True
    with pytest.raises(BlockingIOError):
        out.send(b"next")
    wire.stuck = False
    assert out.send(b"next") == 4
    assert wire.held == b"first next"


def test_paho_makes_its_connections_through_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = BufferedClient(CallbackAPIVersion.VERSION2, client_id="c")
        client.connect("127.0.0.1", server.getsockname()[1])
        assert isinstance(client.socket(), BufferedSocket)
        client.disconnect()


def _publish(topic: bytes, payload: bytes, qos: int, **said: object) -> bytes:
    """A PUBLISH of MQTT 5 after its length, as a broker writes it."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in said.items():
        setattr(properties, name, value)
    mid = (4711).to_bytes(2, "big") if qos else b""
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
    return len(topic).to_bytes(2, "big") + topic + mid + packed + payload


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("said", [{}, {"MessageExpiryInterval": 7}])
@pytest.mark.parametrize("payload", [b"", b'{"seq":1}', b"\x05\x02"])
def test_a_plain_message_is_read_as_paho_reads_it(
    qos: int, said: dict[str, object], payload: bytes
) -> None:
    packet = _publish("站/pile/P-1/telemetry".encode(), payload, qos, **said)
    command = 0x30 | qos << 1 | 1
    theirs = _packet.decode_publish(command, packet, MQTTProtocolVersion.MQTTv5)
    mine = heard_of(command, packet)
    assert mine is not None
    assert (mine.mid, mine.topic.encode(), mine.payload) == (
        theirs.mid,
        theirs.topic,
        theirs.payload,
    )
    assert (mine.qos, mine.retain) == (theirs.qos, theirs.retain)


def test_what_is_not_plain_is_left_to_paho() -> None:
    topic = b"a/b"
    assert heard_of(0x32, _publish(topic, b"x", 1, UserProperty=("key", "1"))) is None
    assert heard_of(0x32, _publish(topic, b"x", 1, ContentType="abc")) is None
    assert heard_of(0x34, _publish(topic, b"x", 1)) is None
    assert heard_of(0x32, _publish(b"\xff\xfe", b"x", 1)) is None
    assert heard_of(0x32, _publish(b"", b"x", 1)) is None
    whole = _publish(topic, b"", 1, MessageExpiryInterval=7)
    for size in range(len(whole)):
        assert heard_of(0x32, whole[:size]) is None


def test_properties_are_packed_once_as_paho_packs_them() -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = 5
    assert Packed(properties).pack() == properties.pack()  # type: ignore[no-untyped-call]
