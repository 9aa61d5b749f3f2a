"""The first site in ten minutes, as it is written: the same file, the same commands."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from adapters.cli import main
from tests.integration.field import Broker, DaemonProcess, free_port, needs_broker, until
from tests.unit.test_docs import block

CLIENTS = shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub")

pytestmark = [
    needs_broker,
    pytest.mark.broker,
    pytest.mark.skipif(not CLIENTS, reason="mosquitto-clients is not installed"),
]


@pytest.mark.parametrize("page", ["first-site.md", "first-site.zh.md"])
def test_the_first_vehicle_is_told_its_setpoint_and_why(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = Broker(tmp_path)
    broker.start()
    text = block(page, "site.toml").replace("1883", str(broker.port))
    site = tmp_path / "site.toml"
    site.write_text(
        text.replace("8080", str(free_port())) + f'\n[store]\npath = "{tmp_path / "depot-1.db"}"\n',
        encoding="utf-8",
    )
    daemon = DaemonProcess(site, tmp_path)
    heard = tmp_path / "heard.txt"
    said = block(page, "a vehicle").replace("mosquitto_pub", f"mosquitto_pub -p {broker.port}")
    said = said.replace("mosquitto_sub -v -W 15", f"mosquitto_sub -v -W 120 -p {broker.port}")
    listening = None
    try:
        daemon.start()
        until(lambda: "runs under epoch" in daemon.log.read_text(), "the daemon runs")
        with heard.open("w") as file:
            listening = subprocess.Popen(
                ["bash", "-c", f"exec 2>&1\n{said}"], stdout=file, start_new_session=True
            )

        def told(words: str) -> bool:
            return re.search(words, heard.read_text(encoding="utf-8")) is not None

        until(lambda: told(r'/session/s1/status {.*"why":"[^"]'), "the session is told why")
        until(lambda: told("/pile/A-01/setpoint {"), "the pile is told its setpoint")
        assert not told('"state":"rejected"')
        # The session's status and its pile's setpoint are told before their plan is on disk, and
        # the state that explains is there before the plan's own step.
        asked = ["replay", "0", "--site", str(site), "--what-if", "limit=100"]
        until(lambda: main(asked) == 0, "the plan's step is in the store")
        assert "byte for byte" in capsys.readouterr().err
        assert main(["explain", "s1", "--site", str(site), "--lang", "en"]) == 0
        assert capsys.readouterr().out.strip()
    finally:
        if listening is not None:
            os.killpg(listening.pid, signal.SIGKILL)
            listening.wait()
        if daemon.process is not None:
            daemon.kill()
        broker.kill()
