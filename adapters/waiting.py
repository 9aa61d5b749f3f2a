"""What waits: acknowledgements and increases for the disk, setpoints for their pile's answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.inbox import Message
from models.events import PileAcked, Stamp
from scheduler.effects import AssetSetpointSent, SetpointSent

HELD_AT_MOST_S = 5.0
"""An increase that has waited longer for the disk is let go; the next renewal says it again."""

AnySetpoint = SetpointSent | AssetSetpointSent
"""A pile's or an asset's: ids of both are one namespace."""


@dataclass(frozen=True)
class _Held:
    """Messages whose acknowledgement waits for a commit."""

    token: int
    acks: tuple[Message, ...]


class Waiting:
    """What has been promised to whom, and not yet been kept.

    ``store_broken``: the disk fails, and increases no longer wait for it.
    """

    def __init__(self) -> None:
        self.store_broken = False
        self._acks: list[_Held] = []
        self._setpoints: dict[str, tuple[int, float, AnySetpoint]] = {}
        self._unanswered: dict[str, Stamp] = {}
        self._mute: set[str] = set()

    def acknowledge_after(self, token: int, messages: tuple[Message, ...]) -> None:
        """Acknowledge these once a batch is on disk."""
        if messages:
            self._acks.append(_Held(token, messages))

    def superseded(self, messages: Iterable[Message]) -> tuple[Message, ...]:
        """Of messages that changed nothing, those that may be acknowledged now.

        What is older than a word that is not on disk yet waits for that word: were we killed
        before, the older one would be gone, and nothing in the store would be newer.
        """
        pending = self._acks[-1].token if self._acks else None
        if pending is None:
            return tuple(messages)
        now: list[Message] = []
        later: list[Message] = []
        for message in messages:
            promised = message.lane == "control" or "/session/" in message.topic
            (later if promised else now).append(message)
        self.acknowledge_after(pending, tuple(later))
        return tuple(now)

    def hold(self, effect: AnySetpoint, token: int, mono_s: float) -> bool:
        """Whether a setpoint waits for the disk; a newer word for a pile replaces a waiting one."""
        about = effect.pile if isinstance(effect, SetpointSent) else effect.asset
        waiting = self._setpoints.pop(about, None)
        if effect.after_commit and not self.store_broken:
            self._setpoints[about] = (token, mono_s, effect)
            return True
        if waiting is not None and effect.renewal:
            since_token, since_s, _ = waiting
            self._setpoints[about] = (since_token, since_s, effect)
            return True
        return False

    def stored(self, token: int) -> tuple[Message, ...]:
        """Everything up to a token is on disk: what may be acknowledged now."""
        self.store_broken = False
        acks = tuple(m for h in self._acks if h.token <= token for m in h.acks)
        self._acks = [h for h in self._acks if h.token > token]
        return acks

    def released(self, token: int, mono_s: float) -> list[AnySetpoint]:
        """Setpoints that need not wait for the disk any more; those that are too old are gone."""
        ready = [about for about, (t, _, _) in self._setpoints.items() if t <= token]
        held = [self._setpoints.pop(about) for about in ready]
        return [effect for _, since_s, effect in held if mono_s - since_s <= HELD_AT_MOST_S]

    def drop_setpoints(self) -> None:
        """None of them will be spoken: each lease is said anew."""
        self._setpoints.clear()

    def said(self, effect: AnySetpoint) -> None:
        """A setpoint is on its way: its pile should answer."""
        if isinstance(effect, SetpointSent) and effect.pile not in self._mute:
            self._unanswered[effect.pile] = effect.stamp

    def answered(self, ack: PileAcked) -> None:
        """A pile has spoken about a setpoint."""
        self._mute.discard(ack.pile)
        asked = self._unanswered.get(ack.pile)
        if asked is not None and ack.setpoint >= asked:
            del self._unanswered[ack.pile]

    @property
    def nothing(self) -> bool:
        """Whether nothing waits for the disk or for a pile's acknowledgement."""
        return not (self._acks or self._setpoints or self._unanswered)

    def give_up(self) -> None:
        """Piles that have not answered are not waited for until they do."""
        self._mute.update(self._unanswered)
        self._unanswered.clear()
