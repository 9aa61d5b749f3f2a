"""What the daemon does with one drain: decode, ask the engine, sort what comes out. No threads.

Decreases are published at once. An increase waits until the drain it came from is on disk, and
so does the acknowledgement of every message the engine wants kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.asking import Answer, ask
from adapters.clock import Clock
from adapters.inbox import Message
from adapters.journal import Journal
from adapters.signatures import SECURITY, Keyring, security_alert
from adapters.store.readings import Sampler
from adapters.store.writer import Batch
from adapters.wire import Publish, decode, encode
from adapters.wire.encode import publish_of, rejected_body
from models.events import Event, PileAcked, Received, Stamp
from scheduler.effects import (
    AssetSetpointSent,
    Outbound,
    Persist,
    Rejected,
    SessionStatus,
    SetpointSent,
    Solve,
)
from scheduler.engine import Engine
from scheduler.problem import Problem
from scheduler.state import SiteState

log = logging.getLogger("valleyfill.host")

REJECTED_PER_S = 5.0
KEPT_AT_LEAST_S = 10.0
"""A state older than this is never the newest on disk."""

HELD_AT_MOST_S = 5.0
"""An increase that has waited longer for the disk is let go; the next renewal says it again."""

AnySetpoint = SetpointSent | AssetSetpointSent
"""A pile's or an asset's: ids of both are one namespace."""


@dataclass(frozen=True)
class Outcome:
    """What is to be done after a drain.

    Parameters
    ----------
    publish : tuple of Publish
        To send now, in order.
    acks : tuple of Message
        To acknowledge now.
    batch : Batch or None
        To hand to the store; what waits for it comes back from :meth:`Host.stored`.
    solve : Problem or None
        To hand to the solving process.
    due_mono_s : float
        When the engine wants to be asked again.
    made_mono_s : float
        When this was decided; what is much older must not be spoken.
    """

    publish: tuple[Publish, ...]
    acks: tuple[Message, ...]
    batch: Batch | None
    solve: Problem | None
    due_mono_s: float
    made_mono_s: float


@dataclass(frozen=True)
class _Held:
    """What waits for a commit."""

    token: int
    mono_s: float
    acks: tuple[Message, ...]


class Host:
    """The engine, its state, and what has been promised to whom.

    Parameters
    ----------
    engine : Engine
        The engine.
    state : SiteState
        From ``engine.start``.
    clock : Clock
        Both times.
    count : callable
        Told the name of a counter and its label whenever one rises.
    keyring : Keyring, optional
        Whose signatures are asked for; none unless given.
    """

    def __init__(
        self,
        engine: Engine,
        state: SiteState,
        clock: Clock,
        *,
        count: Callable[[str, str], None] = lambda _name, _label: None,
        keyring: Keyring | None = None,
    ) -> None:
        self.engine = engine
        self.state = state
        self._site = engine.site.name
        self._clock = clock
        self._count = count
        self.keyring = keyring or Keyring(self._site)
        self._token = 0
        self._held_acks: list[_Held] = []
        self._held_setpoints: dict[str, tuple[int, float, AnySetpoint]] = {}
        self._retained: dict[str, Publish] = {}
        self._unanswered: dict[str, Stamp] = {}
        self._mute: set[str] = set()
        self._sampler = Sampler()
        self._journal = Journal()
        self._store_broken = False
        self._kept_mono_s = clock.mono_s()
        self._kept = self._milestone()
        self._rejected_budget = REJECTED_PER_S
        self._rejected_mono_s = clock.mono_s()
        self._suppressed = 0
        self.rejected_count = 0
        self.setpoint_count = 0

    def take(self, messages: Sequence[Message] = (), facts: Sequence[Event] = ()) -> Outcome:
        """One drain.

        Parameters
        ----------
        messages : sequence of Message
            Limits first.
        facts : sequence of Event
            Answers of the solving process.
        """
        now, mono_s = self._clock.now(), self._clock.mono_s()
        events: list[Event] = []
        refused: list[Rejected] = []
        by_event: dict[int, Message] = {}
        loose: list[Message] = []
        for message in messages:
            read = self._read(message, now, mono_s)
            if isinstance(read, Rejected):
                refused.append(read)
                loose.append(message)
                continue
            events.append(read)
            by_event[id(read)] = message
            if isinstance(read, PileAcked):
                self._answered(read)
        answer = ask(self.engine, self.state, [*events, *facts], self._clock)
        refused.extend(_fault(by_event[id(e)]) for e in answer.faulty if id(e) in by_event)
        self.state = answer.state
        batch = Batch(
            token=self._token + 1,
            now=answer.now,
            events=(),
            setpoints=(),
            state=self.state,
            readings=tuple(self._sampler.take(events, self.state)),
            steps=self._journal.steps(facts, answer.effects),
            told=self._journal.told(answer.now, answer.effects),
        )
        return self._sort(answer, refused, by_event, loose, batch)

    def _read(self, message: Message, now: datetime, mono_s: float) -> Event | Rejected:
        """A message as a fact, or its refusal; where a key is configured, it must be signed."""
        topic = message.topic
        doubt = self.keyring.refusal(topic, message.payload, dict(message.properties), now=now)
        if doubt is not None:
            return doubt
        read = decode(self._site, topic, message.payload, now=now, mono_s=mono_s)
        if isinstance(read, Received):
            doubt = self.keyring.replayed(read, topic, retained=message.retained)
        return read if doubt is None else doubt

    def _sort(
        self,
        answer: Answer,
        refused: list[Rejected],
        by_event: dict[int, Message],
        loose: list[Message],
        found: Batch,
    ) -> Outcome:
        mono_s = answer.mono_s
        self._token = found.token
        publish: list[Publish] = []
        kept: list[Received] = []
        waiting: list[Message] = []
        sent: list[SetpointSent] = []
        solve: Problem | None = None
        for refusal in refused:
            publish.extend(self._reject(refusal, mono_s))
            publish.extend(self._answer_refused_request(refusal))
        for effect in answer.effects:
            if isinstance(effect, Persist):
                kept.append(effect.event)
                message = by_event.pop(id(effect.event), None)
                if message is not None:
                    waiting.append(message)
            elif isinstance(effect, Solve):
                solve = effect.problem
            elif isinstance(effect, Rejected):
                publish.extend(self._reject(effect, mono_s))
            elif isinstance(effect, SetpointSent | AssetSetpointSent):
                if not effect.renewal and isinstance(effect, SetpointSent):
                    sent.append(effect)
                if not self._hold(effect, mono_s):
                    publish.append(self._setpoint(effect))
            else:
                publish.extend(self._remember(p) for p in encode(self._site, effect))
        batch = None
        told = found.readings or found.steps or found.told
        if kept or sent or told or self._worth_keeping(mono_s):
            self._kept_mono_s, self._kept = mono_s, self._milestone()
            batch = replace(found, events=tuple(kept), setpoints=tuple(sent))
        if waiting:
            self._held_acks.append(_Held(self._token, mono_s, tuple(waiting)))
        acks = (*loose, *by_event.values())
        return Outcome(tuple(publish), acks, batch, solve, answer.due_mono_s, mono_s)

    def _milestone(self) -> tuple[object, ...]:
        """What must not be forgotten though no message says it again: plan, and who is where."""
        plan = self.state.plan
        return (None if plan is None else plan.digest, self.state.pile_session)

    def _worth_keeping(self, mono_s: float) -> bool:
        """Whether the state itself has to be written, though nothing was promised in this drain."""
        return mono_s - self._kept_mono_s > KEPT_AT_LEAST_S or self._milestone() != self._kept

    def _hold(self, effect: AnySetpoint, mono_s: float) -> bool:
        """Whether a setpoint waits for the disk; a newer word for a pile replaces a waiting one."""
        about = effect.pile if isinstance(effect, SetpointSent) else effect.asset
        waiting = self._held_setpoints.pop(about, None)
        if effect.after_commit and not self._store_broken:
            self._held_setpoints[about] = (self._token, mono_s, effect)
            return True
        if waiting is not None and effect.renewal:
            token, since, _ = waiting
            self._held_setpoints[about] = (token, since, effect)
            return True
        return False

    def _setpoint(self, effect: AnySetpoint) -> Publish:
        (publish,) = encode(self._site, effect)
        self.setpoint_count += not effect.renewal
        if not effect.renewal:
            self._count("setpoints_sent", "")
        if isinstance(effect, SetpointSent) and effect.pile not in self._mute:
            self._unanswered[effect.pile] = effect.stamp
        return publish

    def _answered(self, ack: PileAcked) -> None:
        self._mute.discard(ack.pile)
        asked = self._unanswered.get(ack.pile)
        if asked is not None and ack.setpoint >= asked:
            del self._unanswered[ack.pile]

    def age_s(self, outcome: Outcome) -> float:
        """How long ago something was decided, s."""
        return self._clock.mono_s() - outcome.made_mono_s

    def stored(self, token: int) -> tuple[tuple[Publish, ...], tuple[Message, ...]]:
        """Everything up to a token is on disk: what may be said and acknowledged now."""
        self._store_broken = False
        acks = tuple(m for h in self._held_acks if h.token <= token for m in h.acks)
        self._held_acks = [h for h in self._held_acks if h.token > token]
        return self._release(token), acks

    def store_failed(self) -> tuple[Publish, ...]:
        """The disk fails: control goes on, and nothing is acknowledged that was not stored.

        Increases no longer wait. A restart meanwhile finds none of them in the store; it raises
        nothing for one lease, and by then every pile has said what it draws.
        """
        self._store_broken = True
        return self._release(self._token)

    def _release(self, token: int) -> tuple[Publish, ...]:
        mono_s = self._clock.mono_s()
        ready = [p for p, (t, _, _) in self._held_setpoints.items() if t <= token]
        out = []
        for pile in ready:
            _, since, effect = self._held_setpoints.pop(pile)
            if mono_s - since <= HELD_AT_MOST_S:
                out.append(self._setpoint(effect))
        return tuple(out)

    def _reject(self, refusal: Rejected, mono_s: float) -> tuple[Publish, ...]:
        self.rejected_count += 1
        self._count("messages_rejected", refusal.code)
        if refusal.code in SECURITY:
            self._count("security_events", refusal.code)
            log.warning("security event", extra={"code": refusal.code, "topic": refusal.topic})
        passed = max(mono_s - self._rejected_mono_s, 0.0)
        self._rejected_mono_s = mono_s
        self._rejected_budget = min(
            self._rejected_budget + passed * REJECTED_PER_S, 2 * REJECTED_PER_S
        )
        if self._rejected_budget < 1.0:
            self._suppressed += 1
            return ()
        self._rejected_budget -= 1.0
        body = rejected_body(self._site, refusal, self._suppressed)
        self._suppressed = 0
        told = (publish_of(self._site, body),)
        if refusal.code not in SECURITY:
            return told
        return (*told, *encode(self._site, security_alert(refusal, self._clock.now())))

    def _answer_refused_request(self, refusal: Rejected) -> tuple[Publish, ...]:
        """A driver whose request contradicts itself is told on the session's own topic."""
        parts = refusal.topic.split("/")
        if refusal.code != "contradiction" or parts[3:4] != ["session"] or parts[-1] != "request":
            return ()
        session = parts[4]
        if session in self.state.sessions:
            return ()
        why = f"{refusal.field}: {refusal.reason}"
        return encode(self._site, SessionStatus(session=session, state="rejected", why=why))

    def _remember(self, publish: Publish) -> Publish:
        if publish.retain:
            if publish.payload:
                self._retained[publish.topic] = publish
            else:
                self._retained.pop(publish.topic, None)
        return publish

    def retained(self) -> tuple[Publish, ...]:
        """What a broker that has forgotten everything must be told again."""
        return tuple(self._retained.values())

    def renew_all(self) -> None:
        """Every lease is due now: what was said while nobody listened is said again."""
        self._held_setpoints.clear()
        piles = {k: replace(p, renewed_mono_s=-1.0) for k, p in self.state.piles.items()}
        self.state = replace(self.state, piles=piles)

    def say(self, effect: Outbound) -> tuple[Publish, ...]:
        """What to publish for something that the host itself has to say."""
        return tuple(self._remember(p) for p in encode(self._site, effect))

    def hand_over(self) -> tuple[Publish, ...]:
        """Every pile to its fallback, or less where it draws less: nothing rises by our going."""
        state, out = self.state, []
        for nameplate in self.engine.site.piles:
            pile = state.piles[nameplate.id]
            if not pile.sent:
                continue
            seq = state.seq + 1
            state = replace(state, seq=seq)
            effect = SetpointSent(
                pile=nameplate.id,
                stamp=(state.epoch, seq),
                power_kw=min(pile.wanted_kw, nameplate.fallback_kw),
                lease_s=self.engine.site.lease_s,
                fallback_kw=nameplate.fallback_kw,
                reason="waiting",
                after_commit=False,
            )
            out.append(self._setpoint(effect))
        self.state = state
        return tuple(out)

    def last_batch(self) -> Batch:
        """The state to be kept when the daemon ends."""
        self._token += 1
        return Batch(self._token, self._clock.now(), (), (), self.state)

    def raise_epoch(self, epoch: int) -> None:
        """Speak under a new epoch from now on."""
        self.state = replace(self.state, epoch=epoch, seq=0)

    @property
    def settled(self) -> bool:
        """Whether nothing waits for the disk or for a pile's acknowledgement."""
        return not (self._held_acks or self._held_setpoints or self._unanswered)

    def give_up_waiting(self) -> None:
        """Piles that have not answered are not waited for until they do."""
        self._mute.update(self._unanswered)
        self._unanswered.clear()


def _fault(message: Message) -> Rejected:
    return Rejected(
        topic=message.topic,
        code="program_fault",
        field="",
        reason="the program tripped over this message and set it aside; please report it",
    )
