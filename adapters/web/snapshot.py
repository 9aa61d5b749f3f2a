"""What the page reads of the store: the newest state, the newest step, what was told lately."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from adapters.store.steps import Step, read_steps, reading_store
from models.events import BookChosen, Emergency, ForecastPushed, Overridden, PricesPushed
from models.plan import Plan
from scheduler.draft import Draft
from scheduler.state import (
    AssetState,
    CalledRecord,
    LimitRecord,
    NodeState,
    PileState,
    SessionRecord,
    SiteState,
)


class Seen(msgspec.Struct, frozen=True):
    """The part of a stored state that people look at; the plan stays packed until it changes."""

    now: datetime
    mono_s: float
    epoch: int
    started_mono_s: float
    piles: dict[str, PileState]
    sessions: dict[str, SessionRecord] = msgspec.field(default_factory=dict)
    pile_session: dict[str, str] = msgspec.field(default_factory=dict)
    limits: dict[str, dict[str, LimitRecord]] = msgspec.field(default_factory=dict)
    nodes: dict[str, NodeState] = msgspec.field(default_factory=dict)
    assets: dict[str, AssetState] = msgspec.field(default_factory=dict)
    calls: dict[str, CalledRecord] = msgspec.field(default_factory=dict)
    forecasts: dict[str, ForecastPushed] = msgspec.field(default_factory=dict)
    prices: dict[str, tuple[PricesPushed, ...]] = msgspec.field(default_factory=dict)
    books: dict[str, tuple[BookChosen, ...]] = msgspec.field(default_factory=dict)
    overrides: dict[str, Overridden] = msgspec.field(default_factory=dict)
    emergencies: dict[str, Emergency] = msgspec.field(default_factory=dict)
    heartbeat_issued_at: datetime | None = None
    stale: bool = False
    solver_lost: bool = False
    alerts: dict[str, datetime] = msgspec.field(default_factory=dict)
    plan: msgspec.Raw = msgspec.Raw(b"\xc0")

    def draft(self) -> Draft:
        """For the engine's own questions to a state; only what is kept here may be asked."""
        return Draft(cast(SiteState, self))


_SEEN = msgspec.msgpack.Decoder(Seen)
_PLAN = msgspec.msgpack.Decoder(Plan | None)


@dataclass(frozen=True)
class Event:
    """One line of what was told: an alert or an answer to a limit."""

    number: int
    at: datetime
    kind: str
    about: str
    body: dict[str, Any]


class Reader:
    """A store, read beside the daemon that writes it.

    Parameters
    ----------
    path : Path
        The store.

    Raises
    ------
    StoreError
        If there is none, or it is older than step records.
    """

    def __init__(self, path: Path) -> None:
        self._base = reading_store(path)
        self._version = -1
        self._snapshot = -1
        self._plan_bytes = b""
        self.seen: Seen | None = None
        self.plan: Plan | None = None
        self.step: Step | None = None
        self.events: tuple[Event, ...] = ()

    def poll(self) -> bool:
        """Read what is new; False where nothing was written since the last time.

        Raises
        ------
        sqlite3.Error
            If the store cannot be read now; the next call tries again.
        """
        (version,) = self._base.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        row = self._base.execute(
            "SELECT id, body FROM snapshots WHERE id > ? ORDER BY id DESC LIMIT 1",
            (self._snapshot,),
        ).fetchone()
        if row is not None:
            self._snapshot = int(row[0])
            self.seen = _SEEN.decode(row[1])
            packed = bytes(self.seen.plan)
            if packed != self._plan_bytes:
                self._plan_bytes, self.plan = packed, _PLAN.decode(packed)
        self._read_step()
        self.events = tuple(self._told(400))
        self._version = version
        return True

    def _read_step(self) -> None:
        (newest,) = self._base.execute("SELECT coalesce(max(id), 0) FROM steps").fetchone()
        if newest and (self.step is None or self.step.number != newest):
            self.step = next(iter(read_steps(self._base, newest=1)))

    def _told(self, newest: int) -> Sequence[Event]:
        rows = self._base.execute(
            "SELECT id, at, kind, about, body FROM told ORDER BY id DESC LIMIT ?", (newest,)
        )
        return [
            Event(number, datetime.fromisoformat(at), kind, about, msgspec.json.decode(body))
            for number, at, kind, about, body in rows
        ]

    def close(self) -> None:
        """Let the store go."""
        self._base.close()


StoreFault = sqlite3.Error
"""What :meth:`Reader.poll` raises."""
