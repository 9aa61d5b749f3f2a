"""The store: what was acknowledged is there again, whatever ended the daemon."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.site_lock import lock_site
from adapters.store import codec
from adapters.store.backup import backup_store, restore_store
from adapters.store.recovery import recover
from adapters.store.schema import VERSION, begin_epoch, names_of, open_store
from adapters.store.writer import Batch, Writer
from models import events as e
from models.errors import StoreError
from models.session import Request
from scheduler.effects import SetpointSent
from scheduler.state import PileState, SentSetpoint, SiteState
from tests.world import pile, site

NOW = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
YARD = site((pile("A-01"), pile("A-02")))


def state(**change: Any) -> SiteState:
    base: dict[str, Any] = {
        "now": NOW,
        "mono_s": 50.0,
        "epoch": 1,
        "seq": 9,
        "started_mono_s": 0.0,
        "hold_until_mono_s": 0.0,
        "piles": {"A-01": PileState(), "A-02": PileState()},
    }
    return SiteState(**{**base, **change})


def requested(session: str, seq: int = 1) -> e.SessionRequested:
    return e.SessionRequested(
        now=NOW,
        mono_s=50.0,
        stamp=(1, seq),
        issued_at=NOW,
        request=Request(session, "A-01", NOW, NOW + timedelta(hours=4), 20.0),
    )


def setpoint(power_kw: float, seq: int) -> SetpointSent:
    return SetpointSent(
        pile="A-01",
        stamp=(1, seq),
        power_kw=power_kw,
        lease_s=60.0,
        fallback_kw=0.0,
        reason="plan",
        after_commit=True,
    )


class Desk:
    """A writer on a file, and what it reports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens: list[int] = []
        self.failures: list[str] = []
        self._heard = threading.Condition()
        self.writer = Writer(open_store(path), stored=self._stored, failed=self._failed)
        self.writer.start()

    def _stored(self, token: int) -> None:
        with self._heard:
            self.tokens.append(token)
            self._heard.notify_all()

    def _failed(self, reason: str) -> None:
        with self._heard:
            self.failures.append(reason)
            self._heard.notify_all()

    def put(self, token: int, *, events: tuple[e.Received, ...] = (), **more: Any) -> None:
        setpoints = more.pop("setpoints", ())
        self.writer.put(Batch(token, NOW, events, setpoints, more.pop("state", state())))

    def wait(self, token: int) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: self.tokens[-1:] == [token], 40)


def copy_of(path: Path, folder: Path) -> Path:
    """The files as a kill -9 at this moment leaves them."""
    folder.mkdir()
    for part in path.parent.glob(path.name + "*"):
        (folder / part.name).write_bytes(part.read_bytes())
    return folder / path.name


def test_what_was_reported_as_stored_is_there_after_a_kill(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a.db")
    desk.put(1, events=(requested("s1"),))
    desk.wait(1)
    found = recover(open_store(copy_of(desk.path, tmp_path / "killed")), YARD).recovered
    desk.writer.stop()
    assert found.state is not None
    assert found.state.epoch == 1


def test_events_after_the_last_snapshot_are_folded_in_again(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    base.execute(
        "INSERT INTO snapshots (at, upto, body) VALUES ('', 0, ?)", (codec.pack_state(state()),)
    )
    limit = e.LimitPushed(
        now=NOW,
        mono_s=50.0,
        stamp=(1, 1),
        issued_at=NOW,
        node="transformer",
        limit="cap",
        valid_from=NOW,
        valid_until=None,
        import_kw=60.0,
        export_kw=None,
        source="grid",
    )
    for event in (requested("s1"), limit):
        kind, body = codec.pack_event(event)
        base.execute("INSERT INTO journal (at, kind, body) VALUES ('', ?, ?)", (kind, body))
    found = recover(base, YARD)
    assert found.replayed == 2
    assert found.recovered.state is not None
    assert found.recovered.state.sessions["s1"].request == requested("s1").request
    assert found.recovered.state.limits["transformer"]["cap"].pushed == limit


def test_a_setpoint_sent_after_the_snapshot_counts_as_perhaps_obeyed(tmp_path: Path) -> None:
    old = SentSetpoint((1, 3), 5.0, 40.0, 105.0)
    before = state(piles={"A-01": PileState(acked=old, wanted_kw=5.0, sent=True)})
    base = open_store(tmp_path / "a.db")
    base.execute(
        "INSERT INTO snapshots (at, upto, body) VALUES ('', 0, ?)", (codec.pack_state(before),)
    )
    base.execute("INSERT INTO setpoints VALUES ('A-01', 1, 7, 6.5, 60, '')")
    found = recover(base, YARD).recovered.state
    assert found is not None
    known = found.piles["A-01"]
    assert known.acked == old
    assert [(s.stamp, s.power_kw) for s in known.unacked] == [((1, 7), 6.5)]
    assert known.wanted_kw == 6.5


def test_a_snapshot_that_cannot_be_read_gives_way_to_the_one_before(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    for body in (codec.pack_state(state(seq=77)), b"\xc1 nonsense"):
        base.execute("INSERT INTO snapshots (at, upto, body) VALUES ('', 0, ?)", (body,))
    found = recover(base, YARD).recovered.state
    assert found is not None
    assert found.seq == 77


def test_a_journal_that_cannot_be_read_stops_the_start_since_it_was_acknowledged(
    tmp_path: Path,
) -> None:
    base = open_store(tmp_path / "a.db")
    base.execute("INSERT INTO journal (at, kind, body) VALUES ('', 'LimitPushed', x'c1')")
    with pytest.raises(StoreError, match="entry 1 of the journal"):
        recover(base, YARD)


def test_a_first_start_finds_nothing_and_epochs_only_rise(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    assert recover(base, YARD).recovered.state is None
    for epoch in (1, 7):
        begin_epoch(base, epoch, NOW)
    assert recover(base, YARD).recovered.highest_epoch == 7
    with pytest.raises(sqlite3.IntegrityError):
        begin_epoch(base, 7, NOW)


def test_a_store_keeps_its_name_and_another_has_another(tmp_path: Path) -> None:
    first = names_of(open_store(tmp_path / "a.db"))
    assert names_of(open_store(tmp_path / "a.db")) == first
    other = names_of(open_store(tmp_path / "b.db"))
    assert not {first.instance, first.client} & {other.instance, other.client}


def test_a_store_with_one_name_keeps_its_sessions_on_the_broker(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    base.execute("INSERT INTO facts VALUES ('instance', 'cafe0123')")
    names = names_of(base)
    assert (names.instance, names.client) == ("cafe0123", "cafe0123")


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    base.execute(f"PRAGMA user_version = {VERSION + 1}")
    base.close()
    with pytest.raises(StoreError, match="use the newer one"):
        open_store(tmp_path / "a.db")


@pytest.mark.parametrize(
    "content", [b"no database at all" * 400, b"SQLite format 3\x00" + b"x" * 9000]
)
def test_a_damaged_store_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        open_store(path)
    assert caught.value.where == str(path)


def test_many_batches_cost_few_commits_and_all_are_there(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a.db")
    for k in range(1, 501):
        desk.put(k, events=(requested(f"s{k}", k),))
    desk.wait(500)
    assert len(desk.tokens) < 500
    desk.writer.stop()
    (count,) = open_store(desk.path).execute("SELECT count(*) FROM journal").fetchone()
    assert count == 500


def test_a_store_that_fails_says_so_once_and_catches_up_when_it_can_write_again(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path / "a.db")
    blocker = sqlite3.connect(desk.path, isolation_level=None)
    desk.writer._base.execute("PRAGMA busy_timeout = 50")
    blocker.execute("BEGIN IMMEDIATE")
    desk.put(1, events=(requested("s1"),), setpoints=(setpoint(7.0, 1),))
    with desk._heard:
        assert desk._heard.wait_for(lambda: bool(desk.failures), 40)
    desk.put(2, events=(requested("s2", 2),), setpoints=(setpoint(3.0, 2),))
    assert not desk.writer.healthy
    assert desk.tokens == []
    blocker.execute("ROLLBACK")
    desk.wait(2)
    assert desk.writer.healthy
    assert len(desk.failures) == 1
    desk.writer.stop()
    base = open_store(desk.path)
    assert base.execute("SELECT count(*) FROM journal").fetchone() == (2,)
    assert base.execute("SELECT power_kw FROM setpoints").fetchone() == (3.0,)


def test_a_backup_taken_while_writing_comes_back_as_a_whole_store(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "a.db")
    desk.put(1, events=(requested("s1"),), state=state(seq=5))
    desk.wait(1)
    backup_store(desk.path, tmp_path / "backup.db")
    desk.put(2, state=state(seq=6))
    desk.wait(2)
    with lock_site(desk.path), pytest.raises(StoreError, match="another daemon"):
        restore_store(tmp_path / "backup.db", desk.path, YARD)
    desk.writer.stop()
    restore_store(tmp_path / "backup.db", desk.path, YARD)
    found = recover(open_store(desk.path), YARD).recovered.state
    assert found is not None
    assert found.seq == 5


def test_a_store_and_its_copies_are_their_owners_alone(tmp_path: Path) -> None:
    store, copy = tmp_path / "a.db", tmp_path / "backup.db"
    before = os.umask(0)
    try:
        open_store(store).close()
        backup_store(store, copy)
        made = {f.name: f.stat().st_mode & 0o077 for f in (store, copy)}
        store.unlink()
        restore_store(copy, store, YARD)
        made["restored"] = store.stat().st_mode & 0o077
    finally:
        os.umask(before)
    assert made == {"a.db": 0, "backup.db": 0, "restored": 0}


def kept_at_5(folder: Path) -> Desk:
    """A store that holds a state of seq 5."""
    desk = Desk(folder / "a.db")
    desk.put(1, state=state(seq=5))
    desk.wait(1)
    return desk


def seq_of(store: Path) -> int:
    """Of the state that comes back."""
    found = recover(open_store(store), YARD).recovered.state
    assert found is not None
    return found.seq


def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    desk = kept_at_5(tmp_path)
    desk.writer.stop()
    (tmp_path / "backup.db").write_bytes(b"no database" * 500)
    with pytest.raises(StoreError):
        restore_store(tmp_path / "backup.db", desk.path, YARD)
    assert seq_of(desk.path) == 5


def other_sites_backup(folder: Path) -> Path:
    desk = Desk(folder / "other.db")
    piles = {"X-01": PileState()}
    desk.put(1, state=state(seq=7, piles=piles))
    desk.wait(1)
    desk.writer.stop()
    backup_store(desk.path, folder / "other-backup.db")
    return folder / "other-backup.db"


def empty_file(folder: Path) -> Path:
    (folder / "empty.db").touch()
    return folder / "empty.db"


def database_of_others(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "foreign.db")) as base:
        base.execute("CREATE TABLE customers (name TEXT)")
        base.execute("PRAGMA user_version = 3")
    return folder / "foreign.db"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (empty_file, "no backup of a store"),
        (database_of_others, "no backup of a store"),
        (other_sites_backup, "another site.*X-01"),
    ],
)
def test_what_is_no_backup_of_this_site_changes_nothing(
    wrong: Callable[[Path], Path], says: str, tmp_path: Path
) -> None:
    desk = kept_at_5(tmp_path)
    desk.writer.stop()
    named = wrong(tmp_path)
    before = {f.name for f in tmp_path.iterdir()}
    with pytest.raises(StoreError, match=says):
        restore_store(named, desk.path, YARD)
    assert {f.name for f in tmp_path.iterdir()} - before <= {"a.db.lock"}
    assert seq_of(desk.path) == 5


def test_the_store_that_a_backup_replaces_is_kept(tmp_path: Path) -> None:
    desk = kept_at_5(tmp_path)
    backup_store(desk.path, tmp_path / "backup.db")
    desk.put(2, state=state(seq=6))
    desk.wait(2)
    desk.writer.stop()
    kept = restore_store(tmp_path / "backup.db", desk.path, YARD)
    assert kept is not None
    assert seq_of(kept) == 6


def test_a_damaged_store_gives_way_to_its_backup_and_is_kept(tmp_path: Path) -> None:
    desk = kept_at_5(tmp_path)
    desk.writer.stop()
    backup_store(desk.path, tmp_path / "backup.db")
    desk.path.write_bytes(b"no database" * 500)
    Path(f"{desk.path}-wal").write_bytes(b"left behind")
    kept = restore_store(tmp_path / "backup.db", desk.path, YARD)
    assert kept is not None
    assert kept.read_bytes() == b"no database" * 500
    assert seq_of(desk.path) == 5


def test_a_state_with_everything_in_it_comes_back_equal() -> None:
    full = state(
        piles={"A-01": PileState(unacked=(SentSetpoint((1, 2), 3.0, 4.0, float("inf")),))},
        tombstones={"s0": (1, 2)},
        seen={"pile/A-01/ack": (3, 4)},
        alerts={"heartbeat_lost/depot-1": NOW},
    )
    assert codec.unpack_state(codec.pack_state(full)) == full
    assert codec.unpack_state(codec.pack_state(replace(full, plan=None))) == full


def test_one_daemon_for_each_site_on_a_machine(tmp_path: Path) -> None:
    with lock_site(tmp_path / "a.db"), pytest.raises(StoreError, match="another daemon"):
        lock_site(tmp_path / "a.db")
    lock_site(tmp_path / "a.db").close()
