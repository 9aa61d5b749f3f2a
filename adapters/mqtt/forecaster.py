"""The forecaster's side of the contract: series out, retained."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from adapters.wire.topics import root_of
from models.errors import ValleyfillError

PATIENCE_S = 10.0
"""For the broker to let us in, and to take one series."""


class ForecasterError(ValleyfillError):
    """The broker did not take a forecast."""

    code = "forecaster"


def tell(
    host: str,
    port: int,
    site: str,
    series: Mapping[str, Mapping[str, Any]],
    now: datetime,
    *,
    prepare: Callable[[Client], None] | None = None,
) -> None:
    """Publish every series once, each retained on its own topic.

    Parameters
    ----------
    host, port : str, int
        The broker.
    site : str
        Its id.
    series : mapping
        By name of the series, the body without the sender's counters.
    now : datetime
        When it was foreseen.
    prepare : callable, optional
        Gets the client before it connects, for TLS and password.

    Raises
    ------
    ForecasterError
        If the broker does not let us in, or does not take a series in time.
    """
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    if prepare is not None:
        prepare(client)
    let_in = threading.Event()

    def on_connect(_: Client, __: object, ___: object, reason: ReasonCode, ____: object) -> None:
        if not reason.is_failure:
            let_in.set()

    client.on_connect = on_connect
    client.connect(host, port)
    client.loop_start()
    try:
        if not let_in.wait(PATIENCE_S):
            raise ForecasterError("the broker does not let us in", where=f"{host}:{port}",
                                  fix="see --username, --password-file and --ca-file")  # fmt: skip
        # Each run is a start of this sender: the higher epoch wins over the last run's.
        epoch = int(time.time())
        for seq, (name, body) in enumerate(series.items(), start=1):
            stamped = {"epoch": epoch, "seq": seq, "issued_at": now} | dict(body)
            topic = f"{root_of(site)}forecast/{name}"
            sent = client.publish(topic, msgspec.json.encode(stamped), qos=1, retain=True)
            sent.wait_for_publish(PATIENCE_S)
            if not sent.is_published():
                raise ForecasterError(
                    f"the broker took nothing within {PATIENCE_S:g} s", where=topic
                )
    finally:
        client.disconnect()
        client.loop_stop()
