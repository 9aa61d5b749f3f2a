"""The AsyncAPI 3 document, generated from the wire types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from adapters.wire.topics import (
    INBOUND,
    LOCKSTEP_IN,
    LOCKSTEP_OUT,
    MAX_BYTES,
    OUTBOUND,
    InTopic,
    OutTopic,
    root_of,
)

CONTRACT_VERSION = "1.0.0"
DOCUMENT = Path("docs/asyncapi.json")
"""Where the document stands in the repository."""


def _key(pattern: str) -> str:
    """Name of a channel: its path without the ids, in one word."""
    words = [p for p in re.split(r"[/_]", re.sub(r"\{\w+\}", "", pattern)) if p]
    return words[0] + "".join(w.title() for w in words[1:])


def _operation_key(action: str, topic: InTopic | OutTopic) -> str:
    key = _key(topic.pattern)
    return action + key[0].upper() + key[1:]


def _first_line(body: type[msgspec.Struct]) -> str:
    return " ".join((body.__doc__ or "").strip().split("\n\n")[0].split())


def _channel(topic: InTopic | OutTopic) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", topic.pattern)
    channel: dict[str, Any] = {
        "address": root_of("{site}") + topic.pattern,
        "description": _first_line(topic.body),
        "parameters": {
            name: {"description": f"Id of the {name}, 1 to 64 of A-Z a-z 0-9 _ -."}
            for name in ("site", *names)
        },
        "messages": {"body": {"$ref": f"#/components/messages/{topic.body.__name__}"}},
    }
    return channel


def _operation(topic: InTopic | OutTopic, action: str) -> dict[str, Any]:
    mqtt: dict[str, Any] = {"qos": topic.qos, "retain": topic.retained, "bindingVersion": "0.2.0"}
    if isinstance(topic, OutTopic) and topic.expiry_s is not None:
        mqtt["messageExpiryInterval"] = topic.expiry_s
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{_key(topic.pattern)}"},
        "bindings": {"mqtt": mqtt},
    }
    if isinstance(topic, InTopic):
        operation["summary"] = f"From: {topic.sender}."
    return operation


def document() -> dict[str, Any]:
    """The whole contract as an AsyncAPI 3 document.

    Returns
    -------
    dict
        JSON-ready. Operations are the daemon's: it receives what others send.
    """
    inward = (*INBOUND, LOCKSTEP_IN)
    outward = (*OUTBOUND, LOCKSTEP_OUT)
    everything: list[InTopic | OutTopic] = [*inward, *outward]
    bodies = sorted({t.body for t in everything}, key=lambda b: b.__name__)
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Valleyfill",
            "version": CONTRACT_VERSION,
            "description": (
                "MQTT 5, JSON in UTF-8, at most "
                f"{MAX_BYTES} bytes. Units are in the key names; instants are RFC 3339 with "
                "offset; every power_kw is positive when drawn from the grid; limits are "
                "magnitudes. Unknown fields, keys given twice, NaN, text for numbers and naive "
                "instants are refused on the topic `rejected`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "site": {
                "host": "{host}:{port}",
                "protocol": "mqtts",
                "protocolVersion": "5",
                "variables": {"host": {}, "port": {"default": "8883"}},
            }
        },
        "channels": {_key(t.pattern): _channel(t) for t in everything},
        "operations": {
            **{_operation_key("receive", t): _operation(t, "receive") for t in inward},
            **{_operation_key("send", t): _operation(t, "send") for t in outward},
        },
        "components": {
            "messages": {
                b.__name__: {
                    "name": b.__name__,
                    "contentType": "application/json",
                    "summary": _first_line(b),
                    "payload": {"$ref": f"#/components/schemas/{b.__name__}"},
                }
                for b in bodies
            },
            "schemas": schemas,
        },
    }


def document_text() -> str:
    """The document as it stands in ``docs/asyncapi.json``."""
    raw = msgspec.json.encode(document(), order="sorted")
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def main() -> None:
    """Write the document: ``python -m adapters.wire.asyncapi``."""
    DOCUMENT.write_text(document_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
