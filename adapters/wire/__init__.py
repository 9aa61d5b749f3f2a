"""The wire format: bytes on a topic to facts and back, strictly.

``decode`` turns a message into an event or into a refusal; ``encode`` turns an effect into
what is published. ``outside`` holds both directions as piles, the grid company and operators
see them. Nothing here knows a connection.
"""

from __future__ import annotations

from adapters.wire.decode import decode
from adapters.wire.encode import Publish, encode
from adapters.wire.topics import MAX_BYTES, root_of

__all__ = ["MAX_BYTES", "Publish", "decode", "encode", "root_of"]
