"""From the start of the daemon's process to the first setpoint that a pile hears."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from adapters.broker import wheel_broker
from adapters.config import SiteFile
from adapters.config_mqtt import MqttSettings
from adapters.config_writer import site_to_toml
from adapters.wire.inbound import PileBirth
from adapters.wire.outside import encode_in
from benchmarks.bench_site import bench_site
from models.errors import ValleyfillError

WAIT_S = 60.0
BIRTH_EVERY_S = 0.1


class StartError(ValleyfillError):
    """No setpoint came."""

    code = "start"


def daemon_figures(piles: int) -> dict[str, float]:
    """Start a daemon with a site of so many piles, and weigh it once a pile has its setpoint.

    The pile says that it was born every tenth of a second until it is answered, as one does
    whose site controller is starting.

    Returns
    -------
    dict
        ``start_to_first_setpoint_s``; ``control_process_mb`` and ``solving_process_mb`` of the
        running daemon, resident.
    """
    site = bench_site(piles)
    with wheel_broker() as port, tempfile.TemporaryDirectory(prefix="valleyfill-bench-") as folder:
        settings = MqttSettings(host="127.0.0.1", port=port, tls=False)
        path = Path(folder) / "site.toml"
        file = SiteFile(site=site, mqtt=settings, store_path=Path(folder) / "site.db")
        path.write_text(site_to_toml(file), encoding="utf-8")
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli", "run", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            first_s = _first_setpoint(settings, site.name, site.piles[0].id) - begun
            time.sleep(3.0)
            return {
                "start_to_first_setpoint_s": first_s,
                "daemon_control_mb": _resident_mb(process.pid),
                "daemon_solving_mb": sum(_resident_mb(p) for p in _children(process.pid)),
            }
        finally:
            process.terminate()
            process.wait(10.0)


def _first_setpoint(settings: MqttSettings, site: str, pile: str) -> float:
    heard = threading.Event()
    at: list[float] = []

    def on_message(client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        at.append(time.perf_counter())
        heard.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench", protocol=paho.MQTTv5)
    client.on_message = on_message
    client.connect(settings.host, settings.port)
    client.subscribe(f"valleyfill/v1/{site}/pile/{pile}/setpoint", qos=1)
    client.loop_start()
    try:
        end = time.perf_counter() + WAIT_S
        seq = 0
        while time.perf_counter() < end:
            seq += 1
            birth = PileBirth(epoch=1, seq=seq, issued_at=datetime.now(UTC))
            out = encode_in(site, birth, pile)
            client.publish(out.topic, out.payload, qos=out.qos)
            if heard.wait(BIRTH_EVERY_S):
                return at[0]
    finally:
        client.loop_stop()
        client.disconnect()
    raise StartError(f"no setpoint in {WAIT_S:g} s")


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children")
    direct = [int(c) for c in text.read_text().split()] if text.exists() else []
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            direct += [int(c) for c in (task / "children").read_text().split()]
    return direct + [g for c in direct for g in _children(c)]


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
