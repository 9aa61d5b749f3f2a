"""Strict JSON: what msgspec lets pass is refused here too, each refusal with code and field."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from adapters.wire.topics import MAX_BYTES

T = TypeVar("T", bound=msgspec.Struct)

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_NAMED = re.compile(r"(?:missing required field|unknown field) `([^`]*)`")


class RefusedError(Exception):
    """A body that is refused.

    Parameters
    ----------
    code : str
        One of :data:`adapters.wire.outbound.RejectedCode`.
    field : str
        Where in the body; empty for the body as a whole.
    reason : str
        One sentence.
    """

    def __init__(self, code: str, field: str, reason: str) -> None:
        self.code = code
        self.field = field
        self.reason = reason
        super().__init__(f"{code} {field}: {reason}")


class _DuplicateKeyError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return keys


_TWICE = json.JSONDecoder(object_pairs_hook=_once)


def _refuse(problem: msgspec.ValidationError) -> NoReturn:
    text = str(problem)
    at = _PATH.search(text)
    field = at.group(1) if at else ""
    reason = text[: at.start()] if at else text
    named = _NAMED.search(reason)
    if named:
        field = f"{field}.{named.group(1)}" if field else named.group(1)
    if "unknown field" in reason:
        code = "unknown_field"
    elif "missing required field" in reason:
        code = "missing_field"
    elif "timezone component" in reason:
        code = "naive_time"
    elif ", got " in reason:
        code = "wrong_type"
    else:
        code = "out_of_range"
    raise RefusedError(code, field, reason) from problem


def read_body(payload: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A body as its wire type.

    Parameters
    ----------
    payload : bytes
        JSON in UTF-8, at most 64 kB.
    decoder : msgspec.json.Decoder
        Of the topic's wire type.

    Raises
    ------
    RefusedError
        For anything else: too long, empty, no JSON, a key twice, a field unknown, missing, of
        another type (text for a number), a naive instant, a number out of range.
    """
    if len(payload) > MAX_BYTES:
        raise RefusedError("too_large", "", f"{len(payload)} bytes, at most {MAX_BYTES} are read")
    if not payload:
        raise RefusedError("empty", "", "an empty body says nothing; to withdraw, say so")
    try:
        body = decoder.decode(payload)
        _TWICE.decode(payload.decode())
    except msgspec.ValidationError as problem:
        _refuse(problem)
    except _DuplicateKeyError as problem:
        key = str(problem)
        raise RefusedError("duplicate_key", key, f"the key {key!r} stands twice") from problem
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise RefusedError("bad_json", "", str(problem)[:200]) from problem
    return body
