"""Money and energy on recorded days: the engine beside the rules that a user would take instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from adapters.books import load_book
from adapters.config import SiteFile
from adapters.data.recorded import ReplaySession
from adapters.simulator.baselines import (
    MakeDepot,
    Opening,
    earliest_departure,
    first_come,
    least_laxity,
    uncontrolled,
    valley_only,
)
from adapters.simulator.costs import PriceSum
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.foresight import perfect_foresight
from adapters.simulator.simulate import (
    Outcome,
    closed_loop,
    figures_of,
    last_s,
    outcome_of,
    prices_of,
)
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Quirk
from adapters.site_writers import site_from_sessions
from models.site import Site
from models.switching import SwitchingRule
from tariffs.tariff import Tariff

FILE = "acn_caltech_jpl_sessions/{site}_2019-05-01_2019-08-31.csv.gz"
DATA = Path("../shared/data")
"""Where the real data usually stands, seen from a checkout."""

ZONE = ZoneInfo("America/Los_Angeles")
TARIFF = "zhejiang-2026"
START = datetime(2019, 5, 6, tzinfo=ZONE)


def run(
    data: Path, quick: bool, progress: Callable[[str], None], sites: tuple[str, ...] = ("jpl",)
) -> dict[str, Any]:
    """One row for each site, limit and policy.

    Parameters
    ----------
    data : Path
        Folder of the real data, which does not ship.
    quick : bool
        One day at 60 kW instead of five at 60 and at 150 kW.
    progress : callable
        Told a line before each policy.
    sites : tuple of str
        ``jpl``, ``caltech``.
    """
    tariff = load_book(TARIFF, holidays="none")
    rows: list[dict[str, Any]] = []
    end = START + timedelta(days=1 if quick else 5)
    for site in sites:
        for limit_kw in (60.0,) if quick else (60.0, 150.0):
            made, sessions = site_from_sessions(
                data / FILE.format(site=site),
                transformer_kw=limit_kw,
                zone=ZONE,
                tariff=tariff.name,
                currency=tariff.currency,
            )

            def tell(policy: str, where: str = f"{site}, {limit_kw:g} kW") -> None:
                progress(f"{where}: {policy}")

            found = policies(made, tariff, sessions, START, end, tell)
            rows += [{"site": site, "limit_kw": limit_kw, **row} for row in found]
    return {"tariff": tariff.name, "from": START.isoformat(), "to": end.isoformat(), "rows": rows}


def policies(
    made: SiteFile,
    tariff: Tariff,
    sessions: list[ReplaySession],
    start: datetime,
    end: datetime,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """The same cars under each policy, the engine last, and what could have been known at best."""
    runs: dict[str, Outcome] = {}
    for words in ("truth", "stated"):
        tell(f"ours, {words}")
        runs[f"ours, {words}"] = closed_loop(
            made.site, tariff, sessions, start, end, requests=words
        )
    tell("ours, calm")
    runs["ours, calm"] = closed_loop(
        calm(made.site), tariff, sessions, start, end, requests="truth"
    )
    told = runs["ours, truth"]
    prices = prices_of(made.site, tariff, told.replay)
    rows = []
    for name, trace in _rules(made.site, told, prices, tell):
        rows.append(_row(name, outcome_of(told.replay, trace, prices)))
    rows += [_row(name, outcome) for name, outcome in runs.items()]
    tell("perfect foresight")
    slot = made.site.horizon.slot_minutes
    best = perfect_foresight(made.site, told.replay.vehicles, prices, told.trace, slot_minutes=slot)
    rows.append(
        {
            "policy": "perfect foresight",
            "delivered_kwh": best.total_kwh,
            "cost": best.cost,
            "cost_per_kwh": best.cost / best.total_kwh,
            "exceeded_node_seconds": 0,
            "changes_per_session_hour": None,
            "starts_per_session_hour": None,
        }
    )
    for row in rows:
        row["of_feasible"] = row["delivered_kwh"] / best.total_kwh
    return rows


CALM = SwitchingRule(min_on_s=900.0, min_off_s=300.0, starts_per_day=2)
"""What an operator may ask who wants few starts."""


def calm(site: Site) -> Site:
    """The same site with a rule on how often its piles may be switched."""
    return replace(site, piles=tuple(replace(p, switching=CALM) for p in site.piles))


def _rules(
    site: Site, told: Outcome, prices: PriceSum, tell: Callable[[str], None]
) -> list[tuple[str, Trace]]:
    vehicles = told.replay.vehicles
    begin, until = min(v.arrival_s for v in vehicles) - 1.0, last_s(told.replay)

    def make(quirks: dict[str, Quirk]) -> VirtualDepot:
        return VirtualDepot(site, vehicles, start_s=begin, quirks=quirks)

    rules: dict[str, Callable[[Site, MakeDepot], Trace]] = {
        "uncontrolled": lambda s, m: uncontrolled(s, m, until_s=until),
        "first come": lambda s, m: first_come(s, m, until_s=until),
        "earliest departure": lambda s, m: earliest_departure(s, m, until_s=until),
        "least laxity": lambda s, m: least_laxity(s, m, until_s=until),
        "valley only": lambda s, m: valley_only(s, m, until_s=until, opening=valley(prices)),
    }
    out = []
    for name, rule in rules.items():
        tell(name)
        out.append((name, rule(site, make)))
    return out


def valley(prices: PriceSum) -> Opening:
    """Open at the cheapest price of each day, as a wall clock timer would be set."""
    day = np.floor_divide(prices.edges_s[:-1], 86_400)
    cheapest = np.array([prices.price_per_kwh[day == d].min() for d in day])
    return Opening(
        np.asarray(prices.edges_s, dtype=np.float64),
        np.asarray(prices.price_per_kwh <= cheapest + 1e-9, dtype=np.bool_),
    )


def _row(name: str, outcome: Outcome) -> dict[str, Any]:
    figures = figures_of(outcome)
    hours = sum(v.departure_s - v.arrival_s for v in outcome.replay.vehicles) / 3600.0
    return {
        "policy": name,
        "delivered_kwh": figures["delivered_kwh"],
        "cost": figures["cost"],
        "cost_per_kwh": figures["cost_per_kwh"],
        "exceeded_node_seconds": figures["exceeded_node_seconds"],
        "changes_per_session_hour": figures["power_changes"] / hours,
        "starts_per_session_hour": figures["starts"] / hours,
    }
