"""The AsyncAPI document equals the wire types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

from adapters.wire.asyncapi import DOCUMENT, document_text
from adapters.wire.topics import INBOUND, OUTBOUND

ROOT = Path(__file__).parents[2]


def stored() -> dict[str, Any]:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def test_the_asyncapi_document_equals_the_wire_types() -> None:
    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == document_text(), (
        "docs/asyncapi.json differs: python -m adapters.wire.asyncapi"
    )


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = stored()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        at: Any = document
        for part in reference.split("/"):
            at = at[part]


def test_every_topic_has_a_channel_and_every_schema_is_one() -> None:
    document = stored()
    addresses = {c["address"] for c in document["channels"].values()}
    for topic in (*INBOUND, *OUTBOUND):
        assert f"valleyfill/v1/{{site}}/{topic.pattern}" in addresses
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_schemas_alone_tell_a_good_body_from_a_bad_one() -> None:
    document = stored()
    schema = {"$ref": "#/components/schemas/PileAck", "components": document["components"]}
    good = {
        "epoch": 1,
        "seq": 2,
        "issued_at": "2026-07-01T08:00:00+08:00",
        "setpoint_epoch": 1,
        "setpoint_seq": 1,
        "applied_kw": 7.0,
    }
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "applied_w": 7000})
    assert not validator.is_valid({**good, "applied_kw": "7"})
