"""What the grid asked of a site: limits received, demand response, and the limit in force."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from adapters.report.gather import Stretch
from models.events import DemandCalled, LimitPushed
from models.horizon import FloatArray, IntArray, epoch_s


@dataclass(frozen=True)
class LimitTaken:
    """One limit as it came, and the site's last answer to it."""

    pushed: LimitPushed
    applied_at: datetime | None
    reached_at: datetime | None


@dataclass(frozen=True)
class CallTaken:
    """One demand response event as it came last, and the site's last answer to it."""

    called: DemandCalled
    decision: str
    promised_kw: float | None
    delivered_kwh: float | None
    paid: float | None


def limits_taken(stretch: Stretch) -> list[LimitTaken]:
    """The limits received in the stretch, oldest first; a withdrawal is no limit."""
    answers: dict[tuple[str, datetime], dict[str, Any]] = {
        (t["about"], datetime.fromisoformat(t["received_at"])): t
        for t in stretch.told
        if t["kind"] == "answer/limit"
    }
    found = []
    for p in stretch.pushed:
        if p.revoked or p.now < stretch.start:
            continue
        answer = answers.get((f"{p.node}/{p.limit}", p.now), {})
        found.append(
            LimitTaken(p, _time(answer.get("applied_at")), _time(answer.get("reached_at")))
        )
    return found


def calls_taken(stretch: Stretch) -> list[CallTaken]:
    """The demand response events called in the stretch, each once, oldest first."""
    answers = {t["about"]: t for t in stretch.told if t["kind"] == "answer/event"}
    called = {c.event: c for c in stretch.calls if c.now >= stretch.start and not c.revoked}
    found = []
    for c in called.values():
        answer = answers.get(c.event, {})
        numbers = (answer.get(k) for k in ("promised_kw", "delivered_kwh", "paid"))
        found.append(CallTaken(c, str(answer.get("decision", "")), *numbers))
    return found


def limit_in_force(stretch: Stretch, edges: IntArray, node: str) -> FloatArray:
    """A node's lowest limit in each slot, its own and pushed ones, kW; inf where there is none.

    Parameters
    ----------
    stretch : Stretch
    edges : ndarray, shape (n + 1,)
        Slots, epoch seconds. A limit that holds for a part of a slot counts for all of it.
    node : str
    """
    network = stretch.file.site.network
    plate = network.nodes[network.index[node]]
    own = [v for v in (plate.own_limit_kw, plate.contract_kw) if v is not None]
    out = np.full(edges.size - 1, min(own, default=math.inf))
    pushed = [p for p in stretch.pushed if p.node == node]
    for k, p in enumerate(pushed):
        if p.revoked:
            continue
        after = [o.now for o in pushed[k + 1 :] if o.limit == p.limit]
        ends = [t for t in (p.valid_until, after[0] if after else None) if t is not None]
        end_s = min((t.timestamp() for t in ends), default=math.inf)
        for begin, until_s, kw in _pieces(p, end_s):
            held = (edges[1:] > max(begin, p.now.timestamp())) & (edges[:-1] < until_s)
            out[held] = np.minimum(out[held], kw)
    return out


def _pieces(p: LimitPushed, end_s: float) -> Sequence[tuple[float, float, float]]:
    """From, until and limit of each piece of a pushed limit."""
    steps = [] if p.import_kw is None else [(epoch_s(p.valid_from), p.import_kw)]
    steps += [(max(epoch_s(at), epoch_s(p.valid_from)), kw) for at, kw in p.slots]
    stops = [*(float(at) for at, _ in steps[1:]), end_s]
    return [(float(at), min(stop, end_s), kw) for (at, kw), stop in zip(steps, stops, strict=True)]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
