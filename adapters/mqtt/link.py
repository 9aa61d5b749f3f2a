"""One connection to the broker, kept up by a thread of its own.

Every connection is a new paho client: what an old one had in flight would be sent again when it
came back, and a setpoint that waited out a broken connection must never be spoken. Callbacks
put into the inbox and do nothing else; an exception in one would end paho's network thread
while it still calls itself connected, so all are caught, and life is proved by a message that
the connection sends to itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.config_mqtt import MqttSettings
from adapters.inbox import Inbox, LinkDown, LinkUp, Message, OtherAlive
from adapters.mqtt.acks import AckOrder
from adapters.mqtt.buffered import BufferedClient, Heard, Packed
from adapters.mqtt.echo import Echo
from adapters.wire import Publish
from adapters.wire.topics import Lane

log = logging.getLogger("valleyfill.mqtt")

RECEIVE_MAXIMUM = 65_535
SESSION_EXPIRY_S = 3_600
TAKEN_OVER = 142
_USUAL_WINDOW = 20
_WIDEST_WINDOW = 5_000
_LOOK_S = 0.001
_FAST_RETRY_S = (0.1, 1.0)
_REFUSED_RETRY_S = (2.0, 60.0)


@dataclass(frozen=True)
class Will:
    """What the broker says when the connection is lost without a goodbye."""

    topic: str
    payload: bytes


def _properties(kind: int) -> Any:
    return Properties(kind)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=16)
def _expiring(expiry_s: int) -> Any:
    """Properties of a message that expires; the same for every setpoint, and slow to build."""
    properties = _properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = expiry_s
    return Packed(properties)


def _user_properties(message: MQTTMessage | Heard) -> tuple[tuple[str, str], ...]:
    """The user properties, of which signatures need two."""
    found = getattr(message.properties, "UserProperty", None)
    return tuple(found)[:8] if found else ()


class Link:
    """One connection, one lane.

    Parameters
    ----------
    settings : MqttSettings
        Where the broker is.
    client_id : str
        Unique in the broker; the same again after a restart, so that it keeps what it promised.
    lane : Lane
        Which lane of the inbox its messages go to.
    filters : tuple of str
        Subscriptions, QoS 1.
    echo_topic : str
        Topic for the message to itself.
    instance : str
        Ours; another daemon of the site has another one.
    inbox : Inbox
        Where messages go.
    will : Will, optional
        Last will, retained.
    direct : callable, optional
        Sees each message first, in paho's thread; True: it is taken and does not go on.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        lane: Lane,
        filters: tuple[str, ...],
        echo_topic: str,
        instance: str,
        inbox: Inbox,
        will: Will | None = None,
        direct: Callable[[Message], bool] | None = None,
    ) -> None:
        self.lane: Lane = lane
        self._settings = settings
        self._client_id = client_id
        self._filters = filters
        self._echo_topic = echo_topic
        self._echo = Echo(instance)
        self._inbox = inbox
        self._will = will
        self._direct = direct
        self._client: Client | None = None
        self._up = threading.Event()
        self._lost = threading.Event()
        self._stopping = threading.Event()
        self._refused = False
        self._window = _USUAL_WINDOW
        self._offered_window = _USUAL_WINDOW
        self._taken_over = False
        self._acks = AckOrder()
        self._thread = threading.Thread(target=self._keep, name=f"link-{lane}", daemon=True)

    def start(self) -> None:
        """Connect, and stay connected until :meth:`stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye to the broker; the last will is not spoken."""
        self._stopping.set()
        self._lost.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    @property
    def is_up(self) -> bool:
        """Whether the connection stands and its subscriptions were sent."""
        return self._up.is_set()

    @property
    def alive(self) -> bool:
        """Down and known to be down, or up with a message to itself heard lately."""
        if not self._thread.is_alive():
            return False
        return not self.is_up or not self._echo.lost(patience_s=5.0)

    def publish(self, publish: Publish) -> bool:
        """Send, if the connection stands; nothing waits for one that does not.

        Returns
        -------
        bool
            False: not sent.
        """
        client = self._client
        if client is None or not self._up.is_set():
            return False
        properties = None if publish.expiry_s is None else _expiring(publish.expiry_s)
        info = client.publish(
            publish.topic, publish.payload, publish.qos, publish.retain, properties
        )
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def flush(self, timeout_s: float) -> None:
        """Leave the interpreter to the network thread until it has sent everything, or so long."""
        client, end_s = self._client, time.monotonic() + timeout_s
        while client is not None and client.want_write() and time.monotonic() < end_s:
            time.sleep(_LOOK_S)

    def barrier(self, timeout_s: float) -> bool:
        """Send a message to ourselves and wait for it.

        When it is back, everything that the broker had taken for this connection before is in
        the inbox.
        """
        token, back = self._echo.ask()
        try:
            if not self.publish(Publish(self._echo_topic, token, 1, retain=False)):
                return False
            return back.wait(timeout_s)
        finally:
            self._echo.forget(token)

    def ack(self, message: Message) -> None:
        """Acknowledge a message to the broker, if it came on this very connection."""
        if message.qos:
            self._acknowledge(message.mid, message.generation)

    def _acknowledge(self, mid: int, generation: int) -> None:
        client = self._client
        if client is not None:
            self._acks.done(mid, generation, lambda first: client.ack(first, 1))

    def _keep(self) -> None:
        wait_s = 0.0
        while not self._stopping.is_set() and not self._taken_over:
            if wait_s:
                self._stopping.wait(wait_s)
                if self._stopping.is_set():
                    break
            self._lost.clear()
            self._refused = False
            was_up, window = False, self._window
            try:
                was_up = self._one_connection()
            except Exception as problem:
                log.warning("%s: no connection: %s", self.lane, problem)
            if self._window != window:
                # The broker was there and takes more at once: nothing to wait for.
                wait_s = 0.0
                continue
            first, most = _REFUSED_RETRY_S if self._refused else _FAST_RETRY_S
            wait_s = first if was_up else min(max(wait_s * 2, first), most)

    def _one_connection(self) -> bool:
        """One connection from its beginning to its end; whether it stood."""
        client = self._new_client(self._acks.begin())
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        settings = self._settings
        client.connect(
            settings.host,
            settings.port,
            keepalive=settings.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        self._client = client
        self._echo.begin()
        client.loop_start()
        try:
            while not self._lost.wait(0.5):
                self._prove_life()
        finally:
            stood = self._up.is_set()
            self._up.clear()
            self._client = None
            client.disconnect()
            client.loop_stop()
        if self._offered_window != self._window:
            self._window = self._offered_window
            return True
        return stood

    def _new_client(self, generation: int) -> Client:
        client = BufferedClient(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        settings = self._settings
        if settings.username:
            client.username_pw_set(settings.username, settings.password())
        if settings.tls:
            client.tls_set(
                ca_certs=settings.ca_file, certfile=settings.cert_file, keyfile=settings.key_file
            )
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        client.max_inflight_messages = self._window
        client.connect_timeout = 5.0
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = lambda _c, _u, m: self._on_message(m, generation)
        return client

    def _prove_life(self) -> None:
        if self._echo.lost():
            if self._up.is_set():
                log.error("%s: its own message did not come back", self.lane)
                self._inbox.put_fact(LinkDown(self.lane, "its own message did not come back"))
            self._lost.set()
        elif self._up.is_set() and self._echo.due():
            self.publish(Publish(self._echo_topic, self._echo.word, 0, retain=False))

    def _on_connect(
        self, client: Client, _user: object, _flags: object, code: Any, properties: Any
    ) -> None:
        try:
            if code.is_failure:
                self._refused = True
                log.warning("%s: the broker refuses: %s", self.lane, code)
                self._lost.set()
                return
            offered = int(getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM))
            self._offered_window = min(offered, _WIDEST_WINDOW)
            if self._offered_window != self._window:
                # paho takes the width of its window before it connects only: once more, wider.
                self._lost.set()
                return
            options = SubscribeOptions(qos=1)
            wanted = [(f, options) for f in (*self._filters, self._echo_topic)]
            client.subscribe(wanted)
        except Exception:
            log.exception("%s: on connect", self.lane)
            self._lost.set()

    def _on_subscribe(
        self, _client: Client, _user: object, _mid: int, codes: Any, _properties: Any
    ) -> None:
        try:
            if any(code.is_failure for code in codes):
                log.error("%s: the broker refuses a subscription", self.lane)
                self._refused = True
                self._lost.set()
                return
            self._echo.begin()
            self._up.set()
            self._inbox.put_fact(LinkUp(self.lane))
        except Exception:
            log.exception("%s: on subscribe", self.lane)

    def _on_disconnect(
        self, _client: Client, _user: object, _flags: object, code: Any, _properties: Any
    ) -> None:
        try:
            self._up.clear()
            if not self._stopping.is_set() and self._offered_window == self._window:
                taken = getattr(code, "value", 0) == TAKEN_OVER
                self._taken_over = self._taken_over or taken
                self._inbox.put_fact(LinkDown(self.lane, str(code), taken_over=taken))
            self._lost.set()
        except Exception:
            log.exception("%s: on disconnect", self.lane)

    def _on_message(self, message: MQTTMessage | Heard, generation: int) -> None:
        try:
            if message.qos:
                self._acks.came(message.mid)
            if message.topic == self._echo_topic:
                other = self._echo.hear(bytes(message.payload))
                if other is not None:
                    self._inbox.put_fact(OtherAlive(other))
                if message.qos:
                    self._acknowledge(message.mid, generation)
                return
            taken = Message(
                message.topic,
                bytes(message.payload),
                message.qos,
                message.mid,
                self.lane,
                generation,
                bool(message.retain),
                _user_properties(message),
            )
            if self._direct is not None and self._direct(taken):
                return
            self._inbox.put(taken)
            if self.lane == "telemetry":
                # Nothing is promised about a measurement: the next one says it again.
                self.ack(taken)
        except Exception:
            # A topic that is no UTF-8 raises here: the message is dropped and the thread lives.
            log.exception("%s: on message", self.lane)
            if message.qos:
                self._acknowledge(message.mid, generation)
