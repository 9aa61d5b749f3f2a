"""The contract as everyone else sees it: piles, meters, the grid company, operators.

They write what the daemon reads, and read what it writes, with the same wire types.
"""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.wire.encode import Publish
from adapters.wire.inbound import Stamped
from adapters.wire.strict import RefusedError, read_body
from adapters.wire.topics import (
    INBOUND,
    LOCKSTEP_IN,
    LOCKSTEP_OUT,
    OUTBOUND,
    InTopic,
    fits,
    root_of,
    segments,
)
from models.errors import InvalidValueError

_IN: dict[type[msgspec.Struct], InTopic] = {t.body: t for t in (*INBOUND, LOCKSTEP_IN)}
_OUT = [(segments(t.pattern), t) for t in (*OUTBOUND, LOCKSTEP_OUT)]
_DECODERS: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    t.body: msgspec.json.Decoder(t.body) for _, t in _OUT
}
_encoder = msgspec.json.Encoder()


def encode_in(site: str, body: Stamped | msgspec.Struct, *ids: str) -> Publish:
    """What a sender publishes: its body on the topic of its type.

    Parameters
    ----------
    site : str
        Id of the site.
    body : Struct
        One of the types of :mod:`adapters.wire.inbound`.
    ids : str
        The ids of the topic in order: pile, session, node and limit, ...

    Raises
    ------
    InvalidValueError
        If the number of ids is not that of the topic.
    """
    kind = _IN[type(body)]
    parts = kind.pattern.split("/")
    places = [k for k, part in enumerate(parts) if part.startswith("{")]
    if len(places) != len(ids):
        raise InvalidValueError(f"{kind.pattern} has {len(places)} ids, {len(ids)} given")
    for k, text in zip(places, ids, strict=True):
        parts[k] = text
    return Publish(root_of(site) + "/".join(parts), _encoder.encode(body), kind.qos, kind.retained)


def decode_out(site: str, topic: str, payload: bytes) -> tuple[msgspec.Struct, tuple[str, ...]]:
    """What the daemon published: its body, and the ids of the topic.

    Raises
    ------
    InvalidValueError
        If it is no message of the contract.
    """
    path = topic.removeprefix(root_of(site)).split("/")
    kind = next((t for shape, t in _OUT if fits(shape, path)), None)
    if kind is None:
        raise InvalidValueError("is no topic that the daemon writes", where=topic)
    ids = tuple(
        have
        for want, have in zip(kind.pattern.split("/"), path, strict=True)
        if want.startswith("{")
    )
    try:
        return read_body(payload, _DECODERS[kind.body]), ids
    except RefusedError as refusal:
        raise InvalidValueError(refusal.reason, where=f"{topic} {refusal.field}") from refusal
