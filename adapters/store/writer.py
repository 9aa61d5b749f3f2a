"""The writing side: a thread that commits what has piled up since the last commit, in groups.

The control thread never waits for the disk. Each drain hands over one batch; a commit covers
all batches that came while the last one was syncing, so a burst costs few syncs and a lone
batch is written at once.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adapters.store.codec import pack_event, pack_plan, pack_state
from adapters.store.flows import Flow, write_flows
from adapters.store.readings import Reading, write_readings
from adapters.store.retention import DAYS, forget
from adapters.store.schema import begin_epoch, give_names_away
from adapters.store.steps import TOLD_KEPT, Step, Told, write_steps, write_told
from models.events import Received
from scheduler.effects import SetpointSent
from scheduler.state import SiteState

log = logging.getLogger("valleyfill.store")

SNAPSHOTS_KEPT = 3
JOURNAL_KEPT = 200_000
PLANS_KEPT = timedelta(days=7)
RETRY_S = 1.0
WAITING_AT_MOST = 20_000
"""Batches that may wait while the disk fails; beyond that the oldest setpoints are let go."""


@dataclass(frozen=True)
class Batch:
    """What one drain leaves to be written.

    Parameters
    ----------
    token : int
        Rises with every batch.
    now : datetime
        Of the drain.
    events : tuple of Received
        To the journal.
    setpoints : tuple of SetpointSent
        Last one of each pile is kept.
    state : SiteState
        After the drain; the newest of a commit is written as its snapshot.
    readings : tuple of Reading
        Registers, for the bill.
    steps : tuple of Step
        Plans with all that made them.
    told : tuple of Told
        Alerts and answers.
    flows : tuple of Flow
        Quarter hours that ended.
    """

    token: int
    now: datetime
    events: tuple[Received, ...]
    setpoints: tuple[SetpointSent, ...]
    state: SiteState
    readings: tuple[Reading, ...] = ()
    steps: tuple[Step, ...] = ()
    told: tuple[Told, ...] = ()
    flows: tuple[Flow, ...] = ()


class Writer:
    """Owns the connection to the database from :meth:`start` on.

    Parameters
    ----------
    base : sqlite3.Connection
        From :func:`adapters.store.schema.open_store`.
    stored : callable
        Told the token up to which everything is on disk, in the writer's thread.
    failed : callable
        Told once when writing begins to fail; it is tried again until it succeeds.
    kept_days : int
        How long sessions are kept, days.
    """

    def __init__(
        self,
        base: sqlite3.Connection,
        *,
        stored: Callable[[int], None],
        failed: Callable[[str], None],
        kept_days: int = DAYS,
    ) -> None:
        self._base = base
        self._stored = stored
        self._failed = failed
        self._kept_days = kept_days
        self._ready = threading.Condition()
        self._waiting: list[Batch] = []
        self._stopping = False
        self._broken = False
        self._digest = ""
        self._lock = threading.Lock()
        self._beat_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hand a batch over; returns at once."""
        with self._ready:
            self._waiting.append(batch)
            if len(self._waiting) > WAITING_AT_MOST:
                self._shorten()
            self._ready.notify()

    def stop(self) -> None:
        """Write what waits, with a last snapshot, and close."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        if self._thread.ident is not None:
            self._thread.join(10.0)
        with self._lock:
            self._base.close()

    @property
    def healthy(self) -> bool:
        """Whether the last commit succeeded."""
        return not self._broken

    @property
    def alive(self) -> bool:
        """Whether the thread works: it has come round lately."""
        return self._thread.is_alive() and time.monotonic() - self._beat_s < 30.0

    def note_epoch(self, epoch: int, now: datetime) -> None:
        """Write down that a new epoch has begun, before it is spoken under."""
        with self._lock:
            begin_epoch(self._base, epoch, now)

    def give_names_away(self) -> None:
        """A daemon from a copy of this store runs the site: the next start goes by other names."""
        with self._lock:
            give_names_away(self._base)

    def tidy(self) -> None:
        """Once a day: let go of old readings, fold the write-ahead log into the database."""
        with self._lock:
            forget(self._base, datetime.now(UTC), self._kept_days)
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _shorten(self) -> None:
        """Keep every event, and of setpoints and states only the newest; steps are let go."""
        events = tuple(e for b in self._waiting for e in b.events)
        last: dict[str, SetpointSent] = {s.pile: s for b in self._waiting for s in b.setpoints}
        readings = tuple(r for b in self._waiting for r in b.readings)
        end = self._waiting[-1]
        told = tuple(t for b in self._waiting for t in b.told)[-TOLD_KEPT:]
        flows = tuple(f for b in self._waiting for f in b.flows)
        self._waiting = [
            Batch(
                end.token,
                end.now,
                events,
                tuple(last.values()),
                end.state,
                readings,
                end.steps,
                told,
                flows,
            )
        ]

    def _run(self) -> None:
        while True:
            with self._ready:
                if not self._waiting and not self._stopping:
                    self._ready.wait(5.0)
                self._beat_s = time.monotonic()
                if self._stopping and not self._waiting:
                    return
                if not self._waiting:
                    continue
                batches, self._waiting = self._waiting, []
                last = self._stopping
            try:
                self._commit(batches)
            except Exception as problem:
                self._not_written(batches, problem)
                if last:
                    return
                continue
            if self._broken:
                self._broken = False
                log.warning("the store can be written again")
            self._stored(batches[-1].token)

    def _not_written(self, batches: list[Batch], problem: Exception) -> None:
        with self._ready:
            self._waiting = batches + self._waiting
            self._shorten()
        if not self._broken:
            self._broken = True
            log.error("the store cannot be written: %s", problem)
            self._failed(str(problem))
        with self._ready:
            if not self._stopping:
                self._ready.wait(RETRY_S)

    def _commit(self, batches: list[Batch]) -> None:
        end = batches[-1]
        with self._lock:
            base = self._base
            base.execute("BEGIN IMMEDIATE")
            try:
                base.executemany(
                    "INSERT INTO journal (at, kind, body) VALUES (?, ?, ?)",
                    [(e.now.isoformat(), *pack_event(e)) for b in batches for e in b.events],
                )
                base.executemany(
                    "INSERT OR REPLACE INTO setpoints VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (s.pile, *s.stamp, s.power_kw, s.lease_s, b.now.isoformat())
                        for b in batches
                        for s in b.setpoints
                    ],
                )
                write_readings(base, (r for b in batches for r in b.readings))
                write_steps(base, (s for b in batches for s in b.steps))
                write_told(base, [t for b in batches for t in b.told])
                write_flows(base, (f for b in batches for f in b.flows))
                self._snapshot(end)
                base.execute("COMMIT")
            except BaseException:
                base.execute("ROLLBACK")
                raise
        self._digest = "" if end.state.plan is None else end.state.plan.digest

    def _snapshot(self, end: Batch) -> None:
        base, at = self._base, end.now.isoformat()
        base.execute(
            "INSERT INTO snapshots (at, upto, body) "
            "VALUES (?, (SELECT coalesce(max(id), 0) FROM journal), ?)",
            (at, pack_state(end.state)),
        )
        base.execute(
            "DELETE FROM snapshots WHERE id <= (SELECT max(id) FROM snapshots) - ?",
            (SNAPSHOTS_KEPT,),
        )
        base.execute(
            "DELETE FROM journal WHERE id <= (SELECT max(id) FROM journal) - ? "
            "AND id <= (SELECT min(upto) FROM snapshots)",
            (JOURNAL_KEPT,),
        )
        if end.state.plan is not None and end.state.plan.digest != self._digest:
            base.execute(
                "INSERT OR REPLACE INTO plans VALUES (?, ?, ?)",
                (end.state.plan.digest, at, pack_plan(end.state.plan)),
            )
            base.execute("DELETE FROM plans WHERE at < ?", ((end.now - PLANS_KEPT).isoformat(),))
