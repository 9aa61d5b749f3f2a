"""Events, states and plans as MessagePack, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from models import events
from models.events import Event, Received
from models.plan import Plan, PlannedSessions
from scheduler.state import SiteState

_plain = msgspec.msgpack.Encoder()
_last: tuple[PlannedSessions, msgspec.Raw] | None = None
"""The sessions of the plan that was packed last: many a state is kept while one plan runs."""


def _pack(part: Any) -> msgspec.Raw:
    """What a state holds that MessagePack does not know: the sessions of a plan."""
    global _last
    if not isinstance(part, PlannedSessions):
        raise NotImplementedError(f"{type(part).__name__} has no form in the store")
    last = _last
    if last is None or last[0] is not part:
        last = _last = part, msgspec.Raw(_plain.encode(dict(part.items())))
    return last[1]


_encoder = msgspec.msgpack.Encoder(enc_hook=_pack)
_KINDS: dict[str, type[Event]] = {
    name: kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, Received) and kind is not Received
}
_DECODERS = {name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()}
_STATE = msgspec.msgpack.Decoder(SiteState)


def pack_event(event: Received) -> tuple[str, bytes]:
    """Kind and body of an event."""
    return type(event).__name__, _encoder.encode(event)


def unpack_event(kind: str, body: bytes) -> Event:
    """The event again.

    Raises
    ------
    msgspec.MsgspecError, KeyError
        If it is none.
    """
    return _DECODERS[kind].decode(body)


def pack_state(state: SiteState) -> bytes:
    """A state."""
    return _encoder.encode(state)


def unpack_state(body: bytes) -> SiteState:
    """The state again.

    Raises
    ------
    msgspec.MsgspecError
        If it is none, or one of another version.
    """
    return _STATE.decode(body)


def pack_plan(plan: Plan) -> bytes:
    """A plan."""
    return _encoder.encode(plan)
