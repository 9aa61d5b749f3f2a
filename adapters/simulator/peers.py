"""Many MQTT clients in one event loop: a connection for each pile, and one for each role."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from adapters.config_mqtt import MqttSettings
from adapters.wire import Publish
from models.errors import ValleyfillError

CONNECT_S = 20.0
IN_FLIGHT = 1000
_HOUSEKEEPING_S = 5.0


class PeerError(ValleyfillError):
    """A connection of the virtual depot could not be made, or was lost."""

    code = "peer"


class Heard(NamedTuple):
    """A message that reached one of the peers."""

    peer: str
    topic: str
    payload: bytes


class Peers:
    """Clients by name, all served by :meth:`pump`.

    Parameters
    ----------
    settings : MqttSettings
        Where the broker is.
    prefix : str
        Of every client id.
    login : callable, optional
        User and password of a peer by its name.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        prefix: str,
        login: Callable[[str], tuple[str, str]] | None = None,
    ) -> None:
        self._settings = settings
        self._prefix = prefix
        self._login = login
        self._clients: dict[str, Client] = {}
        self._wanted: dict[str, tuple[str, ...]] = {}
        self._ready: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._blocked: set[str] = set()
        self._housekeeping_s = time.monotonic()
        self._lost = ""
        self._closing = False
        self.unacknowledged = 0
        self.heard: deque[Heard] = deque()

    def open(self, name: str, *filters: str) -> None:
        """Connect a peer; it hears what matches the filters."""
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{self._prefix}-{name.replace(' ', '-')}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            userdata=name,
        )
        settings = self._settings
        if self._login is not None:
            client.username_pw_set(*self._login(name))
        if settings.tls:
            client.tls_set(ca_certs=settings.ca_file)
        client.max_inflight_messages = IN_FLIGHT
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        self._clients[name] = client
        self._wanted[name] = filters
        client.connect(settings.host, settings.port, keepalive=60)
        sock = client.socket()
        if sock is None:
            raise PeerError("has no connection", where=name)
        # Small packets leave at once: a step waits for many of them one after the other.
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ, name)

    def await_all(self) -> None:
        """Until every peer is connected and subscribed."""
        end = time.monotonic() + CONNECT_S
        while len(self._ready) < len(self._clients):
            if time.monotonic() > end:
                missing = sorted(set(self._clients) - self._ready)
                raise PeerError(
                    f"{len(missing)} of {len(self._clients)} connections do not stand after "
                    f"{CONNECT_S:g} s",
                    where=", ".join(missing[:3]),
                )
            self.pump(0.1)

    def publish(self, name: str, publish: Publish, *, qos: int | None = None) -> None:
        """A peer says something; at QoS 1 the broker's answer is counted."""
        level = publish.qos if qos is None else qos
        client = self._clients[name]
        info = client.publish(publish.topic, publish.payload, level, publish.retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise PeerError(f"cannot publish: {info.rc.name}", where=name)
        self.unacknowledged += level > 0
        if client.want_write():
            self._blocked.add(name)

    def flush(self, timeout_s: float) -> None:
        """Until the broker has taken everything that was said at QoS 1."""
        end = time.monotonic() + timeout_s
        while self.unacknowledged:
            if time.monotonic() > end:
                raise PeerError(f"the broker has not taken {self.unacknowledged} messages")
            self.pump(0.05)

    def pump(self, timeout_s: float) -> None:
        """Serve the sockets once; messages land in ``heard``."""
        for name in list(self._blocked):
            self._write(name)
        wait = 0.001 if self._blocked else timeout_s
        for key, _ in self._selector.select(wait):
            name = key.data
            client = self._clients[name]
            client.loop_read()
            if client.want_write():
                self._write(name)
        if time.monotonic() - self._housekeeping_s > _HOUSEKEEPING_S:
            self._housekeeping_s = time.monotonic()
            for client in self._clients.values():
                client.loop_misc()
        if self._lost and not self._closing:
            raise PeerError(self._lost, fix="look at the broker's log")

    def _write(self, name: str) -> None:
        client = self._clients[name]
        client.loop_write()
        if client.want_write():
            self._blocked.add(name)
        else:
            self._blocked.discard(name)

    def close(self) -> None:
        """Say goodbye."""
        self._closing = True
        for client in self._clients.values():
            client.disconnect()
        self._selector.close()

    def _on_connect(self, client: Client, name: str, _flags: Any, code: Any, _props: Any) -> None:
        if code.is_failure:
            self._lost = f"{name}: the broker refuses: {code}"
            return
        filters = self._wanted[name]
        if filters:
            client.subscribe([(f, 1) for f in filters])
        else:
            self._ready.add(name)

    def _on_subscribe(self, _client: Client, name: str, _mid: int, codes: Any, _props: Any) -> None:
        refused = [str(c) for c in codes if c.is_failure]
        if refused:
            self._lost = f"{name}: the broker refuses a subscription: {refused[0]}"
        self._ready.add(name)

    def _on_disconnect(
        self, _client: Client, name: str, _flags: Any, code: Any, _props: Any
    ) -> None:
        if not self._closing:
            self._lost = f"{name}: connection lost: {code}"

    def _on_publish(self, _client: Client, name: str, _mid: int, code: Any, _props: Any) -> None:
        self.unacknowledged -= 1
        if code.is_failure and code.value != _NOBODY_LISTENS:
            self._lost = f"{name}: the broker refuses a message: {code}"

    def _on_message(self, _client: Client, name: str, message: MQTTMessage) -> None:
        self.heard.append(Heard(name, message.topic, bytes(message.payload)))


_NOBODY_LISTENS = 0x10
"""MQTT 5 reason code: no matching subscribers, which is no failure."""
