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
        self._names: list[str] = []
        self._raws: list[msgspec.Raw] = []
        self._records: list[R] = []

    def read(self, packed: msgspec.Raw) -> dict[str, R]:
        """All records of a packed mapping, in its order.

        Raises
        ------
        msgspec.MsgspecError
            If it is none, or one of another version.
        """
        by_name = _BY_NAME.decode(packed)
        names, raws = list(by_name), list(by_name.values())
        if names == self._names:
            # Almost always: nobody came and nobody left.
            records = self._records.copy()
            for i in [k for k, (a, b) in enumerate(zip(raws, self._raws, strict=True)) if a != b]:
                records[i] = self._decoder.decode(raws[i])
        else:
            held = dict(zip(self._names, zip(self._raws, self._records, strict=True), strict=True))
            records = [self._one(raw, held.get(name)) for name, raw in by_name.items()]
        # The newest bytes are held, so that no older state is kept alive by a slice of it.
        self._names, self._raws, self._records = names, raws, records
        return dict(zip(names, records, strict=True))

    def _one(self, raw: msgspec.Raw, before: tuple[msgspec.Raw, R] | None) -> R:
        if before is not None and before[0] == raw:
            return before[1]
        record: R = self._decoder.decode(raw)
        return record
