"""A demand charge in the closed loop: the engine that sees it, and the same engine blind to it.

Both plan on the same energy prices; only the aware one is told the demand term. Both are billed
by the whole tariff on what the meter read at each quarter hour, and both deliver the same.
``foresight`` is the bound: the bill of one program over the month that knows every stay.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from adapters.books import load_book
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.registers import metered_of
from adapters.simulator.replay import Replay, Words, prepare
from adapters.simulator.simulate import RUNGS, last_s
from adapters.site_writers import site_from_sessions
from models.horizon import Horizon, instant_of
from models.site import Site
from scheduler.cascade import load_solver
from scheduler.engine import Engine
from scheduler.peak import PeakPrice
from scheduler.problem import Problem, plain_fleet
from tariffs.bill import month_bill
from tariffs.demand_rows import demand_rows
from tariffs.tariff import Tariff
from tariffs.wrapped import Wrapped

BOOK = "sce-tou-ev-4-2019"
ZONE = ZoneInfo("America/Los_Angeles")
START = datetime(2019, 7, 1, tzinfo=ZONE)
_COLUMNS = ("demand", "energy", "peak_kw", "delivered_kwh", "short_sessions")
ACN = "acn_caltech_jpl_sessions/{site}_2019-05-01_2019-08-31.csv.gz"


def without_demand(tariff: Tariff) -> Tariff:
    """The energy prices of a two-part tariff alone."""
    if not isinstance(tariff, Wrapped):
        raise TypeError(f"{tariff.name} is no two-part tariff")
    return tariff.inner


def aware_and_blind(
    data: Path,
    *,
    site: str = "caltech",
    start: datetime = START,
    end: datetime = datetime(2019, 8, 1, tzinfo=ZONE),
    transformer_kw: float = 150.0,
    words: Words = "truth",
) -> dict[str, Any]:
    """The bills of both, by the month of ``start``.

    Parameters
    ----------
    data : Path
        Folder with the recorded sessions.
    site : str
        ``caltech`` or ``jpl``.
    start, end : datetime
        Sessions that arrive in [start, end), aware, within one month.
    transformer_kw : float
        Limit of the site.
    words : Words
        What the requests say.
    """
    tariff = load_book(BOOK)
    file, sessions = site_from_sessions(
        data / ACN.format(site=site),
        transformer_kw=transformer_kw,
        zone=ZONE,
        tariff=BOOK,
        currency=tariff.currency,
    )
    held = replace(file.site, lease_s=3600.0, telemetry_period_s=900.0)
    figures: dict[str, Any] = {"tariff": BOOK, "currency": tariff.currency, "site": site}
    for name, planned in (("aware", tariff), ("blind", without_demand(tariff))):
        replay = prepare(held, sessions, start, end, words=words)
        until = last_s(replay)
        trace = run(
            Engine(held, planned),
            VirtualDepot(held, replay.vehicles, start_s=start.timestamp()),
            until_s=until,
            solve=cascade_of(*RUNGS),
        )
        metered = metered_of(trace, start.timestamp(), until)
        bill = month_bill(tariff, metered, year=start.year, month=start.month, zone=ZONE)
        demand = sum(line.amount for line in bill.lines if line.unit == "kW")
        figures[name] = {
            "bill": float(bill.total),
            "demand": round(float(demand), 2),
            "energy": round(float(bill.exact - demand), 2),
            "peak_kw": max((float(b.quantity) for b in bill.lines if b.unit == "kW"), default=0.0),
            "delivered_kwh": sum(s.delivered_kwh for s in trace.sessions),
            "short_sessions": sum(s.short_kwh > 0.1 for s in trace.sessions),
            "rungs": trace.rungs,
            "wall_s": trace.wall_s,
        }
    figures["foresight"] = {"bill": round(foresight_bill(held, tariff, replay), 2)}
    figures["saved_share"] = 1.0 - figures["aware"]["bill"] / figures["blind"]["bill"]
    return figures


def foresight_bill(site: Site, tariff: Tariff, replay: Replay) -> float:
    """The least that the same energy could have cost: one program that knows every stay."""
    vehicles = replay.vehicles
    lo = int(min(v.arrival_s for v in vehicles)) // 900 * 900
    hi = -(-int(max(v.departure_s for v in vehicles)) // 900) * 900
    horizon = Horizon(np.arange(lo, hi + 1, 900, dtype=np.int64), site.zone)
    prices = tariff.prices(horizon)
    none = np.zeros(0, dtype=np.int64)
    terms = tariff.demand_terms(instant_of(lo), instant_of(lo + 1), zone=site.zone)
    peaks = []
    for term in terms:
        r = demand_rows(
            term, horizon, floor_kw=0.0, past_starts_s=none, past_ends_s=none, past_kw=np.zeros(0)
        )
        peaks.append(PeakPrice(r.row, r.slot, r.weight, r.offset_kw, r.prices))
    limits = [n.own_limit_kw for n in site.network.nodes]
    problem = Problem(
        horizon=horizon,
        node_ids=site.network.ids,
        parent=np.array(site.network.parents, dtype=np.int64),
        cap_kw=np.repeat(np.array(limits)[:, None], horizon.n, axis=1),
        fleet=plain_fleet(
            tuple(v.session for v in vehicles),
            np.array([site.pile_node[v.pile] for v in vehicles], dtype=np.int64),
            np.array([round(v.arrival_s) for v in vehicles], dtype=np.int64),
            np.array([round(v.departure_s) for v in vehicles], dtype=np.int64),
            np.array([site.pile_by_id[v.pile].max_kw for v in vehicles]),
            np.array([v.wants_kwh for v in vehicles]),
        ),
        buy_per_kwh=prices.buy_per_kwh,
        sell_per_kwh=np.zeros(horizon.n),
        surplus_kw=np.zeros(horizon.n),
        peaks=tuple(peaks),
    )
    answer = load_solver("highs")(problem, work_limit=10**9)
    return answer.cost(problem) + answer.peak_cost(problem) + sum(t.fixed for t in terms)


def rows(figures: dict[str, Any]) -> dict[str, Any]:
    """The same figures as a table: one row for each engine."""
    each = [{"engine": name, **figures[name]} for name in ("aware", "blind")]
    each.append({"engine": "foresight", **dict.fromkeys(_COLUMNS, ""), **figures["foresight"]})
    return {"rows": each, **{k: v for k, v in figures.items() if k not in ("aware", "blind")}}
