"""How long anything that belongs to a person is kept, and exports that name nobody."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.store.flows import forget_flows
from adapters.store.readings import forget_readings, open_to_read
from models.errors import StoreError
from models.horizon import epoch_s, instant_of

DAYS = 100
"""Days that sessions are kept unless the site says otherwise: a bill can be contested so long."""


def forget(base: sqlite3.Connection, now: datetime, days: int) -> None:
    """Let go of what is older than its retention; the state itself is never touched.

    Sessions are in their readings, the journal, the step records and what was told. Meters of
    nodes and what flowed name nobody and are kept for the yearly rules of tariffs.
    """
    forget_readings(base, now)
    forget_flows(base, now)
    oldest = now - timedelta(days=days)
    text = oldest.isoformat()
    base.execute("DELETE FROM readings WHERE session != '' AND at_s < ?", (epoch_s(oldest),))
    base.execute(
        "DELETE FROM journal WHERE at < ? AND id <= (SELECT min(upto) FROM snapshots)", (text,)
    )
    for table in ("steps", "told", "plans"):
        base.execute(f"DELETE FROM {table} WHERE at < ?", (text,))


def pseudonym(secret: bytes, session: str) -> str:
    """The same for the same session of one store, and no way back without its secret."""
    return hmac.new(secret, session.encode(), hashlib.sha256).hexdigest()[:16]


def export_secret(store: Path) -> bytes:
    """The secret of a store's pseudonyms, made at its first export.

    Raises
    ------
    StoreError
        If there is no store, or it cannot be written.
    """
    if not store.is_file():
        raise StoreError("is not there", where=str(store))
    try:
        with closing(sqlite3.connect(store, timeout=10.0)) as base, base:
            base.execute(
                "INSERT OR IGNORE INTO facts VALUES ('export_secret', ?)",
                (secrets.token_hex(16),),
            )
            row = base.execute("SELECT value FROM facts WHERE name = 'export_secret'").fetchone()
    except sqlite3.Error as problem:
        raise StoreError(f"cannot be used: {problem}", where=str(store)) from problem
    return bytes.fromhex(row[0])


def sessions_without_names(store: Path) -> list[dict[str, Any]]:
    """Every session that was metered: a pseudonym, its pile, when, and the energy.

    Instants are cut to the quarter hour: the minute of an arrival would tell who it was.
    """
    secret = export_secret(store)
    with closing(open_to_read(store)) as base:
        rows = base.execute(
            "SELECT session, meter, min(at_s), max(at_s), max(import_kwh) - min(import_kwh) "
            "FROM readings WHERE session != '' GROUP BY session, meter ORDER BY min(at_s)"
        ).fetchall()
    return [
        {
            "session": pseudonym(secret, session),
            "pile": pile,
            "from": instant_of(first // 900 * 900).isoformat(),
            "until": instant_of(-(-last // 900) * 900).isoformat(),
            "energy_kwh": round(energy, 3),
        }
        for session, pile, first, last, energy in rows
    ]
