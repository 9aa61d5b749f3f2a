"""A simulated run's store: what a daemon would have written, for page, report and replay."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from adapters.journal import Journal
from adapters.simulator.inprocess import EngineLike
from adapters.solving import rungs_of
from adapters.store.flows import FlowSampler
from adapters.store.readings import Sampler
from adapters.store.schema import open_store
from adapters.store.writer import Batch, Writer
from models.errors import StoreError
from models.events import Event, Solved
from models.site import Site
from scheduler.cascade import started_from
from scheduler.effects import Effect, Persist, SetpointSent, Solve
from scheduler.problem import Problem
from scheduler.state import Recovered, SiteState

BEHIND_AT_MOST = 200
"""Batches that may wait for the disk before the run waits for it."""

WAIT_S = 60.0


class Recording:
    """An engine whose every drain leaves its trace in a store.

    Parameters
    ----------
    engine : EngineLike
        The engine.
    path : Path
        The store; there must be none yet.
    site : Site
        The engine's.

    Raises
    ------
    StoreError
        If there is one already: a run is not written over another.
    """

    def __init__(self, engine: EngineLike, path: Path, site: Site) -> None:
        if path.exists():
            raise StoreError("is there already", where=str(path), fix="name another file")
        self._engine = engine
        self._site = site
        self._sampler, self._journal = Sampler(), Journal()
        # Simulated time jumps to the next event: what lies between is known, however long.
        self._flows = FlowSampler(silence_s=math.inf)
        self._last: SiteState | None = None
        self._token = self._done = 0
        self._written = threading.Condition()
        self._failure = ""
        self._asked: Problem | None = None
        self._writer = Writer(
            open_store(path), stored=self._stored, failed=self._failed, kept_days=100_000
        )
        self._writer.start()

    def start(
        self, *, now: datetime, mono_s: float, epoch: int, recovered: Recovered | None = None
    ) -> SiteState:
        """As the engine's."""
        return self._engine.start(now=now, mono_s=mono_s, epoch=epoch, recovered=recovered)

    def receive(
        self, state: SiteState, events: Sequence[Event]
    ) -> tuple[SiteState, tuple[Effect, ...], float]:
        """As the engine's; what is to be kept goes to the store."""
        state, effects, due = self._engine.receive(state, events)
        told = [self._answered(e) for e in events]
        batch = Batch(
            token=self._token + 1,
            now=state.now,
            events=tuple(e.event for e in effects if isinstance(e, Persist)),
            setpoints=tuple(e for e in effects if isinstance(e, SetpointSent) and not e.renewal),
            state=state,
            readings=tuple(self._sampler.take(events, state)),
            steps=self._journal.steps(told, effects),
            told=self._journal.told(state.now, effects),
            flows=self._flows.take(state, self._site),
        )
        self._last = state
        self._asked = next((e.problem for e in effects if isinstance(e, Solve)), self._asked)
        found = (
            batch.events,
            batch.setpoints,
            batch.readings,
            batch.steps,
            batch.told,
            batch.flows,
        )
        if any(found):
            self._put(batch)
        return state, effects, due

    def _answered(self, event: Event) -> Event:
        """An answer made inline, with what a solving process would have told beside it."""
        if not isinstance(event, Solved) or self._asked is None:
            return event
        rungs = rungs_of(self._site)
        return replace(event, rungs=rungs, start=started_from(self._asked, rungs))

    def close(self) -> None:
        """Write what waits, with what is known of the quarter hour that runs."""
        left, state = self._flows.rest(), self._last
        if left and state is not None:
            self._put(Batch(self._token + 1, state.now, (), (), state, flows=left))
        self._wait(0)
        self._writer.stop()

    def _put(self, batch: Batch) -> None:
        self._token = batch.token
        self._writer.put(batch)
        self._wait(BEHIND_AT_MOST)

    def _wait(self, behind: int) -> None:
        with self._written:
            near = self._written.wait_for(
                lambda: self._failure or self._token - self._done <= behind, WAIT_S
            )
        if self._failure or not near:
            raise StoreError(f"cannot be written: {self._failure or 'it takes too long'}")

    def _stored(self, token: int) -> None:
        with self._written:
            self._done = max(self._done, token)
            self._written.notify_all()

    def _failed(self, why: str) -> None:
        with self._written:
            self._failure = why
            self._written.notify_all()
