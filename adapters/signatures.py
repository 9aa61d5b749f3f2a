"""Signed limits, events, tariffs and emergencies: Ed25519 over site, topic and the raw payload.

The signature and the id of its key travel as MQTT user properties (``sig``: base64, ``key``).
Where a key is configured for a role, that role's messages must carry one: what is unsigned,
forged, signed by a key out of its time, meant for another site or topic, or issued too long ago
is refused and told as a security event. A forged low limit is an attack as well as a high one.

Retained messages come again whenever we connect, however old; they are no replay, since an older
(epoch, seq) never changes anything and the state survives in our own store. What is fresh is
held against the clock.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adapters.config_table import Table
from adapters.wire.topics import match_in, root_of
from models.errors import ConfigurationError
from models.events import Received
from scheduler.effects import Alert, Rejected

SKEW = timedelta(minutes=5)
"""A fresh message issued further than this from our clock is a replay, or its clock is wrong."""

SIGNED = {
    "grid": ("grid/limit/{node}/{limit}", "grid/event/{event}"),
    "tariff": ("tariff/{tariff}",),
    "operator": ("emergency/{zone}", "override/{target}"),
}
"""By the word of the site file: which topics a key speaks for."""

SECURITY = frozenset({"unsigned", "bad_signature", "unknown_key", "key_out_of_time", "replayed"})
"""Codes of refusals that are told as security events."""


@dataclass(frozen=True)
class Key:
    """A public key of a role, and when it may be used.

    Parameters
    ----------
    id : str
        As the ``key`` property names it.
    role : str
        A word of :data:`SIGNED`.
    public : Ed25519PublicKey
        It checks.
    valid_from, valid_until : datetime or None
        Two keys of one role overlap while one takes over from the other.
    """

    id: str
    role: str
    public: Ed25519PublicKey
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class Keyring:
    """The keys of a site.

    Parameters
    ----------
    site : str
        Id of the site: part of what is signed.
    keys : iterable of Key
        Empty: nothing has to be signed.
    """

    def __init__(self, site: str, keys: Iterable[Key] = ()) -> None:
        self._site = site
        self._root = root_of(site)
        self._keys = {k.id: k for k in keys}
        self._asked = {p: k.role for k in self._keys.values() for p in SIGNED[k.role]}

    def refusal(
        self,
        topic: str,
        payload: bytes,
        properties: Mapping[str, str],
        *,
        now: datetime,
    ) -> Rejected | None:
        """Why a message is not believed; None: it is, or needs no signature."""
        if not self._asked:
            return None
        found = match_in(topic.removeprefix(self._root)) if topic.startswith(self._root) else None
        role = None if found is None else self._asked.get(found[0].pattern)
        if role is None:
            return None
        signature, name = properties.get("sig"), properties.get("key", "")
        if signature is None:
            return _refused(topic, "unsigned", "a signature is asked for here, and there is none")
        key = self._keys.get(name)
        if key is None or key.role != role:
            return _refused(topic, "unknown_key", f"{name[:64]!r} is no key that may say this")
        try:
            raw = base64.b64decode(signature, validate=True)
            key.public.verify(raw, signed_bytes(self._site, topic, payload))
        except (InvalidSignature, binascii.Error, ValueError):
            return _refused(
                topic, "bad_signature", "the signature is not over this site, topic and body"
            )
        early = key.valid_from is not None and now < key.valid_from
        if early or (key.valid_until is not None and now >= key.valid_until):
            return _refused(topic, "key_out_of_time", f"the key {key.id!r} is not valid now")
        return None

    def replayed(self, event: Received, topic: str, *, retained: bool) -> Rejected | None:
        """A signed message that was issued too long ago, or lies ahead, by our clock."""
        if retained or not self._asked:
            return None
        found = match_in(topic.removeprefix(self._root))
        if found is None or found[0].pattern not in self._asked:
            return None
        off = event.issued_at - event.now
        if abs(off) <= SKEW:
            return None
        words = f"issued {off.total_seconds():+.0f} s from our clock, at most {SKEW} are taken"
        return _refused(topic, "replayed", words)


def _refused(topic: str, code: str, reason: str) -> Rejected:
    return Rejected(topic=topic[:300], code=code, field="", reason=reason)


def security_alert(refusal: Rejected, now: datetime) -> Alert:
    """What operators are told of a message that was not believed."""
    return Alert(
        kind="security",
        where=refusal.topic,
        since=now,
        text=f"a message was refused ({refusal.code}): {refusal.reason}; find out who sends it",
        text_zh=f"报文未通过安全校验({refusal.code}),已拒绝;请查明发送方",
    )


def signed_bytes(site: str, topic: str, payload: bytes) -> bytes:
    """What is signed: lengths stand before site and topic, so that no two readings are one."""
    parts = (site.encode(), topic.encode(), payload)
    return b"valleyfill-v1" + b"".join(len(p).to_bytes(4, "big") + p for p in parts)


def sign(
    private: Ed25519PrivateKey, key: str, site: str, topic: str, payload: bytes
) -> list[tuple[str, str]]:
    """The user properties of a signed message."""
    raw = private.sign(signed_bytes(site, topic, payload))
    return [("sig", base64.b64encode(raw).decode()), ("key", key)]


def read_keys(top: Table, site: str) -> Keyring:
    """The ``[[keys]]`` of a site file.

    Raises
    ------
    ConfigurationError
        If a key cannot be read, or names no role.
    """
    keys = []
    for k, body in enumerate(top.tables("keys", [])):
        table = Table(body, f"keys[{k}]", ("id", "role", "file", "valid_from", "valid_until"))
        begin, end = (_instant(table, n) for n in ("valid_from", "valid_until"))
        role = table.choice("role", tuple(SIGNED))
        keys.append(Key(table.text("id"), role, _public(table), begin, end))
    if len({k.id for k in keys}) != len(keys):
        raise ConfigurationError("an id stands twice", where="keys")
    return Keyring(site, keys)


def _instant(table: Table, name: str) -> datetime | None:
    value: Any = table.get(name, None)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ConfigurationError(
            "is no instant with its offset", where=table.at(name), fix="2027-01-01T00:00:00Z"
        )
    return value


def _public(table: Table) -> Ed25519PublicKey:
    name = table.text("file")
    try:
        key = serialization.load_pem_public_key(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=table.at("file")) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError("is no Ed25519 public key", where=table.at("file"))
    return key
