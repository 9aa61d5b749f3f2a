"""The aggregator's side of the contract: offers in, calls out, answers in."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.wire.topics import root_of
from models.errors import ValleyfillError
from scheduler.aggregate import Direction, Offer


class AggregatorError(ValleyfillError):
    """The broker or a site did not answer."""

    code = "aggregator"


class Aggregator:
    """One connection with the aggregator's credential.

    Parameters
    ----------
    host, port : str, int
        The broker.
    sites : sequence of str
        Whose offers are read.
    prepare : callable, optional
        Gets the client before it connects, for TLS and password.
    """

    def __init__(
        self,
        host: str,
        port: int,
        sites: Sequence[str],
        *,
        prepare: Callable[[Client], None] | None = None,
    ) -> None:
        self._sites = tuple(sites)
        self._inbox: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if prepare is not None:
            prepare(self._client)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._address = (host, port)
        self._epoch, self._seq = int(time.time()), 0

    def __enter__(self) -> Aggregator:
        self._client.connect(*self._address)
        self._client.loop_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: Any) -> None:
        for site in self._sites:
            for topic in ("flexibility", "answer/event/+"):
                client.subscribe(f"{root_of(site)}{topic}", qos=1)

    def _on_message(self, client: Client, user: object, message: MQTTMessage) -> None:
        self._inbox.put((message.topic, bytes(message.payload)))

    def offers(
        self, *, direction: Direction, start: datetime, end: datetime, patience_s: float
    ) -> list[Offer]:
        """What every site offers in the slots of a call; waits for each site's last word.

        Raises
        ------
        AggregatorError
            If a site says nothing in time.
        """
        heard: dict[str, list[Offer]] = {}
        for site, what, body in self._words(patience_s):
            if what == "flexibility":
                heard[site] = _offers(site, body, direction, start, end)
            if len(heard) == len(self._sites):
                break
        missing = sorted(set(self._sites) - set(heard))
        if missing:
            raise AggregatorError(
                f"no flexibility from {', '.join(missing)} within {patience_s:g} s",
                where="flexibility",
                fix="it is told with each plan of a site that has storage, PV or V2G",
            )
        return [o for of_site in heard.values() for o in of_site]

    def call(
        self,
        event: str,
        series: Mapping[str, Sequence[tuple[datetime, float]]],
        *,
        end: datetime,
    ) -> None:
        """Ask each site to follow its series, until the end."""
        for site, steps in series.items():
            self._seq += 1
            body = {
                "epoch": self._epoch,
                "seq": self._seq,
                "issued_at": datetime.now(UTC),
                "start": steps[0][0],
                "end": end,
                "kind": "follow",
                "slots": [{"start": at, "power_kw": kw} for at, kw in steps],
                "mandatory": True,
            }
            told = self._client.publish(
                f"{root_of(site)}grid/event/{event}", msgspec.json.encode(body), qos=1, retain=True
            )
            told.wait_for_publish(10.0)

    def answers(
        self, event: str, decisions: Sequence[str], sites: Sequence[str], *, patience_s: float
    ) -> dict[str, dict[str, Any]]:
        """The last answer of each site to an event once it is one of these decisions."""
        found: dict[str, dict[str, Any]] = {}
        for site, what, body in self._words(patience_s):
            if what == f"answer/event/{event}" and body["decision"] in decisions:
                found[site] = body
            if set(sites) <= set(found):
                break
        return found

    def _words(self, patience_s: float) -> Any:
        """(site, topic below it, body) as they come, until nothing has for so long."""
        until = time.monotonic() + patience_s
        while (left := until - time.monotonic()) > 0:
            try:
                topic, payload = self._inbox.get(timeout=left)
            except queue.Empty:
                return
            site = next((s for s in self._sites if topic.startswith(root_of(s))), None)
            if site is not None:
                yield site, topic.removeprefix(root_of(site)), msgspec.json.decode(payload)


def _offers(
    site: str, body: dict[str, Any], direction: Direction, start: datetime, end: datetime
) -> list[Offer]:
    slot = timedelta(minutes=body["slot_minutes"])
    found = []
    for told in body["slots"]:
        at = datetime.fromisoformat(told["start"])
        if start <= at and at + slot <= end:
            found.append(
                Offer(
                    site=site,
                    start=at.astimezone(UTC),
                    slot_s=int(slot.total_seconds()),
                    plan_kw=told["plan_kw"],
                    power_kw=told[f"{direction}_kw"],
                    for_s=told[f"{direction}_for_s"],
                    per_kwh=told[f"{direction}_per_kwh"],
                )
            )
    return found
