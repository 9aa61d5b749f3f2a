"""Telemetry without end: ``python -m tests.chaos.flood PORT TOPIC RATE SECONDS``.

Raw MQTT on a socket, since no client library in Python sends this fast beside everything else.
"""

from __future__ import annotations

import socket
import sys
import time

BODY = (
    b'{"epoch":1,"seq":%d,"issued_at":"2026-07-01T08:00:00Z","power_kw":1.0,"energy_kwh":1.0,'
    b'"status":"charging","vehicle":true}'
)


def _length(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = divmod(n, 128)
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def main() -> None:
    """Send, and tell the rate that was reached."""
    port, topic = int(sys.argv[1]), sys.argv[2].encode()
    rate, seconds = int(sys.argv[3]), float(sys.argv[4])
    with socket.create_connection(("127.0.0.1", port)) as end:
        head = _text(b"MQTT") + b"\x05\x02\x00\x3c\x00" + _text(b"flood")
        end.sendall(b"\x10" + _length(len(head)) + head)
        end.recv(1024)
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * rate) - sent
            chunk = bytearray()
            for k in range(min(due, 500)):
                body = _text(topic) + b"\x00" + BODY % (sent + k)
                chunk += b"\x30" + _length(len(body)) + body
            end.sendall(chunk)
            sent += min(due, 500)
            if due <= 0:
                time.sleep(0.001)
        print(int(sent / (time.monotonic() - began)))


if __name__ == "__main__":
    main()
