"""What learning from drivers who came before brings over their words, on real sessions.

Caltech and JPL behind 150 and 60 kW: requests as stated, once with each driver's departure as
the end of the window, once with the departure learned; beside the kWh delivered, since money at
fewer kWh is no gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.books import load_book
from adapters.simulator.simulate import baselines_of, closed_loop, figures_of
from adapters.site_writers import site_from_sessions
from models.site import Departures

_ZONE = ZoneInfo("America/Los_Angeles")
_TARIFF = "zhejiang-2026"
_FILE = "acn_caltech_jpl_sessions/{site}_{months}.csv.gz"
_CHOSEN_ON = "2019-09-01_2019-12-31"
"""The parameters were chosen on September of this file; May to August were left for the figures."""


@dataclass(frozen=True)
class Stretch:
    """A site, its limit, and the days."""

    site: str
    limit_kw: float
    start: date
    end: date


def stretches(*, quick: bool) -> list[Stretch]:
    """What is run: May to August 2019, or one week of it."""
    start, end = (
        (date(2019, 6, 3), date(2019, 6, 10)) if quick else (date(2019, 5, 1), date(2019, 9, 1))
    )
    sites = ("caltech",) if quick else ("caltech", "jpl")
    return [Stretch(s, kw, start, end) for s in sites for kw in (150.0, 60.0)]


def run(data: Path, quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """The figures, a row for each stretch and rule."""
    rows = []
    rules: tuple[Departures, ...] = ("stated", "learned")
    for stretch in stretches(quick=quick):
        for rule in rules:
            tell(f"{stretch.site} behind {stretch.limit_kw:g} kW, departures {rule}")
            rows.append(row_of(data, stretch, rule))
    return {"rows": rows}


def row_of(data: Path, stretch: Stretch, departures: Departures) -> dict[str, Any]:
    """One closed loop on the drivers' words."""
    tariff = load_book(_TARIFF, holidays="none")
    months = "2019-05-01_2019-08-31" if stretch.start < date(2019, 9, 1) else _CHOSEN_ON
    file, sessions = site_from_sessions(
        data / _FILE.format(site=stretch.site, months=months),
        transformer_kw=stretch.limit_kw,
        zone=_ZONE,
        tariff=_TARIFF,
        currency=tariff.currency,
    )
    site = replace(file.site, departures=departures)
    start, end = (
        datetime(d.year, d.month, d.day, tzinfo=_ZONE) for d in (stretch.start, stretch.end)
    )
    outcome = closed_loop(site, tariff, sessions, start, end, requests="stated")
    figures = figures_of(outcome) | baselines_of(site, tariff, outcome)
    return {
        "site": stretch.site,
        "limit_kw": stretch.limit_kw,
        "departures": departures,
        "delivered_of_feasible": figures["delivered_kwh"] / figures["feasible_kwh"],
        "dearer_than_foresight": figures["cost"] / figures["perfect_foresight_cost_at_delivered"]
        - 1.0,
        "cost": figures["cost"],
        "delivered_kwh": figures["delivered_kwh"],
        "short_sessions": figures["short_sessions"],
        "exceeded_node_seconds": figures["exceeded_node_seconds"],
    }
