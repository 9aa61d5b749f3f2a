"""The database: its tables, its version, and the way from an older version to this one."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from models.errors import StoreError

VERSION = 5
"""Of the tables, in ``PRAGMA user_version``. A store of a higher version is refused."""

_MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, began TEXT NOT NULL)",
        "CREATE TABLE journal (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, "
        "kind TEXT NOT NULL, body BLOB NOT NULL)",
        "CREATE TABLE snapshots (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, "
        "upto INTEGER NOT NULL, body BLOB NOT NULL)",
        "CREATE TABLE setpoints (pile TEXT PRIMARY KEY, epoch INTEGER NOT NULL, "
        "seq INTEGER NOT NULL, power_kw REAL NOT NULL, lease_s REAL NOT NULL, at TEXT NOT NULL) "
        "WITHOUT ROWID",
        "CREATE TABLE plans (digest TEXT PRIMARY KEY, at TEXT NOT NULL, body BLOB NOT NULL) "
        "WITHOUT ROWID",
    ),
    2: (
        "CREATE TABLE readings (meter TEXT NOT NULL, session TEXT NOT NULL, "
        "at_s INTEGER NOT NULL, import_kwh REAL NOT NULL, export_kwh REAL, "
        "PRIMARY KEY (meter, session, at_s)) WITHOUT ROWID",
        "CREATE INDEX readings_by_time ON readings (at_s)",
    ),
    3: (
        "CREATE TABLE steps (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, "
        "digest TEXT NOT NULL, rung TEXT NOT NULL, bytes INTEGER NOT NULL, facts TEXT NOT NULL, "
        "body BLOB NOT NULL)",
        "CREATE TABLE told (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, "
        "kind TEXT NOT NULL, about TEXT NOT NULL, body TEXT NOT NULL)",
    ),
    4: ("ALTER TABLE readings ADD COLUMN reactive_kvarh REAL",),
    5: (
        "CREATE TABLE flows (kind TEXT NOT NULL, name TEXT NOT NULL, at_s INTEGER NOT NULL, "
        "kw REAL NOT NULL, seen_s REAL NOT NULL, PRIMARY KEY (kind, name, at_s)) WITHOUT ROWID",
        "CREATE INDEX flows_by_time ON flows (at_s)",
    ),
}
"""What leads to each version from the one before."""


def open_store(path: Path) -> sqlite3.Connection:
    """The database of a site, at this version, checked.

    Parameters
    ----------
    path : Path
        Its file; the folder is made where it is missing.

    Raises
    ------
    StoreError
        If it cannot be opened, is damaged, or was written by a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own(path)
        base = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        base.execute("PRAGMA journal_mode=WAL")
        # FULL: what was acknowledged to a sender survives a loss of power.
        base.execute("PRAGMA synchronous=FULL")
        (state,) = base.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise StoreError(f"is damaged: {state}", where=str(path), fix="restore a backup")
        _migrate(base, path)
    except (OSError, sqlite3.Error) as problem:
        raise StoreError(f"cannot be used: {problem}", where=str(path)) from problem
    return base


def own(path: Path) -> None:
    """Make a file that its owner alone may read, if there is none: it will name sessions, and hold
    what others must not know.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    with suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)


@dataclass(frozen=True)
class StoreNames:
    """What a store calls itself.

    Parameters
    ----------
    instance : str
        Tells it, and the daemon that owns it, from any other of the same site; told on ``status``.
    client : str
        Its daemon's client ids on the broker end in it; told to nobody else, since a broker hands
        a session over to whoever names it.
    """

    instance: str
    client: str


def names_of(base: sqlite3.Connection) -> StoreNames:
    """The names of a store, given to it at its first start."""
    found = dict(base.execute("SELECT name, value FROM facts WHERE name IN ('instance', 'client')"))
    if "instance" not in found:
        found = {"instance": secrets.token_hex(4), "client": secrets.token_hex(16)}
    elif "client" not in found:
        # A store from before there were two: under another name the broker would keep what it
        # has promised to the old one.
        found["client"] = found["instance"]
    base.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", found.items())
    return StoreNames(str(found["instance"]), str(found["client"]))


def give_names_away(base: sqlite3.Connection) -> None:
    """Another store goes by the names of this one: it gets new ones at its next start."""
    base.execute("DELETE FROM facts WHERE name IN ('instance', 'client')")


def begin_epoch(base: sqlite3.Connection, epoch: int, now: datetime) -> None:
    """Write down that an epoch has begun; before it nothing may be said under it."""
    base.execute("INSERT INTO epochs VALUES (?, ?)", (epoch, now.isoformat()))


def refuse_newer(version: int, path: Path) -> None:
    """Refuse a store of a higher version than is known here.

    Raises
    ------
    StoreError
        If it is.
    """
    if version > VERSION:
        raise StoreError(
            f"has version {version}, this valleyfill knows up to {VERSION}",
            where=str(path),
            fix="use the newer one, or restore a backup of the older store",
        )


def _migrate(base: sqlite3.Connection, path: Path) -> None:
    (version,) = base.execute("PRAGMA user_version").fetchone()
    refuse_newer(version, path)
    for step in range(version + 1, VERSION + 1):
        base.execute("BEGIN IMMEDIATE")
        try:
            for statement in _MIGRATIONS[step]:
                base.execute(statement)
            base.execute(f"PRAGMA user_version = {step}")
            base.execute("COMMIT")
        except sqlite3.Error:
            base.execute("ROLLBACK")
            raise
