"""The limits that a node keeps by name: so many, and what comes beyond counts together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from scheduler.state import LimitRecord

LIMITS_MAX = 256
"""Limits that a node keeps by name: two days of quarter hours with a name each, and some more. They
are gone through for each slot of a plan, 0.1 ms for each 100 of them."""

BEYOND = "beyond"
"""The name under which limits count for which there is no room."""

BEYOND_SOURCE = "limits beyond those kept by name"


def laid_in(kept: dict[str, LimitRecord], record: LimitRecord) -> None:
    """Take a limit in, in place.

    The limit that ended longest ago gives way where there is no room. Where all are still to be
    obeyed, one more is not kept by its name: those beyond count together, as low as the lowest and
    until the last of them ends, since a limit that is forgotten would make another one higher.
    Who sends or revokes a limit named :data:`BEYOND` has the last word on all of them.

    Parameters
    ----------
    kept : dict of str to LimitRecord
        The limits of one node.
    record : LimitRecord
        Just received.
    """
    name = record.pushed.limit
    if name not in kept and len(kept) - (BEYOND in kept) >= LIMITS_MAX:
        over = _over_longest(kept, record.received_at, record.received_mono_s)
        if over is None:
            name = BEYOND
            record = _beside(kept.get(BEYOND), record)
        else:
            del kept[over]
    kept[name] = record


def _over_longest(kept: dict[str, LimitRecord], now: datetime, mono_s: float) -> str | None:
    """The limit that ended longest ago, by both clocks, since wall clocks step; None while none
    has.
    """
    over = []
    for name, record in kept.items():
        end, issued = record.pushed.valid_until, record.pushed.issued_at
        if end is None or end > now:
            continue
        if mono_s - record.received_mono_s >= (end - issued).total_seconds():
            over.append((end, name))
    return min(over)[1] if over else None


def _beside(before: LimitRecord | None, record: LimitRecord) -> LimitRecord:
    """What stands for a limit without room, with those before it."""
    new = record.pushed
    words: list[float | None] = [kw for _, kw in new.slots] or [new.import_kw]
    start, until, export = new.valid_from, new.valid_until, new.export_kw
    if before is not None:
        old = before.pushed
        words.append(old.import_kw)
        start = min(start, old.valid_from)
        until = None if until is None or old.valid_until is None else max(until, old.valid_until)
        export = _lowest([export, old.export_kw])
    pushed = replace(
        new,
        limit=BEYOND,
        valid_from=start,
        valid_until=until,
        import_kw=_lowest(words),
        export_kw=export,
        source=BEYOND_SOURCE,
        slots=(),
    )
    return replace(record, pushed=pushed)


def _lowest(values: list[float | None]) -> float | None:
    said = [value for value in values if value is not None]
    return min(said) if said else None
