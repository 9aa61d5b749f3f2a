"""Events, states and plans as MessagePack, and back."""

from __future__ import annotations

import msgspec

from models import events
from models.events import Event, Received
from models.plan import Plan
from scheduler.state import SiteState

_encoder = msgspec.msgpack.Encoder()
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
