"""A demand-response drill: announced at 14:00, the evening 40 % below its baseline, and paid.

A flat tariff, so that the evening is not empty already. The site measures its own baseline (the
mean of the last five like days, days off by over a quarter left out), promises what its plan takes
of the event, and the meter says what came of it. What the event costs is told beside what it pays:
the bill, the wear, and the energy that storage and vehicles end with less. The attainable is what
the same plan would have taken with the truth about load, sun and sessions and no limit to the pay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.simulate import RUNGS
from adapters.simulator.trace import Trace
from adapters.simulator.virtual_assets import VirtualStorage
from benchmarks.microgrid import registers_of
from benchmarks.microgrid_case import CASES, ZONE, Case, depot_of, read_case
from benchmarks.microgrid_forecasts import forecasts
from models.events import DemandCalled
from models.horizon import UTC, FloatArray
from models.site_rules import ResponseRule
from scheduler.effects import Effect, EventAnswer
from scheduler.engine import Engine
from scheduler.quarters import Quarters, baseline_kw, like_days, quarter_starts
from scheduler.state import Recovered, SiteState
from tariffs.kinds.flat import Flat

EVENT_DAY = datetime(2019, 5, 14, tzinfo=ZONE)
FIRST_DAY = datetime(2019, 5, 7, tzinfo=ZONE)
"""Five work days lie before the event."""

REDUCED_BY = 0.4
ANNOUNCED, ASKED = 14, (18, 20)
TELEMETRY_S = 60.0
PRICE, SOLD, PAID = 0.6, 0.2, 2.0
"""Money per kWh bought, sold, and paid for what is not drawn."""


def _window(trace: Trace) -> FloatArray:
    """Exchange in each quarter hour asked for, kW, negative while fed back."""
    at, until = ((EVENT_DAY + timedelta(hours=h)).timestamp() for h in ASKED)
    metered = registers_of(trace, at, until)
    return np.asarray((metered.import_kwh - metered.export_kwh) * 4.0, dtype=np.float64)


def _called(power_kw: float, pay: float, *, hours: int = ANNOUNCED) -> DemandCalled:
    now = (EVENT_DAY + timedelta(hours=hours)).astimezone(UTC)
    start, end = ((EVENT_DAY + timedelta(hours=h)).astimezone(UTC) for h in ASKED)
    return DemandCalled(
        now=now,
        mono_s=0.0,
        stamp=(1, 0),
        issued_at=now,
        event="evening",
        start=start,
        end=end,
        kind="reduce_by",
        power_kw=power_kw,
        incentive_per_kwh=pay,
        mandatory=False,
    )


class _Knowing(Engine):
    """An engine that has measured the days before."""

    def __init__(self, case: Case, quarters: Quarters | None) -> None:
        super().__init__(case.site, case.tariff)
        self._quarters = quarters

    def start(
        self, *, now: datetime, mono_s: float, epoch: int, recovered: Recovered | None = None
    ) -> SiteState:
        """The first state, with the quarter hours metered so far."""
        state = super().start(now=now, mono_s=mono_s, epoch=epoch, recovered=recovered)
        return replace(state, quarters=self._quarters)


def _metered(case: Case, trace: Trace) -> Quarters:
    """What the site's meter counted on the days before, by quarter hour."""
    metered = registers_of(trace, FIRST_DAY.timestamp(), EVENT_DAY.timestamp())
    means = (metered.import_kwh - metered.export_kwh) * 4.0
    at = EVENT_DAY.timestamp()
    return Quarters(at, trace.root[-1][1], int(at), means_kw=tuple(means.tolist()))


def _played(
    case: Case,
    called: DemandCalled | None,
    quarters: Quarters | None,
    *,
    truth: bool = False,
    until: datetime | None = None,
) -> tuple[Trace, VirtualDepot, list[EventAnswer]]:
    said: list[Any] = forecasts(case, truth=truth)
    if called is not None:
        said.append((called.now.timestamp(), called))
    vehicles = case.vehicles if truth else case.told
    depot = depot_of(case, vehicles, said)
    answers: list[EventAnswer] = []

    def watch(_: float, effect: Effect) -> None:
        if isinstance(effect, EventAnswer):
            answers.append(effect)

    last = max(v.departure_s for v in vehicles) + 1.0
    trace = run(
        _Knowing(case, quarters),
        depot,
        until_s=last if until is None else until.timestamp(),
        solve=cascade_of(*RUNGS),
        watch=watch,
    )
    return trace, depot, answers


def _spent(case: Case, trace: Trace, depot: VirtualDepot) -> float:
    """Bill, wear and drivers' pay, and what the storage holds less than at the start."""
    metered = registers_of(trace, case.start.timestamp(), trace.root[-1][0])
    bill = PRICE * float(metered.import_kwh.sum()) - SOLD * float(metered.export_kwh.sum())
    storage = depot.assets["bess"]
    assert isinstance(storage, VirtualStorage)
    given = sum(s.given_kwh for s in trace.sessions)
    wear = storage.discharged_kwh * case.money.storage_wear
    wear += given * (case.money.v2g_price + case.money.v2g_wear)
    missing = 0.5 * storage.asset.capacity_kwh - storage.stored_kwh
    return bill + wear + PRICE * missing / storage.asset.charge_efficiency


def _case(data: Path, start: datetime, end: datetime, *, telemetry_s: float) -> Case:
    case = read_case(data, CASES[0], start, end)
    site = replace(case.site, response=ResponseRule(), telemetry_period_s=telemetry_s)
    return replace(case, tariff=Flat("flat", "CNY", PRICE, SOLD), site=site)


def drill(data: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The same days without and with the event, and what the meter says of it.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    tell : callable
        Told what is being done.
    """
    tell("the five like days, to measure the baseline")
    before = _case(data, FIRST_DAY, EVENT_DAY, telemetry_s=900.0)
    metered = _metered(before, _played(before, None, None, until=EVENT_DAY)[0])
    starts = quarter_starts(*((EVENT_DAY + timedelta(hours=h)) for h in ASKED))
    rule = ResponseRule()
    by_quarter = baseline_kw(like_days(metered, starts, ZONE, rule), rule)
    baseline = float(by_quarter.mean())
    power = REDUCED_BY * baseline
    case = _case(data, EVENT_DAY, EVENT_DAY + timedelta(days=1), telemetry_s=TELEMETRY_S)
    tell("the day as it runs without the event")
    usual, usual_depot, _ = _played(case, None, metered)
    tell("the same day with the event")
    with_it, depot, answers = _played(case, _called(power, PAID), metered)
    tell("what the truth could have taken")
    most: dict[str, float] = {}
    upto = EVENT_DAY + timedelta(hours=ANNOUNCED, seconds=1)
    for name, kw in (("within_asked", power), ("at_all", 2.0 * baseline)):
        _, _, said = _played(case, _called(kw, 50.0), metered, truth=True, until=upto)
        most[name] = next((a.promised_kw or 0.0 for a in said if a.decision == "accepted"), 0.0)
    accepted = next((a for a in answers if a.decision == "accepted"), None)
    ended = next((a for a in answers if a.decision == "ended"), None)
    promised = 0.0 if accepted is None or accepted.promised_kw is None else accepted.promised_kw
    drawn = _window(with_it)
    reduced = baseline - float(drawn.mean())
    energy = [sum(s.delivered_kwh for s in t.sessions) for t in (usual, with_it)]
    cost = _spent(case, with_it, depot) - _spent(case, usual, usual_depot)
    return {
        "baseline_kw": round(baseline, 2),
        "asked_kw": round(power, 2),
        "promised_kw": round(promised, 2),
        "reduced_kw": round(reduced, 2),
        "delivered_of_promised": round(reduced / promised, 4) if promised else None,
        "worst_quarter_of_promised": round(float((by_quarter - drawn).min()) / promised, 4)
        if promised
        else None,
        "attainable_kw": round(most["within_asked"], 2),
        "promised_of_attainable": round(promised / max(most["within_asked"], 1e-9), 4),
        "attainable_if_all_was_asked_kw": round(most["at_all"], 2),
        "without_event_kw": round(float(_window(usual).mean()), 2),
        "said_by_the_site": None
        if ended is None
        else {
            "delivered_kwh": None if ended.delivered_kwh is None else round(ended.delivered_kwh, 2),
            "paid": None if ended.paid is None else round(ended.paid, 2),
        },
        "energy_of_sessions": round(energy[1] / max(energy[0], 1e-9), 4),
        "cost_of_it": round(cost, 2),
        "exceeded_s": with_it.verdicts[0].judged_s,
    }
