"""Backup of a store in use, and its way back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.site_lock import lock_site
from adapters.store.schema import open_store, own
from models.errors import StoreError


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


def restore_store(backup: Path, store: Path) -> None:
    """Put a backup in a store's place, once it has been found whole; no daemon may run.

    The epoch of the backup is older than what piles have obeyed since: the daemon hears the
    retained status at its start and goes above it.

    Raises
    ------
    StoreError
        If a daemon runs the site, or the backup is damaged or of a newer version.
    """
    if not backup.is_file():
        raise StoreError("is not there", where=str(backup))
    with lock_site(store):
        part = store.with_suffix(store.suffix + ".part")
        try:
            own(part)
            part.write_bytes(backup.read_bytes())
            with closing(open_store(part)) as base:
                base.execute("PRAGMA journal_mode=DELETE")
            for leftover in ("-wal", "-shm"):
                Path(f"{store}{leftover}").unlink(missing_ok=True)
            os.replace(part, store)
        except OSError as problem:
            raise StoreError(f"cannot be written: {problem}", where=str(store)) from problem
        finally:
            part.unlink(missing_ok=True)
