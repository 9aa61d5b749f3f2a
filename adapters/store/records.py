"""Problems as bytes, and back, to the last bit: frozen records of arrays, whatever they hold.

A record says its class, so a new field or a new kind of record needs no word here. Only records of
the pure floors are read back.
"""

from __future__ import annotations

import dataclasses
import zlib
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from models.errors import StoreError

_FLOORS = ("models.", "scheduler.")
_RECORD, _ARRAY, _ZONE, _TUPLE = "record", "array", "zone", "tuple"
_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder()


def pack(record: Any) -> bytes:
    """A record of the pure floors as compressed MessagePack."""
    return zlib.compress(_encoder.encode(_plain(record)), 1)


def unpack(body: bytes) -> Any:
    """The record again.

    Raises
    ------
    StoreError
        If it is none, or one of a class that is no more.
    """
    try:
        return _record(_decoder.decode(zlib.decompress(body)))
    except (
        zlib.error,
        msgspec.MsgspecError,
        ImportError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as problem:
        raise StoreError(f"a record cannot be read: {problem}") from problem


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        packed = np.ascontiguousarray(value)
        return [_ARRAY, packed.dtype.str, list(packed.shape), packed.tobytes()]
    if isinstance(value, ZoneInfo):
        return [_ZONE, value.key]
    if dataclasses.is_dataclass(value):
        kind = type(value)
        held = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [_RECORD, f"{kind.__module__}:{kind.__qualname__}", held]
    if isinstance(value, tuple | list):
        return [_TUPLE, [_plain(v) for v in value]]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _record(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _record(v) for k, v in value.items()}
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == _ARRAY:
        dtype, shape, body = rest
        return np.frombuffer(body, dtype=np.dtype(dtype)).reshape(shape).copy()
    if kind == _ZONE:
        return ZoneInfo(rest[0])
    if kind == _TUPLE:
        return tuple(_record(v) for v in rest[0])
    place, held = rest
    return _class(place)(**{name: _record(v) for name, v in held.items()})


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    found = getattr(import_module(module), name) if module.startswith(_FLOORS) else None
    if not dataclasses.is_dataclass(found):
        raise StoreError(f"{place!r} is no record of ours")
    return found
