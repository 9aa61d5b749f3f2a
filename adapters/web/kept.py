"""Records by name, read anew only where their bytes have changed since the last time."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

R = TypeVar("R")

_BY_NAME = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])


class Kept(Generic[R]):
    """Reads one mapping of a stored state again and again.

    From one state to the next, nine of ten piles and sessions are the same. What did not change is
    the very same object as before, so what was made of it can be kept by identity.

    Parameters
    ----------
    kind : type
        Of the records.
    """

    def __init__(self, kind: type[R]) -> None:
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kind)
        self._held: dict[str, tuple[msgspec.Raw, R]] = {}

    def read(self, packed: msgspec.Raw) -> dict[str, R]:
        """All records of a packed mapping, in its order.

        Raises
        ------
        msgspec.MsgspecError
            If it is none, or one of another version.
        """
        held, now = self._held, {}
        for name, raw in _BY_NAME.decode(packed).items():
            before = held.get(name)
            # The newest bytes are held, so that no older state is kept alive by a slice of it.
            record = before[1] if before is not None and before[0] == raw else None
            now[name] = (raw, self._decoder.decode(raw) if record is None else record)
        self._held = now
        return {name: record for name, (_, record) in now.items()}
