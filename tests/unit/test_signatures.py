"""Signed messages: only what the right key said, for this site and topic, and lately, counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.config import parse_site
from adapters.inbox import Message
from adapters.signatures import Key, Keyring, sign
from adapters.wire import outbound as o
from adapters.wire import root_of
from adapters.wire.outside import decode_out
from models.errors import ConfigurationError
from tests.unit.bad_input import GOOD
from tests.unit.test_host import NOW, Desk

LIMIT = "grid/limit/transformer/cap"
OLD, NEW, OPERATOR = (Ed25519PrivateKey.generate() for _ in range(3))
ROOT = Path(__file__).parents[2]


class Guarded(Desk):
    """A host that asks the grid company and the operator for signatures."""

    def __init__(self) -> None:
        super().__init__()
        change = NOW + timedelta(days=1)
        self.host.keyring = Keyring(
            "depot-1",
            [
                Key("g1", "grid", OLD.public_key(), None, change + timedelta(days=7)),
                Key("g2", "grid", NEW.public_key(), change),
                Key("op", "operator", OPERATOR.public_key()),
            ],
        )

    def signed(
        self,
        path: str = LIMIT,
        *,
        private: Ed25519PrivateKey = OLD,
        key: str = "g1",
        site: str = "depot-1",
        topic: str | None = None,
        **change: Any,
    ) -> Message:
        message = self.say(path, **change)
        over = root_of("depot-1") + (topic or path)
        return replace(message, properties=tuple(sign(private, key, site, over, message.payload)))

    def verdict(self, message: Message) -> str:
        """Code of its refusal, or nothing when it counts; state and alert are checked beside."""
        limits = self.host.state.limits
        outcome = self.take(message)
        bodies = [decode_out("depot-1", p.topic, p.payload)[0] for p in outcome.publish]
        codes = [b.code for b in bodies if isinstance(b, o.Rejected)]
        if not codes:
            return ""
        assert self.host.state.limits == limits, "it changed something"
        assert any(p.topic.endswith("/alert/security") for p in outcome.publish)
        assert message in outcome.acks, "it does not come again"
        return codes[0]


def test_a_signed_limit_counts_and_a_forged_one_high_or_low_does_not() -> None:
    desk = Guarded()
    assert desk.verdict(desk.signed()) == ""
    assert desk.verdict(desk.say(LIMIT, import_kw=0)) == "unsigned"
    forged = desk.signed(import_kw=60)
    for kw in (b"1", b"9"):
        other = forged.payload.replace(b'"import_kw": 60', b'"import_kw": ' + kw)
        assert other != forged.payload
        assert desk.verdict(replace(forged, payload=other)) == "bad_signature"
    assert desk.verdict(desk.signed(private=NEW)) == "bad_signature"
    assert desk.verdict(desk.signed(key="nobody")) == "unknown_key"


def test_a_forged_limit_is_not_hidden_behind_a_flood_of_other_refusals() -> None:
    desk = Guarded()
    desk.host.take([desk.message("pile/A-01/telemetry", b"{") for _ in range(200)])
    assert desk.verdict(desk.say(LIMIT, import_kw=0)) == "unsigned"


def test_a_signature_for_another_site_topic_or_role_is_none() -> None:
    desk = Guarded()
    assert desk.verdict(desk.signed(site="depot-2")) == "bad_signature"
    assert desk.verdict(desk.signed(topic="grid/limit/transformer/other")) == "bad_signature"
    assert desk.verdict(desk.signed(private=OPERATOR, key="op")) == "unknown_key"
    assert desk.verdict(desk.signed("emergency/transformer")) == "unknown_key"
    fire = desk.signed("emergency/transformer", private=OPERATOR, key="op")
    assert desk.verdict(fire) == ""
    assert desk.host.state.emergencies


def test_a_message_of_yesterday_is_a_replay_unless_the_broker_kept_it() -> None:
    desk = Guarded()
    for off in (timedelta(minutes=-6), timedelta(minutes=6)):
        late = desk.signed(issued_at=(NOW + off).isoformat())
        assert desk.verdict(late) == "replayed"
    kept = desk.signed(issued_at=(NOW - timedelta(days=30)).isoformat())
    assert desk.verdict(replace(kept, retained=True)) == ""


def test_keys_are_changed_without_a_gap_and_an_expired_one_is_refused() -> None:
    desk = Guarded()
    assert desk.verdict(desk.signed(private=NEW, key="g2")) == "key_out_of_time"
    for days, good, bad in ((2, (OLD, NEW), ()), (9, (NEW,), (OLD,))):
        desk.clock.step_to(NOW + timedelta(days=days), 100.0 + days * 86_400)
        for private in good:
            name = "g1" if private is OLD else "g2"
            assert desk.verdict(desk.signed(private=private, key=name)) == ""
        for private in bad:
            assert desk.verdict(desk.signed(private=private)) == "key_out_of_time"


def test_what_no_key_speaks_for_needs_no_signature() -> None:
    desk = Guarded()
    assert desk.verdict(desk.say("tariff/main", start=NOW.isoformat())) == ""
    assert set(GOOD) >= {LIMIT}


def test_keys_come_from_the_site_file_as_pem(tmp_path: Path) -> None:
    pem = tmp_path / "grid.pem"
    pem.write_bytes(
        OLD.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    text = (ROOT / "examples" / "depot-1.toml").read_text()
    entry = f'\n[[keys]]\nid = "g1"\nrole = "grid"\nfile = "{pem}"\n'
    keyring = parse_site(text + entry).keyring
    assert keyring is not None
    topic = root_of("depot-1") + LIMIT
    refusal = keyring.refusal(topic, b"{}", {}, now=NOW)
    assert refusal is not None
    assert refusal.code == "unsigned"
    (tmp_path / "bad.pem").write_text("no key")
    for wrong in (entry.replace("grid.pem", "bad.pem"), entry.replace('"grid"', '"everyone"')):
        with pytest.raises(ConfigurationError):
            parse_site(text + wrong)
