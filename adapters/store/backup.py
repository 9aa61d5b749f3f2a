"""Backup of a store in use, and its way back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from adapters.site_lock import lock_site
from adapters.store.recovery import recover
from adapters.store.schema import open_store, own
from models.errors import StoreError
from models.site import Site

_BESIDE = ("-wal", "-shm")
"""Ends of the names of SQLite's files beside a database."""


def backup_store(store: Path, target: Path) -> None:
    """Copy a store, whether a daemon writes to it or not; the copy is one moment of it.

    Raises
    ------
    StoreError
        If there is no store, the target exists, or it cannot be written.
    """
    if not store.is_file():
        raise StoreError("is not there", where=str(store))
    if target.exists():
        raise StoreError("exists already", where=str(target), fix="name another file")
    part = target.with_suffix(target.suffix + ".part")
    part.unlink(missing_ok=True)
    try:
        own(part)
        with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
        os.replace(part, target)
    except (OSError, sqlite3.Error) as problem:
        part.unlink(missing_ok=True)
        raise StoreError(f"cannot be written: {problem}", where=str(target)) from problem


def restore_store(backup: Path, store: Path, site: Site) -> Path | None:
    """Put a backup in a store's place, once it has been found whole; no daemon may run.

    The epoch of the backup is older than what piles have obeyed since: the daemon hears the
    retained status at its start and goes above it.

    Parameters
    ----------
    backup, store : Path
        What is put, and where.
    site : Site
        Whose store it is.

    Returns
    -------
    Path or None
        Where the store that stood there is kept now; None: there was none.

    Raises
    ------
    StoreError
        If a daemon runs the site, or the backup is damaged, of a newer version, of another site,
        or no store at all; nothing has changed then.
    """
    if not backup.is_file():
        raise StoreError("is not there", where=str(backup))
    with lock_site(store):
        part = store.with_suffix(store.suffix + ".part")
        # A restore that was killed may have left some.
        _clear(part)
        try:
            _refuse_foreign(backup)
            own(part)
            shutil.copyfile(backup, part)
            with closing(open_store(part)) as base:
                _refuse_other_site(base, backup, site)
                base.execute("PRAGMA journal_mode=DELETE")
            _to_disk(part)
            kept = _set_aside(store)
            os.replace(part, store)
            _to_disk(store.parent)
        except (OSError, sqlite3.Error) as problem:
            raise StoreError(f"cannot be written: {problem}", where=str(store)) from problem
        finally:
            _clear(part)
    return kept


def _clear(part: Path) -> None:
    for end in ("", *_BESIDE):
        Path(f"{part}{end}").unlink(missing_ok=True)


def _refuse_foreign(backup: Path) -> None:
    """An empty file is a whole database too: opened as a store, it would become an empty one."""
    uri = f"{backup.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as base:
            (version,) = base.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as problem:
        raise StoreError(f"cannot be read: {problem}", where=str(backup)) from problem
    if not version or not {"facts", "epochs", "snapshots"} <= tables:
        raise StoreError(
            "is no backup of a store",
            where=str(backup),
            fix="name a file that `valleyfill store backup` wrote",
        )


def _refuse_other_site(base: sqlite3.Connection, backup: Path, site: Site) -> None:
    state = recover(base, site).recovered.state
    if state is None or not state.piles or any(p.id in state.piles for p in site.piles):
        return
    raise StoreError(
        f"is a backup of another site: it knows none of the piles of '{site.name}', but "
        f"{', '.join(sorted(state.piles)[:3])}",
        where=str(backup),
        fix="name a backup of this site",
    )


def _set_aside(store: Path) -> Path | None:
    """Another name for what stands, with all that it has written; it stands until replaced."""
    if not store.exists():
        return None
    kept = store.with_name(f"{store.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    with suppress(sqlite3.Error), closing(sqlite3.connect(store)) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.link(store, kept)
    for beside in _BESIDE:
        # Left there only by a store that could not be opened; the new one must not read them.
        if Path(f"{store}{beside}").exists():
            os.replace(f"{store}{beside}", f"{kept}{beside}")
    return kept


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
