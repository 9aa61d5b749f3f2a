"""How the daemon stands while it runs: what does not work, and who is told when that changes."""

from __future__ import annotations

import logging
from datetime import datetime

from adapters import health
from adapters.clock import Clock
from adapters.config import SiteFile
from adapters.host import Host
from adapters.mqtt.links import Links
from adapters.presence import Presence
from adapters.store.writer import Writer
from adapters.wire.encode import publish_of
from scheduler.effects import Alert

log = logging.getLogger("valleyfill.daemon")


class Standing:
    """The health of one daemon, and its word on ``status``.

    Parameters
    ----------
    file : SiteFile
        Names the site and its store.
    links : Links
        Asked whether the broker is there; what is to be told leaves on them.
    writer : Writer
        Asked whether the store can be written.
    presence : Presence
        Under which epoch we speak.
    clock : Clock
        Stamps the alerts.
    """

    def __init__(
        self, file: SiteFile, links: Links, writer: Writer, presence: Presence, clock: Clock
    ) -> None:
        self.health = health.Health()
        self._file, self._clock = file, clock
        self._links, self._writer, self._presence = links, writer, presence
        self._store_reason = ""
        self._away_since: datetime | None = None
        self._alerts: dict[str, datetime] = {}

    @property
    def lacks(self) -> tuple[str, ...]:
        """What is missing for service: the broker, the store."""
        broker = () if self._links.control_up else ("broker",)
        store = ("store",) if self._store_reason else ()
        return (*broker, *store)

    def say(self) -> None:
        """Say who we are and how we are."""
        status = health.online(self.health, self._presence.instance, self._presence.epoch)
        self._links.publish(publish_of(self._file.site.name, status))

    def look(self, host: Host | None) -> None:
        """Look at everything, and tell when it is no longer as it was."""
        found = health.look(
            None if host is None else host.state,
            store=not self._store_reason and self._writer.healthy,
            broker=self._links.up,
        )
        before, self.health = self.health, found
        if found == before:
            return
        self.say()
        log.warning("health", extra={"degraded": found.degraded})
        if ("store" in found.degraded) != ("store" in before.degraded) and host is not None:
            path = str(self._file.store_path)
            self._tell(host, health.store_alert(path, self._store_reason, self._clock.now()))

    def heed(self, host: Host) -> None:
        """Look again where the engine has raised or cleared an alert."""
        if host.state.alerts is not self._alerts:
            self._alerts = host.state.alerts
            self.look(host)

    def store_failed(self, reason: str, host: Host | None) -> None:
        """The store cannot be written."""
        self._store_reason = reason
        self.look(host)

    def stored(self, host: Host | None) -> None:
        """The store has been written."""
        if self._store_reason:
            self._store_reason = ""
            self.look(host)

    def broker_lost(self) -> None:
        """Setpoints cannot be sent from now on, or since before."""
        if self._away_since is None:
            self._away_since = self._clock.now()

    def broker_back(self, host: Host | None) -> None:
        """They can again: how long they could not is told."""
        since, self._away_since = self._away_since, None
        if host is not None and since is not None:
            self._tell(host, health.broker_alert(since, self._clock.now()))

    def _tell(self, host: Host, alert: Alert) -> None:
        for publish in host.say(alert):
            self._links.publish(publish)
