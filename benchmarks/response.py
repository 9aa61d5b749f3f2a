"""A demand-response drill: announced at 14:00, the evening 40 % below its baseline.

A flat tariff, so that the evening is not empty already. The baseline is the mean of the last five
like days of the site as it runs without the event; the event asks the connection to stay under
60 % of it from 18:00 to 20:00.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.simulate import RUNGS
from adapters.simulator.trace import Trace
from benchmarks.microgrid import CASES, ZONE, Case, depot_of, forecasts, read_case, registers_of
from models.events import DemandCalled
from models.horizon import UTC, FloatArray
from scheduler.engine import Engine
from tariffs.kinds.flat import Flat

EVENT_DAY = datetime(2019, 5, 14, tzinfo=ZONE)
LIKE_DAYS = 5
OFF_SHARE = 0.25
REDUCED_TO = 0.6
ASKED = (18, 20)


def baseline_kw(days: list[FloatArray]) -> FloatArray:
    """Mean of the last five like days, days whose mean is off by over a quarter left out."""
    means = np.array([float(d.mean()) for d in days])
    usual = float(means.mean())
    kept = [d for d, m in zip(days, means, strict=True) if abs(m - usual) <= OFF_SHARE * usual]
    return np.asarray(np.mean(kept or days, axis=0), dtype=np.float64)


def _window(trace: Trace, day: datetime) -> FloatArray:
    """Import of each quarter hour asked for on a day, kW."""
    at = (day + timedelta(hours=ASKED[0])).timestamp()
    until = (day + timedelta(hours=ASKED[1])).timestamp()
    return registers_of(trace, at, until).import_kw


def _like_days() -> list[datetime]:
    found: list[datetime] = []
    day = EVENT_DAY
    while len(found) < LIKE_DAYS:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            found.append(day)
    return found


def _played(case: Case, called: DemandCalled | None) -> Trace:
    said: list[Any] = forecasts(case, truth=False)
    if called is not None:
        said.append((called.now.timestamp(), called))
    depot = depot_of(case, case.told, said)
    until = max(v.departure_s for v in case.told) + 1.0
    return run(Engine(case.site, case.tariff), depot, until_s=until, solve=cascade_of(*RUNGS))


def drill(data: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The same days without and with the event, and what the meter says of it.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    tell : callable
        Told what is being done.
    """
    first = min(_like_days())
    case = read_case(data, CASES[0], first, EVENT_DAY + timedelta(days=1))
    price = 0.6
    case = replace(case, tariff=Flat("flat", "CNY", price, 0.2))
    tell("the days as they run without the event")
    usual = _played(case, None)
    baseline = baseline_kw([_window(usual, d) for d in _like_days()])
    target = REDUCED_TO * float(baseline.mean())
    start, end = (EVENT_DAY + timedelta(hours=h) for h in ASKED)
    now = EVENT_DAY + timedelta(hours=14)
    called = DemandCalled(
        now=now.astimezone(UTC),
        mono_s=0.0,
        stamp=(1, 0),
        issued_at=now.astimezone(UTC),
        event="evening",
        start=start.astimezone(UTC),
        end=end.astimezone(UTC),
        kind="limit_to",
        power_kw=target,
        mandatory=True,
    )
    tell("the same days with it")
    with_it = _played(case, called)
    drawn = _window(with_it, EVENT_DAY)
    promised = float((baseline - target).mean())
    reduced = float((baseline - drawn).mean())
    delivered = [sum(s.delivered_kwh for s in t.sessions) for t in (usual, with_it)]
    cost = []
    for trace in (usual, with_it):
        metered = registers_of(trace, case.start.timestamp(), case.end.timestamp())
        cost.append(price * float(metered.import_kwh.sum()) - 0.2 * float(metered.export_kwh.sum()))
    return {
        "baseline_kw": round(float(baseline.mean()), 2),
        "promised_kw": round(promised, 2),
        "reduced_kw": round(reduced, 2),
        "delivered_of_promised": round(reduced / promised, 4),
        "highest_quarter_kw": round(float(drawn.max()), 2),
        "target_kw": round(target, 2),
        "without_event_kw": round(float(_window(usual, EVENT_DAY).mean()), 2),
        "energy_of_sessions": round(delivered[1] / max(delivered[0], 1e-9), 4),
        "cost_of_it": round(cost[1] - cost[0], 2),
        "exceeded_s": with_it.verdicts[0].judged_s,
    }
