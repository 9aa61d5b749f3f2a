"""One daemon for each site on a machine: a lock that the kernel frees when its holder ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from models.errors import StoreError


def lock_site(store: Path) -> IO[str]:
    """Take the lock beside a site's store and keep it while the returned file is open.

    Raises
    ------
    StoreError
        If another process holds it, or it cannot be made.
    """
    path = store.with_suffix(store.suffix + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.open("a+", encoding="utf-8")
    except OSError as problem:
        raise StoreError(f"cannot be made: {problem}", where=str(path)) from problem
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        held.seek(0)
        other = held.read().strip() or "unknown"
        held.close()
        raise StoreError(
            f"another daemon runs this site (process {other})",
            where=str(path),
            fix="stop it first",
        ) from problem
    held.seek(0)
    held.truncate()
    held.write(f"{os.getpid()}\n")
    held.flush()
    return held
