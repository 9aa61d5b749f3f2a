"""What ships in deploy/: the unit, the broker's configuration with its ACL, the compose file."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from adapters.store.schema import names_of, open_store
from adapters.wire.topics import INBOUND, OUTBOUND
from tests.integration.field import free_port, until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "valleyfill@.service"
DATA = Path(__file__).parent / "data"
SITE = "valleyfill/v1/depot-1"


# --- systemd ---------------------------------------------------------------------------------


def verify_unit(text: str, where: Path) -> subprocess.CompletedProcess[str]:
    file = where / "valleyfill@depot-1.service"
    file.write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    done = verify_unit(UNIT.read_text(), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    broken = verify_unit(UNIT.read_text().replace("/usr/bin/env", "/usr/bin/no-such"), tmp_path)
    assert broken.returncode != 0


def test_the_unit_is_watched_and_does_not_restart_a_wrong_configuration() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) <= 30
    assert service["RestartPreventExitStatus"] == "78"
    assert service["Restart"] == "always"
    assert "valleyfill run /etc/valleyfill/%i.toml" in service["ExecStart"]


def test_the_service_speaks_to_the_socket_that_systemd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from adapters.notify import notify, watchdog_period_s

    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as fake:
        fake.bind(str(address))
        fake.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        assert notify("READY=1", "STATUS=online")
        assert fake.recv(1024).split(b"\n") == [b"READY=1", b"STATUS=online"]
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert watchdog_period_s() == 10.0, "twice as often as systemd asks"
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not notify("READY=1")


# --- compose ---------------------------------------------------------------------------------


def test_the_compose_file_follows_the_schema_and_says_it_was_not_run() -> None:
    schema = json.loads((DATA / "compose_spec.json").read_text())
    text = (DEPLOY / "compose.yaml").read_text()
    compose = yaml.safe_load(text)
    validator = jsonschema.Draft201909Validator(schema)
    validator.validate(compose)
    assert "not yet run" in text.splitlines()[0]
    broken = {**compose, "services": {"daemon": {**compose["services"]["daemon"], "restrat": "x"}}}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(broken)


def test_everything_the_image_needs_is_copied_into_it() -> None:
    docker = (DEPLOY / "Dockerfile").read_text()
    for package in ("models", "tariffs", "scheduler", "adapters", "benchmarks"):
        assert f"COPY {package} {package}" in docker


# --- Mosquitto: TLS and one ACL row per role --------------------------------------------------

ROLES = ("daemon", "grid", "aggregator", "retailer", "operator", "forecaster", "viewer")
PILE, ASSET, METER = "pile/A-01", "asset/bess", "node/transformer"
USERS = (*(f"depot-1/{who}" for who in (*ROLES, PILE, ASSET, METER)), "depot-2/pile/A-01")
SENDER = {"pile": PILE, "meter": METER, "asset": ASSET}


def make_certificates(where: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=where, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for ca in ("ca", "other-ca"):
        subject = ("-subj", f"/CN=valleyfill {ca}", "-days", "2")
        openssl("req", "-x509", *curve, *subject, "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    openssl("req", "-new", *curve, *name, "-keyout", "server.key", "-out", "server.csr")
    (where / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem"),
    )


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Debian's Mosquitto with the shipped configuration, moved to a folder and a free port."""
    if not (shutil.which("mosquitto") and shutil.which("openssl")):
        pytest.skip("mosquitto or openssl is not installed")
    where = tmp_path_factory.mktemp("broker")
    (where / "certs").mkdir()
    make_certificates(where / "certs")
    for user in USERS:
        flag = ["-b"] if (where / "passwords").exists() else ["-b", "-c"]
        command = ["mosquitto_passwd", *flag, str(where / "passwords"), user, f"secret of {user}"]
        subprocess.run(command, check=True, capture_output=True)
    shutil.copy(DEPLOY / "mosquitto" / "acl", where / "acl")
    port = free_port()
    text = (DEPLOY / "mosquitto" / "valleyfill.conf").read_text()
    text = text.replace("/etc/mosquitto", str(where)).replace("/var/lib/mosquitto", str(where))
    text = text.replace("listener 8883", f"listener {port} 127.0.0.1")
    if os.geteuid() == 0:
        text += "user root\n"
    (where / "test.conf").write_text(text)
    command = [shutil.which("mosquitto") or "", "-c", str(where / "test.conf")]
    with (where / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:

        def listens() -> bool:
            assert server.poll() is None, (where / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens, "the broker listens")
        yield SimpleNamespace(port=port, ca=where / "certs" / "ca.pem", certs=where / "certs")
    finally:
        server.terminate()
        server.wait(10)


class Client:
    """One MQTT 5 client over TLS that waits for every answer."""

    def __init__(self, broker: Any, user: str, *, password: str | None = None) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.tls_set(ca_certs=str(broker.ca))
        self.client.username_pw_set(user, password or f"secret of {user}")
        self.client.reconnect_delay_set(60, 60)
        self.connected: list[Any] = []
        self.answers: dict[int, Any] = {}
        self.heard: list[str] = []
        self.said: list[bytes] = []
        self.news = threading.Condition()
        self.client.on_connect = lambda *a: self._note(lambda: self.connected.append(a[3]))
        self.client.on_publish = lambda *a: self._note(lambda: self.answers.update({a[2]: a[3]}))
        self.client.on_subscribe = lambda *a: self._note(lambda: self.answers.update({a[2]: a[3]}))
        self.client.on_message = lambda *a: self._note(lambda: self._hear(a[2]))
        self.client.connect("localhost", broker.port)
        self.client.loop_start()
        self._until(lambda: bool(self.connected))

    def _note(self, what: Any) -> None:
        with self.news:
            what()
            self.news.notify_all()

    def _hear(self, message: Any) -> None:
        self.heard.append(message.topic)
        self.said.append(message.payload)

    def _until(self, done: Any, timeout_s: float = 60) -> None:
        with self.news:
            assert self.news.wait_for(done, timeout_s)

    def may_write(self, topic: str, body: bytes = b"{}") -> bool:
        mid = self.client.publish(topic, body, qos=1).mid
        self._until(lambda: mid in self.answers)
        return not self.answers[mid].is_failure

    def listen(self, topic: str) -> None:
        _, mid = self.client.subscribe(topic, qos=1)
        assert mid is not None
        self._until(lambda: mid in self.answers)

    def wait_for(self, topic: str) -> None:
        self._until(lambda: topic in self.heard)

    def wait_for_word(self, word: bytes) -> None:
        self._until(lambda: any(word in body for body in self.said))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def connect(broker: Any) -> Iterator[Any]:
    clients: list[Client] = []

    def make(user: str, **changes: Any) -> Client:
        clients.append(Client(broker, user, **changes))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def filled(pattern: str, ids: str) -> str:
    """A topic of a pattern: the sender's own branch where the pattern names it."""
    names = {"pile": "A-01", "asset": "bess", "node": "transformer"}
    for name in ("pile", "asset", "node", "limit", "session", "tariff", "series", "target", "zone"):
        pattern = pattern.replace("{" + name + "}", names.get(name, ids))
    return f"{SITE}/{pattern}".replace("{kind}", "late").replace("{event}", "dr-1")


@pytest.mark.broker
def test_each_role_may_say_what_the_contract_gives_it_and_nothing_else(connect: Any) -> None:
    clients = {user: connect(user) for user in USERS}
    allowed = {
        "tariff/{tariff}": {"depot-1/grid", "depot-1/retailer"},
        "grid/event/{event}": {"depot-1/grid", "depot-1/aggregator"},
    }
    for topic in INBOUND:
        sender = f"depot-1/{SENDER.get(topic.sender, topic.sender)}"
        may = allowed.get(topic.pattern, {sender})
        got = {u for u, c in clients.items() if c.may_write(filled(topic.pattern, "x-1"))}
        assert got == may, topic.pattern
    for answer in OUTBOUND:
        got = {u for u, c in clients.items() if c.may_write(filled(answer.pattern, "x-1"))}
        assert got == {"depot-1/daemon"}, answer.pattern


@pytest.mark.broker
def test_a_pile_writes_and_hears_its_own_branch_only(connect: Any) -> None:
    pile, daemon = connect(f"depot-1/{PILE}"), connect("depot-1/daemon")
    for topic in ("pile/A-02/telemetry", "pile/A-01/setpoint", "session/s-1/request", "plan"):
        assert not pile.may_write(f"{SITE}/{topic}"), topic
    assert not pile.may_write("valleyfill/v1/depot-2/pile/A-01/telemetry"), "a neighbour's branch"
    pile.listen(f"{SITE}/#")
    assert daemon.may_write(f"{SITE}/pile/A-02/setpoint")
    assert daemon.may_write(f"{SITE}/pile/A-02/status")
    assert daemon.may_write(f"{SITE}/pile/A-01/setpoint")
    assert daemon.may_write(f"{SITE}/pile/A-01/status")
    pile.wait_for(f"{SITE}/pile/A-01/status")
    assert pile.heard == [f"{SITE}/pile/A-01/setpoint", f"{SITE}/pile/A-01/status"]


@pytest.mark.broker
def test_a_viewer_hears_everything_and_says_nothing(connect: Any) -> None:
    viewer, daemon = connect("depot-1/viewer"), connect("depot-1/daemon")
    viewer.listen(f"{SITE}/#")
    assert daemon.may_write(f"{SITE}/plan")
    viewer.wait_for(f"{SITE}/plan")
    assert not viewer.may_write(f"{SITE}/override/A-01")


def said_from_outside(broker: Any, user: str | None, topic: str) -> str:
    """What Mosquitto's own command says to an attempt; empty: it was taken."""
    words = ["mosquitto_pub", "-V", "5", "-h", "localhost", "-p", str(broker.port), "-q", "1"]
    words += ["--cafile", str(broker.ca), "-t", topic, "-m", "{}"]
    if user is not None:
        words += ["-u", user, "-P", f"secret of {user}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or said, "refused without a word"
    return said


@pytest.mark.broker
@pytest.mark.skipif(not shutil.which("mosquitto_pub"), reason="mosquitto-clients not installed")
def test_tried_with_mosquitto_pub_nobody_speaks_for_another(broker: Any, connect: Any) -> None:
    viewer = connect("depot-1/viewer")
    viewer.listen(f"{SITE}/#")
    user = f"depot-1/{PILE}"
    for topic in ("pile/A-02/telemetry", "grid/limit/transformer/x", "emergency/depot-1"):
        assert "Not authorized" in said_from_outside(broker, user, f"{SITE}/{topic}"), topic
    other = "depot-2/pile/A-01"
    assert "Not authorized" in said_from_outside(broker, other, f"{SITE}/{PILE}/telemetry")
    assert "ot authori" in said_from_outside(broker, None, f"{SITE}/{PILE}/telemetry")
    assert said_from_outside(broker, user, f"{SITE}/{PILE}/telemetry") == ""
    viewer.wait_for(f"{SITE}/{PILE}/telemetry")
    assert viewer.heard == [f"{SITE}/{PILE}/telemetry"]


@pytest.mark.broker
def test_a_wrong_password_an_unknown_authority_and_plain_text_are_refused(broker: Any) -> None:
    wrong = Client(broker, "depot-1/operator", password="guess")
    assert wrong.connected[0].is_failure
    wrong.close()
    stranger = SimpleNamespace(port=broker.port, ca=broker.certs / "other-ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(stranger, "depot-1/operator")
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as plain:
        plain.sendall(b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x05plain")
        try:
            heard = plain.recv(64)
        except ConnectionResetError:
            heard = b""
    assert heard[:1] != b"\x20", "no CONNACK in plain text"


DEPOT = """
[site]
name = "depot-1"
timezone = "Asia/Shanghai"
currency = "CNY"
tariff = "zhejiang-2026"
base_load = "none"
walk_in = "refuse"

[nodes.transformer]
limit_kw = 100
heartbeat = "none"

[[assets]]
id = "A-01"
kind = "pile"
node = "transformer"
phases = [1]
volts = 220
max_a = 32
offline_kw = 0
response_s = 5

[store]
path = "{where}/depot-1.db"

[mqtt]
host = "localhost"
port = {port}
tls = true
ca_file = "{ca}"
username = "depot-1/daemon"
password_file = "{where}/password"
"""


@pytest.mark.broker
def test_the_daemon_runs_behind_this_configuration_and_answers_a_birth(
    broker: Any, connect: Any, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret of depot-1/daemon\n")
    site = tmp_path / "depot-1.toml"
    site.write_text(DEPOT.format(where=tmp_path, port=broker.port, ca=broker.ca))
    viewer, pile = connect("depot-1/viewer"), connect(f"depot-1/{PILE}")
    viewer.listen(f"{SITE}/#")
    pile.listen(f"{SITE}/{PILE}/setpoint")
    with (tmp_path / "log").open("w") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli", "run", str(site)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        # Before it hears on all of its connections a birth would be said to nobody.
        viewer.wait_for_word(b'"health":"ok"')
        body = {"epoch": 1, "seq": 1, "issued_at": datetime.now(UTC).isoformat()}
        assert pile.may_write(f"{SITE}/{PILE}/birth", json.dumps(body).encode())
        pile.wait_for(f"{SITE}/{PILE}/setpoint")
    finally:
        daemon.terminate()
        assert daemon.wait(30) == 0, (tmp_path / "log").read_text()
    # Who knows a client id is handed its session by the broker, whatever his role.
    client = names_of(open_store(tmp_path / "depot-1.db")).client.encode()
    assert not any(client in body for body in viewer.said)
