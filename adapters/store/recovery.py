"""What the store gives back at start: the newest readable snapshot, and all that came after."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, replace

import msgspec

from adapters.store.codec import unpack_event, unpack_state
from models.errors import StoreError
from models.site import Site
from scheduler.draft import Draft
from scheduler.fold import fold
from scheduler.state import PileState, Recovered, SentSetpoint, SiteState
from scheduler.switching import clock_of, switched

log = logging.getLogger("valleyfill.store")


@dataclass(frozen=True)
class Stored:
    """What was found.

    Parameters
    ----------
    recovered : Recovered
        For the engine.
    replayed : int
        Events of the journal that came after the snapshot.
    """

    recovered: Recovered
    replayed: int


def recover(base: sqlite3.Connection, site: Site) -> Stored:
    """The state as it was when the last daemon ended, however it ended.

    Raises
    ------
    StoreError
        If the journal after the snapshot cannot be read: going on without it would forget
        something that was acknowledged.
    """
    (highest,) = base.execute("SELECT coalesce(max(epoch), 0) FROM epochs").fetchone()
    state, upto = _snapshot(base)
    rows = base.execute(
        "SELECT id, kind, body FROM journal WHERE id > ? ORDER BY id", (upto,)
    ).fetchall()
    if state is None and not rows:
        return Stored(Recovered(state=None, highest_epoch=highest), 0)
    for number, kind, body in rows:
        try:
            event = unpack_event(kind, body)
        except (msgspec.MsgspecError, KeyError) as problem:
            raise StoreError(
                f"entry {number} of the journal cannot be read: {problem}",
                fix="restore a backup",
            ) from problem
        if state is None:
            piles = {p.id: PileState() for p in site.piles}
            state = SiteState(
                now=event.now,
                mono_s=event.mono_s,
                epoch=0,
                seq=0,
                started_mono_s=event.mono_s,
                hold_until_mono_s=event.mono_s,
                piles=piles,
            )
        draft = Draft(state)
        fold(draft, event, site)
        state = draft.freeze()
    assert state is not None
    state = _with_setpoints(base, state, site)
    return Stored(Recovered(state=state, highest_epoch=highest), len(rows))


def _snapshot(base: sqlite3.Connection) -> tuple[SiteState | None, int]:
    rows = base.execute("SELECT upto, body FROM snapshots ORDER BY id DESC").fetchall()
    for upto, body in rows:
        try:
            return unpack_state(body), int(upto)
        except msgspec.MsgspecError as problem:
            log.error("a snapshot cannot be read, the one before is taken: %s", problem)
    return None, 0


def _with_setpoints(base: sqlite3.Connection, state: SiteState, site: Site) -> SiteState:
    """Every setpoint that was sent after the snapshot may be obeyed: it counts as sent."""
    piles = dict(state.piles)
    clock = clock_of(state.now, state.mono_s, site.zone)
    for pile, epoch, seq, power_kw in base.execute(
        "SELECT pile, epoch, seq, power_kw FROM setpoints"
    ):
        known = piles.get(pile)
        if known is None:
            continue
        stamp = (int(epoch), int(seq))
        newest = max(
            [s.stamp for s in known.unacked] + ([known.acked.stamp] if known.acked else []),
            default=(-1, -1),
        )
        if stamp <= newest:
            continue
        sent = SentSetpoint(
            stamp=stamp,
            power_kw=power_kw,
            sent_mono_s=state.mono_s,
            holds_until_mono_s=state.mono_s,
        )
        piles[pile] = replace(
            switched(known, power_kw, clock),
            unacked=(*known.unacked, sent),
            wanted_kw=power_kw,
            sent=True,
        )
    return replace(state, piles=piles)
