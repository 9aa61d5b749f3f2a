"""A broker from a wheel, on loopback: for the demo and for machines without Mosquitto.

rumqttd inside the package iotcore, in a process of its own. It checks nobody's identity, so it
listens on loopback only; Mosquitto serves production.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from models.errors import ValleyfillError

PAYLOAD_BYTES = 256 * 1024
CONNECTIONS = 10_010
START_S = 10.0

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = {connections}
max_outgoing_packet_count = 2000
max_segment_size = 104857600
max_segment_count = 10

[v5.site]
name = "site"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.site.connections]
connection_timeout_ms = 60000
max_payload_size = {payload}
max_inflight_count = 500
dynamic_filters = true
"""


class BrokerError(ValleyfillError):
    """The broker from the wheel cannot be started."""

    code = "broker"


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def wheel_broker(port: int | None = None) -> Iterator[int]:
    """Run the broker while the block runs.

    Parameters
    ----------
    port : int, optional
        A free one unless given.

    Yields
    ------
    int
        The port it listens on.

    Raises
    ------
    BrokerError
        If it does not listen within 10 s.
    """
    chosen = free_port() if port is None else port
    with tempfile.TemporaryDirectory(prefix="valleyfill-broker-") as folder:
        config = Path(folder) / "rumqttd.toml"
        config.write_text(
            _CONFIG.format(port=chosen, connections=CONNECTIONS, payload=PAYLOAD_BYTES),
            encoding="utf-8",
        )
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "ERROR"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            _await(process, chosen, log)
            yield chosen
        finally:
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5.0)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            said = log.read_text(errors="replace").strip().splitlines()
            raise BrokerError(
                f"it ended with code {process.returncode}: {said[-1] if said else 'no word'}",
                where="iotcore",
                fix="pip install 'valleyfill[demo]'",
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise BrokerError(f"it does not listen on port {port} within {START_S:g} s", where="iotcore")
