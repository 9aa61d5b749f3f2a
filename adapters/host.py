"""What the daemon does with one drain: decode, ask the engine, sort what comes out. No threads.

Decreases are published at once. An increase waits until the drain it came from is on disk, and
so does the acknowledgement of every message the engine wants kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.asking import Answer, ask
from adapters.clock import Clock
from adapters.inbox import Message
from adapters.journal import Journal
from adapters.pile_words import PileWords
from adapters.refusals import Refusals, fault
from adapters.retained import Retained
from adapters.signatures import Keyring
from adapters.store.flows import FlowSampler
from adapters.store.readings import Sampler
from adapters.store.writer import Batch
from adapters.waiting import AnySetpoint, Waiting
from adapters.wire import Publish, decode, encode
from models.events import Event, PileAcked, Received
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

KEPT_AT_LEAST_S = 10.0
"""A state older than this is never the newest on disk."""


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
        self._waiting = Waiting()
        self._refusals = Refusals(self._site, clock, count)
        self._retained = Retained(self._site)
        self._sampler = Sampler()
        self._flows = FlowSampler()
        self._words = PileWords(engine.site.name)
        self._journal = Journal()
        self._kept_mono_s = clock.mono_s()
        self._kept = self._milestone()
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
                self._waiting.answered(read)
        answer = ask(self.engine, self.state, [*events, *facts], self._clock)
        for event in answer.faulty:
            if id(event) in by_event:
                message = by_event.pop(id(event))
                refused.append(fault(message))
                loose.append(message)
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
            flows=self._flows.take(self.state, self.engine.site),
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
            publish.extend(self._refusals.tell(refusal, self.state, mono_s))
        for effect in answer.effects:
            if isinstance(effect, Persist):
                kept.append(effect.event)
                message = by_event.pop(id(effect.event), None)
                if message is not None:
                    waiting.append(message)
            elif isinstance(effect, Solve):
                solve = effect.problem
            elif isinstance(effect, Rejected):
                publish.extend(self._refusals.tell(effect, self.state, mono_s))
            elif isinstance(effect, SetpointSent | AssetSetpointSent):
                if not effect.renewal and isinstance(effect, SetpointSent):
                    sent.append(effect)
                if not self._waiting.hold(effect, self._token, mono_s):
                    publish.append(self._setpoint(effect))
            else:
                if isinstance(effect, SessionStatus):
                    self._words.hear(effect)
                publish.extend(self._retained.remember(encode(self._site, effect)))
        batch = None
        told = found.readings or found.steps or found.told or found.flows
        if kept or sent or told or self._worth_keeping(mono_s):
            self._kept_mono_s, self._kept = mono_s, self._milestone()
            batch = replace(found, events=tuple(kept), setpoints=tuple(sent))
        self._waiting.acknowledge_after(self._token, tuple(waiting))
        acks = (*loose, *self._waiting.superseded(by_event.values()))
        return Outcome(tuple(publish), acks, batch, solve, answer.due_mono_s, mono_s)

    def _milestone(self) -> tuple[object, ...]:
        """What must not be forgotten though no message says it again: plan, and who is where."""
        plan = self.state.plan
        return (None if plan is None else plan.digest, self.state.pile_session)

    def _worth_keeping(self, mono_s: float) -> bool:
        """Whether the state itself has to be written, though nothing was promised in this drain."""
        return mono_s - self._kept_mono_s > KEPT_AT_LEAST_S or self._milestone() != self._kept

    def _setpoint(self, effect: AnySetpoint) -> Publish:
        (publish,) = encode(self._site, effect)
        self.setpoint_count += not effect.renewal
        if not effect.renewal:
            self._count("setpoints_sent", "")
        self._waiting.said(effect)
        return publish

    def age_s(self, outcome: Outcome) -> float:
        """How long ago something was decided, s."""
        return self._clock.mono_s() - outcome.made_mono_s

    def stored(self, token: int) -> tuple[tuple[Publish, ...], tuple[Message, ...]]:
        """Everything up to a token is on disk: what may be said and acknowledged now."""
        acks = self._waiting.stored(token)
        return self._release(token), acks

    def store_failed(self) -> tuple[Publish, ...]:
        """The disk fails: control goes on, and nothing is acknowledged that was not stored.

        Increases no longer wait. A restart meanwhile finds none of them in the store; it raises
        nothing for one lease, and by then every pile has said what it draws.
        """
        self._waiting.store_broken = True
        return self._release(self._token)

    def _release(self, token: int) -> tuple[Publish, ...]:
        ready = self._waiting.released(token, self._clock.mono_s())
        return tuple(self._setpoint(effect) for effect in ready)

    def retained(self) -> tuple[Publish, ...]:
        """What a broker that has forgotten everything must be told again."""
        return self._retained.all()

    def pile_words(self) -> tuple[Publish, ...]:
        """What piles are to show now: called now and then, never before setpoints have left."""
        return self._words.say(self.state, self.engine.site)

    def renew_all(self) -> None:
        """Every lease is due now: what was said while nobody listened is said again."""
        self._words.forget()
        self._waiting.drop_setpoints()
        piles = {k: replace(p, renewed_mono_s=-1.0) for k, p in self.state.piles.items()}
        self.state = replace(self.state, piles=piles)

    def say(self, effect: Outbound) -> tuple[Publish, ...]:
        """What to publish for something that the host itself has to say."""
        return self._retained.remember(encode(self._site, effect))

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
        left = self._flows.rest()
        return Batch(self._token, self._clock.now(), (), (), self.state, flows=left)

    def raise_epoch(self, epoch: int) -> None:
        """Speak under a new epoch from now on."""
        self.state = replace(self.state, epoch=epoch, seq=0)

    @property
    def settled(self) -> bool:
        """Whether nothing waits for the disk or for a pile's acknowledgement."""
        return self._waiting.nothing

    @property
    def rejected_count(self) -> int:
        """Messages refused so far."""
        return self._refusals.total

    def give_up_waiting(self) -> None:
        """Piles that have not answered are not waited for until they do."""
        self._waiting.give_up()
