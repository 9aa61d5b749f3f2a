"""What the page reads of the store: the newest state, the newest step, what was told lately."""

from __future__ import annotations

import dataclasses
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from adapters.journal import SESSION_FULL
from adapters.store.steps import Step, read_step, reading_store
from adapters.web.kept import Kept
from adapters.web.planned import Planned, of_plan, of_step
from models.plan import Plan
from scheduler.state import PileState, SessionRecord, SiteState

_PACKED = ("plan", "seen", "tombstones", "history", "piles", "sessions")
"""Fields that cost most to read: they stay packed, and piles and sessions are read by what changed
in them."""


EVENTS_KEPT = 400
"""So many of the newest events are at hand."""


def _decoder() -> msgspec.msgpack.Decoder[Any]:
    """Reads a state as it is stored, every field of it, but for what stays packed."""
    hints = get_type_hints(SiteState)
    columns: list[Any] = []
    for f in dataclasses.fields(SiteState):
        if f.name in _PACKED:
            columns.append((f.name, msgspec.Raw, msgspec.Raw(b"\xc0")))
        elif f.default_factory is not dataclasses.MISSING:
            columns.append(
                (f.name, hints[f.name], msgspec.field(default_factory=f.default_factory))
            )
        elif f.default is not dataclasses.MISSING:
            columns.append((f.name, hints[f.name], f.default))
        else:
            columns.append((f.name, hints[f.name]))
    return msgspec.msgpack.Decoder(msgspec.defstruct("Seen", columns, frozen=True))


_SEEN = _decoder()
_FIELDS = tuple(f.name for f in dataclasses.fields(SiteState))
_PLAN = msgspec.msgpack.Decoder(Plan | None)
_HEAD = msgspec.msgpack.Decoder(msgspec.defstruct("Head", [("digest", str)]) | None)


def decode_plan(packed: bytes) -> Plan | None:
    """A stored plan, whole; None where there is none."""
    found: Plan | None = _PLAN.decode(packed)
    return found


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
        self._piles, self._sessions = Kept(PileState), Kept(SessionRecord)
        self.packed_plan = b"\xc0"
        self._planned: Planned | None = None
        self.seen: SiteState | None = None
        self.step: Step | None = None
        self._step_digest = ""
        self.events: tuple[Event, ...] = ()

    def poll(self) -> bool:
        """Read what is new; False where nothing was written since the last time.

        Raises
        ------
        sqlite3.Error, msgspec.MsgspecError
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
            found = _SEEN.decode(row[1])
            self.seen = self._state(found)
            packed = bytes(found.plan)
            if packed != self.packed_plan:
                self.packed_plan, self._planned = packed, None
        self._read_step()
        self._read_told()
        self._version = version
        return True

    def _state(self, found: Any) -> SiteState:
        """A state whose piles and sessions that did not change are the objects they were."""
        values = {name: getattr(found, name) for name in _FIELDS}
        values["piles"] = self._piles.read(found.piles)
        values["sessions"] = self._sessions.read(found.sessions)
        return SiteState(**values)

    def planned(self) -> Planned | None:
        """The running plan as arrays: of its step record, where that is kept."""
        if self._planned is None:
            head = _HEAD.decode(self.packed_plan)
            if head is None:
                return None
            step, plan = self.step, None
            if step is None or self._step_digest != head.digest:
                plan = decode_plan(self.packed_plan)
            if plan is not None:
                self._planned = of_plan(plan)
            elif step is not None:
                self._planned = of_step(step)
        return self._planned

    def _read_step(self) -> None:
        newest = self._base.execute(
            "SELECT id, digest FROM steps ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if newest is not None and (self.step is None or self.step.number != newest[0]):
            self.step, self._step_digest = read_step(self._base, newest[0]), newest[1]

    def _read_told(self) -> None:
        last = self.events[0].number if self.events else 0
        rows = self._base.execute(
            "SELECT id, at, kind, about, body FROM told WHERE id > ? AND kind != ? "
            "ORDER BY id DESC LIMIT ?",
            (last, SESSION_FULL, EVENTS_KEPT),
        )
        new = [
            Event(number, datetime.fromisoformat(at), kind, about, msgspec.json.decode(body))
            for number, at, kind, about, body in rows
        ]
        if new:
            self.events = (*new, *self.events)[:EVENTS_KEPT]

    def close(self) -> None:
        """Let the store go."""
        self._base.close()


StoreFault = (sqlite3.Error, msgspec.MsgspecError)
"""What :meth:`Reader.poll` raises: the store cannot be read, or another version wrote it."""
