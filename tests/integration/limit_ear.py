"""Hears all setpoints of a measurement: ``python -m tests.integration.limit_ear PORT``.

A process that does nothing else, so that neither the piles' answers nor their measurements hold up
the instant at which a setpoint is noted. It tells what it hears on standard output.
"""

from __future__ import annotations

import sys
import time
from collections import deque

from adapters.wire import outbound as o
from adapters.wire.outside import decode_out
from tests.integration.field import SITE, Peer

_TURN_S = 0.01

_HAND_OVER_S = 0.0001


class Subscriber(Peer):
    """Notes what arrives, and when."""

    def __init__(self, port: int) -> None:
        self.arrived: deque[tuple[float, str, bytes]] = deque()
        super().__init__(port, "subscriber", ("pile/+/setpoint", "floor/+"))

    def on_message(self, topic: str, payload: bytes) -> None:
        self.arrived.append((time.monotonic(), topic, payload))
        self.heard.clear()


def main(port: int) -> None:
    """Tell without end."""
    sys.setswitchinterval(_HAND_OVER_S)
    subscriber = Subscriber(port)
    print("listens", flush=True)
    while True:
        time.sleep(_TURN_S)
        lines = []
        while subscriber.arrived:
            at_s, topic, payload = subscriber.arrived.popleft()
            if "/floor/" in topic:
                lines.append(f"floor {at_s!r} {topic.rpartition('/')[2]} 0")
                continue
            body, (pile,) = decode_out(SITE, topic, payload)
            assert isinstance(body, o.Setpoint)
            lines.append(f"setpoint {at_s!r} {pile} {body.power_kw!r} {body.epoch} {body.seq}")
        if lines:
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
