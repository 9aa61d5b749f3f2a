"""Telemetry that says of a pile what was known: it is not looked at anew, only noted as heard.

Most messages do: a pile that waits draws nothing, one that charges a little less than it may, and
its register goes on. What a look would find then differs by nothing but when the pile was heard and
what it surely draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.units import ENERGY_EPSILON_KWH
from scheduler.draft import Draft
from scheduler.sight import Now
from scheduler.sight_columns import Columns
from scheduler.state import PileState, SessionRecord
from scheduler.unused import UNDER_SHARE

IntArray = NDArray[np.int64]


def note_echo(draft: Draft, name: str, before: PileState, after: PileState) -> None:
    """Note that a pile's states before and after differ by telemetry alone, and that in neither
    fault nor vehicle; where it differs in one of these there is no echo of it any more.
    """
    if after.fault != before.fault or after.vehicle != before.vehicle:
        draft.echoes.pop(name, None)
        return
    echo = draft.echoes.get(name)
    first = echo[0] if echo is not None and echo[1] is before else before
    draft.echoes[name] = (first, after)


class Echoed(NamedTuple):
    """Piles that were only heard again, by number, and those of them that draw something else."""

    at: IntArray
    drawn_anew: IntArray


def heard_again(
    columns: Columns,
    some: IntArray,
    piles: Sequence[PileState],
    records: Sequence[SessionRecord | None],
    draft: Draft,
    now: Now,
) -> Echoed:
    """Bring the columns up to the state of now where only telemetry lies between, or what a
    session was told.

    Parameters
    ----------
    columns : Columns
        As the piles were looked at; written to where a pile was only heard again.
    some : ndarray of int64
        Piles in question, by number.
    piles, records : sequence
        All piles and the sessions at them as they are now.
    draft : Draft
        Knows the echoes of its drain.
    now : Now

    Returns
    -------
    Echoed
        The others have to be looked at: nothing was changed of theirs.
    """
    names, echoes = columns.names, draft.echoes
    known, before = columns.piles, columns.records
    candidates = [
        i
        for i in some.tolist()
        if (
            # Of a session that was only told something the pile has not changed at all.
            piles[i] is known[i]
            or (
                (echo := echoes.get(names[i])) is not None
                and echo[0] is known[i]
                and echo[1] is piles[i]
            )
        )
        and (records[i] is before[i] or _wants_the_same(before[i], records[i]))
    ]
    at = np.array(candidates, dtype=np.int64)
    c, mono_s = columns, now.mono_s
    power = np.array([piles[i].power_kw for i in candidates], dtype=np.float64)
    silent_s = np.array([piles[i].heard_mono_s for i in candidates], dtype=np.float64)
    silent_s += now.silence_s
    ok = c.quiet[at] & (c.since_s[at] <= mono_s) & (mono_s < c.own_until_s[at])
    ok &= mono_s <= silent_s
    was, wanted = c.power_kw[at], c.wanted_kw[at]
    same = power == was
    # Unchanged, it draws no more than its setpoint; else it drew before, and draws now, no more
    # and nearly all of it, while something else than its reading says what it may be drawing.
    held = c.held_kw[at] * c.factor[at]
    follows = c.obeys[at]
    for kw in (power, was):
        follows = follows & (kw > 0.0) & (kw < held)
        follows &= (UNDER_SHARE * wanted <= kw) & (kw <= wanted)
    ok &= np.where(same, c.sent[at] & (power <= wanted), follows)
    at, power, silent_s, other = at[ok], power[ok], silent_s[ok], ~same[ok]
    c.until_s[at] = np.minimum(c.own_until_s[at], silent_s)
    c.due_s[at] = np.minimum(c.own_due_s[at], silent_s + 0.001)
    c.power_kw[at] = power
    c.drawn_kw[at[other]] = power[other] / c.factor[at[other]]
    return Echoed(at, at[other])


def _wants_the_same(before: SessionRecord | None, after: SessionRecord | None) -> bool:
    """Whether a session has only gone on: what it is given hangs on nothing that changed."""
    if after is before:
        return True
    if before is None or after is None:
        return False
    request = after.request
    enough = request.energy_kwh - ENERGY_EPSILON_KWH
    return (
        request is before.request
        and after.state == before.state
        and request.battery_kwh is None
        and (after.delivered_kwh < enough) == (before.delivered_kwh < enough)
    )
