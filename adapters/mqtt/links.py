"""The three connections of a daemon: limits, field messages, telemetry."""

from __future__ import annotations

from collections.abc import Callable

from adapters.config_mqtt import MqttSettings
from adapters.inbox import Inbox, Message, StatusHeard
from adapters.mqtt.link import Link, Will
from adapters.wire import Publish, root_of
from adapters.wire.topics import INBOUND, LOCKSTEP_IN, Lane, filter_of

LANES: tuple[Lane, ...] = ("control", "field", "telemetry")


class Links:
    """A connection for each lane. Everything is published on the first, which is never busy.

    Parameters
    ----------
    settings : MqttSettings
        Where the broker is.
    site : str
        Id of the site.
    instance : str
        Of our store, told to everybody.
    client : str
        Of our store, told to nobody: the client ids are the same again after a restart, and
        nobody else can take our sessions over.
    inbox : Inbox
        Where messages go.
    will : bytes
        Body of the last will on ``status``.
    lockstep : bool
        Whether ``sim/time`` is read.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        site: str,
        instance: str,
        client: str,
        inbox: Inbox,
        will: bytes,
        lockstep: bool,
    ) -> None:
        root = root_of(site)
        self._inbox = inbox
        self._status = root + "status"
        topics = (*INBOUND, LOCKSTEP_IN) if lockstep else INBOUND
        self._links: dict[Lane, Link] = {}
        for lane in LANES:
            filters = tuple(root + filter_of(t.pattern) for t in topics if t.lane == lane)
            direct: Callable[[Message], bool] | None = None
            if lane == "control":
                filters = (*filters, self._status)
                direct = self._own_status
            self._links[lane] = Link(
                settings,
                client_id=f"valleyfill-{site}-{client}-{lane}",
                lane=lane,
                filters=filters,
                echo_topic=f"{root}echo/{lane}",
                instance=instance,
                inbox=inbox,
                will=Will(self._status, will) if lane == "control" else None,
                direct=direct,
            )

    def _own_status(self, message: Message) -> bool:
        if message.topic != self._status:
            return False
        self._inbox.put_fact(StatusHeard(message.payload, message.retained))
        self._links["control"].ack(message)
        return True

    def start(self) -> None:
        """Connect all."""
        for link in self._links.values():
            link.start()

    def stop(self) -> None:
        """Say goodbye on all."""
        for link in self._links.values():
            link.stop()

    def publish(self, publish: Publish) -> bool:
        """Send on the control connection; False: it is down and nothing was sent."""
        return self._links["control"].publish(publish)

    def flush(self, timeout_s: float) -> None:
        """Wait until what was published has left, at most so long."""
        self._links["control"].flush(timeout_s)

    def ack(self, message: Message) -> None:
        """Acknowledge a message where it came from."""
        self._links[message.lane].ack(message)

    @property
    def up(self) -> bool:
        """Whether all connections stand."""
        return all(link.is_up for link in self._links.values())

    @property
    def hears(self) -> bool:
        """Whether telemetry can be heard."""
        return self._links["telemetry"].is_up

    @property
    def control_up(self) -> bool:
        """Whether setpoints can be sent."""
        return self._links["control"].is_up

    @property
    def alive(self) -> bool:
        """Whether every connection is down and known to be, or has heard itself lately."""
        return all(link.alive for link in self._links.values())

    def barrier_of(self, lane: Lane, timeout_s: float) -> bool:
        """Wait until all that the broker had taken for one connection is in the inbox."""
        return self._links[lane].barrier(timeout_s)

    def barrier(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that the broker had taken for us is in the inbox."""
        return all(link.barrier(timeout_s) for link in self._links.values())
