"""A month of recorded sessions under several tariffs: what the plan paid by, and the bill.

The real engine runs in the closed loop. ``planned`` is the money the engine itself knows of: each
metered quarter hour at the price that the running plan held for it, and each demand term at the
peak that the engine counted. ``billed`` comes from the tariff and the meter's registers alone.
Where a term has a price on the peak the same engine runs once more blind to it, and ``foresight``
is the bill of one program over the month that knows every stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.registers import metered_of
from adapters.simulator.replay import prepare
from adapters.simulator.simulate import RUNGS, last_s
from adapters.simulator.trace import Trace
from benchmarks.bills_cases import Case, Month, four_kinds, month_of, two_part
from benchmarks.demand import foresight_bill, without_demand
from models.events import Event
from scheduler.drawn import Drawn, key_of
from scheduler.effects import Effect, Solve
from scheduler.engine import Engine
from scheduler.state import Recovered, SiteState
from tariffs.bill import month_bill
from tariffs.demand import DemandTerm, month_bounds
from tariffs.metered import Metered


class PricesPaid:
    """The price that the newest plan held for each instant, as the engine's problems said it."""

    def __init__(self) -> None:
        self._posed: list[tuple[float, Any, Any]] = []

    def watch(self, at: float, effect: Effect) -> None:
        """Take note of a problem's prices."""
        if isinstance(effect, Solve):
            p = effect.problem
            self._posed.append((at, p.horizon.edges_s, p.buy_per_kwh))

    def money(self, metered: Metered) -> float:
        """Each metered stretch at the price of the plan that ran, by time within it."""
        total = 0.0
        begun = np.array([at for at, _, _ in self._posed])
        for lo, hi, kwh in zip(
            metered.starts_s.tolist(), metered.ends_s.tolist(), metered.import_kwh, strict=True
        ):
            if not kwh:
                continue
            # The plan in force at the end of the stretch, or the first made after it began.
            k = max(int(np.searchsorted(begun, hi, side="left")) - 1, 0)
            _, edges, buy = self._posed[k]
            if edges[0] > lo:
                k = max(int(np.searchsorted(begun, lo, side="right")) - 1, 0)
                _, edges, buy = self._posed[k]
            over = np.maximum(np.minimum(edges[1:], hi) - np.maximum(edges[:-1], lo), 0)
            assert over.sum() > 0
            total += kwh * float(over @ buy) / float(over.sum())
        return total


class PeaksCounted:
    """An engine, and what it last counted of a month's peaks."""

    def __init__(self, engine: Engine, month_s: int) -> None:
        self._engine = engine
        self._month_s = month_s
        self.drawn: Drawn | None = None

    def start(
        self, *, now: datetime, mono_s: float, epoch: int, recovered: Recovered | None = None
    ) -> SiteState:
        """The engine's."""
        return self._engine.start(now=now, mono_s=mono_s, epoch=epoch, recovered=recovered)

    def receive(
        self, state: SiteState, events: Sequence[Event]
    ) -> tuple[SiteState, tuple[Effect, ...], float]:
        """The engine's; its peaks are looked at."""
        answer = self._engine.receive(state, events)
        drawn = answer[0].drawn
        if drawn is not None and drawn.month_s == self._month_s:
            self.drawn = drawn
        return answer

    def money(self, terms: Sequence[DemandTerm]) -> float:
        """What the terms cost at the peaks counted."""
        peaks = {} if self.drawn is None else self.drawn.peaks_kw
        return sum(t.money(peaks.get(key_of(k, t), 0.0)) for k, t in enumerate(terms))


@dataclass(frozen=True)
class _Loop:
    """One closed loop: what it paid by, what it counted, and the meter."""

    trace: Trace
    paid: PricesPaid
    counted: PeaksCounted


class Runs:
    """The closed loops of one month, each run once: who plans by the same prices and no price on
    the peak does the same, whatever bills it.
    """

    def __init__(self, month: Month, tell: Callable[[str], None]) -> None:
        self.month = month
        self.tell = tell
        self.replay = prepare(month.site, month.sessions, month.start, month.end, words="truth")
        self.until_s = last_s(self.replay)
        self._done: dict[str, _Loop] = {}

    def loop(self, name: str, case: Case) -> _Loop:
        """The closed loop of a case, under a name that tells what it plans by."""
        if name not in self._done:
            self.tell(f"{name}, {len(self.replay.vehicles)} sessions")
            month = self.month
            lo, _ = month_bounds(month.start.year, month.start.month, month.site.zone)
            start_s = month.start.timestamp()
            grid = GridScript(case.pushed)
            paid, counted = PricesPaid(), PeaksCounted(Engine(month.site, case.planned), lo)
            trace = run(
                counted,
                VirtualDepot(month.site, self.replay.vehicles, start_s=start_s, grid=grid),
                until_s=self.until_s,
                solve=cascade_of(*RUNGS),
                watch=paid.watch,
            )
            self._done[name] = _Loop(trace, paid, counted)
        return self._done[name]


def figures_of(case: Case, runs: Runs) -> dict[str, Any]:
    """One tariff's month: planned and billed money, and the same engine blind to the peak."""
    month = runs.month
    terms = case.billed.demand_terms(
        month.start, month.start + timedelta(seconds=1), zone=month.site.zone
    )
    peak_has_a_price = any(term.tiers for term in terms)
    found = _figures(
        case, terms, runs, runs.loop(case.name if peak_has_a_price else case.energy, case)
    )
    if peak_has_a_price:
        runs.tell(str(found))
        blind = replace(case, planned=without_demand(case.planned))
        unseen = _figures(blind, terms, runs, runs.loop(case.energy, blind))
        found["blind_billed"] = unseen["billed"]
        found["blind_peak_kw"] = unseen["peak_kw"]
        found["blind_kwh"] = unseen["kwh"]
        found["saved_share"] = 1.0 - found["billed"] / unseen["billed"]
        found["foresight_billed"] = round(foresight_bill(month.site, case.billed, runs.replay), 2)
    return {"tariff": case.name, "currency": case.billed.currency} | found


def _figures(case: Case, terms: Sequence[DemandTerm], runs: Runs, loop: _Loop) -> dict[str, Any]:
    month, trace = runs.month, loop.trace
    start_s, year, number = month.start.timestamp(), month.start.year, month.start.month
    zone = month.site.zone
    # Readings by the minute: a window that slides sees what quarter hours hide.
    metered = metered_of(trace, start_s, runs.until_s, every_s=60)
    bill = month_bill(case.billed, metered, year=year, month=number, zone=zone)
    quarters = metered_of(trace, start_s, runs.until_s)
    quarters = quarters.between(*month_bounds(year, number, zone))
    planned = loop.paid.money(quarters) + loop.counted.money(terms)
    demand = sum((b.amount for b in bill.lines if b.unit in ("kW", "month")), Decimal(0))
    return {
        "kwh": round(float(bill.energy_kwh), 3),
        "planned": round(float(planned), 4),
        "billed": float(bill.total),
        "difference": round(float(planned) - float(bill.exact), 6),
        "demand": float(round(demand, 2)),
        "peak_kw": max((float(b.quantity) for b in bill.lines if b.unit == "kW"), default=0.0),
        "short_sessions": sum(s.short_kwh > 0.1 for s in trace.sessions),
        "rungs": trace.rungs,
        "wall_s": trace.wall_s,
    }


COLUMNS = (
    "tariff",
    "kwh",
    "planned",
    "billed",
    "difference",
    "demand",
    "peak_kw",
    "blind_billed",
    "saved_share",
    "foresight_billed",
)


def run_all(
    data: Path,
    *,
    site: str,
    start: datetime,
    end: datetime,
    tell: Callable[[str], None],
    only: str = "",
) -> dict[str, Any]:
    """Rows by tariff: four kinds, then Zhejiang's three billings; ``only`` those of that name."""
    month = month_of(data, site=site, start=start, end=end)
    cases = [c for c in (*four_kinds(data, month), *two_part(month)) if only in c.name]
    runs = Runs(month, tell)
    rows = []
    for case in cases:
        rows.append(figures_of(case, runs))
        tell(str(rows[-1]))
    within = all(abs(row["difference"]) <= 0.01 for row in rows)
    beats = all(row["billed"] < row["blind_billed"] for row in rows if "blind_billed" in row)
    return {
        "rows": [dict.fromkeys(COLUMNS, "") | row for row in rows],
        "site": site,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "planned_and_billed_within_a_cent": within,
        "aware_beats_blind": beats,
    }
