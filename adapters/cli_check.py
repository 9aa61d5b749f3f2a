"""``valleyfill check``: what a site file says, as the daemon understands it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from adapters.cli_output import print_document, say, tables
from adapters.config import SiteFile
from models.horizon import epoch_s, instant_of, midnight_of
from models.site import Site
from scheduler.alerts import giving_blocked
from tariffs.tariff import Tariff


def check(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Show the prices of this day; today unless said."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Explain what a site file says: limits, fallbacks, tariff, what is assumed or missing."""
    from adapters.books import load_book
    from adapters.config import load_site

    file = load_site(site)
    tariff = load_book(file.site.tariff, settings=file.tariff_settings)
    now = datetime.now(UTC) if at is None else at.replace(tzinfo=file.site.zone)
    document = explain(file, tariff, midnight_of(now, file.site.zone))
    if as_json:
        print_document(document)
    else:
        _show(document)
    for warning in document["warnings"]:
        say(f"warning: {warning}", style="yellow")


def explain(file: SiteFile, tariff: Tariff, midnight: datetime) -> dict[str, Any]:
    """What was understood, as one document."""
    site = file.site
    end = midnight + timedelta(days=1)
    steps = tariff.steps(epoch_s(midnight), epoch_s(end), site.zone)
    ends = [*steps.starts_s[1:].tolist(), steps.end_s]
    return {
        "site": site.name,
        "file": file.path,
        "timezone": site.zone.key,
        "clock": file.clock,
        "base_load": site.base_load,
        "margin": "learned" if site.margin_kw is None else f"{site.margin_kw:g} kW",
        "voltage_tolerance": site.voltage_tolerance,
        "lease_s": site.lease_s,
        "telemetry_period_s": site.telemetry_period_s,
        "horizon": {"slot_minutes": site.horizon.slot_minutes, "hours": site.horizon.hours},
        "walk_in": "refuse"
        if site.walk_in is None
        else f"{site.walk_in.energy_kwh:g} kWh in {site.walk_in.stay_h:g} h, "
        f"priority {site.walk_in.priority}",
        "nodes": [_node(site, k) for k in range(len(site.network.nodes))],
        "piles": _piles(site),
        "storages": [f"{s.id}: {s.capacity_kwh:g} kWh, {s.max_kw:g} kW" for s in site.storages],
        "pv": [f"{p.id}: {p.max_kw:g} kW" for p in site.pv],
        "tariff": {
            "name": site.tariff,
            "currency": tariff.currency,
            "day": midnight.date(),
            "prices": [
                {
                    "from": instant_of(start).astimezone(site.zone).strftime("%H:%M"),
                    "to": instant_of(stop).astimezone(site.zone).strftime("%H:%M"),
                    "period": str(period),
                    "buy_per_kwh": round(float(price), 6),
                }
                for start, stop, period, price in zip(
                    steps.starts_s.tolist(), ends, steps.period, steps.buy_per_kwh, strict=True
                )
            ],
            "notes": [n.text for n in tariff.notes(midnight, end, zone=site.zone)],
        },
        "assumed": file.assumed,
        "warnings": list(_warnings(file, tariff)),
    }


def _node(site: Site, k: int) -> dict[str, Any]:
    node = site.network.nodes[k]
    below = [p for p in site.piles if k in site.network.path[site.pile_node[p.id]]]
    factor = site.voltage_tolerance
    bounds = [v for v in (node.own_limit_kw, node.contract_kw) if v is not None]
    return {
        "id": node.id,
        "parent": node.parent,
        "bears_kw": node.own_limit_kw,
        "contract_kw": node.contract_kw,
        "failsafe_kw": node.failsafe_kw,
        "limit_a": node.limit_a,
        "imbalance_a": node.imbalance_a,
        "heartbeat": site.network.heartbeat_of(k),
        "holds_without_word_kw": min(bounds),
        "piles": len(below),
        "piles_kw": sum(p.max_kw * p.count_factor(factor) for p in below),
        "fallbacks_kw": sum(
            max(p.fallback_kw, p.offline_kw) * p.count_factor(factor) for p in below
        ),
    }


def _piles(site: Site) -> list[dict[str, Any]]:
    kinds: dict[tuple[Any, ...], list[str]] = {}
    for p in site.piles:
        phases = len(p.phases) if p.current == "ac" else 0
        kinds.setdefault((p.node, p.current, phases, p.max_kw, p.min_kw), []).append(p.id)
    return [
        {
            "node": node,
            "current": current,
            "phases": phases or None,
            "count": len(ids),
            "max_kw": max_kw,
            "min_kw": min_kw,
            "first": ids[0],
            "last": ids[-1],
        }
        for (node, current, phases, max_kw, min_kw), ids in kinds.items()
    ]


def _warnings(file: SiteFile, tariff: Tariff) -> Iterable[str]:
    site = file.site
    if tariff.currency and tariff.currency != site.currency:
        yield f"the site counts in {site.currency}, its tariff in {tariff.currency}"
    if file.mqtt is not None and not file.mqtt.tls and not file.mqtt.on_loopback:
        yield f"the broker {file.mqtt.host} is spoken to without TLS"
    if all(math.isinf(n.own_limit_kw) and n.contract_kw is None for n in site.network.nodes):
        yield "no node limits power: only a pushed limit would"
    if site.base_load == "none" and site.pv:
        yield "base_load is none although there is PV behind the meter"
    for node in giving_blocked(site):
        yield f"vehicles could give back under {node}, but its export_kw is 0: no plan uses them"


def _kw(value: float | None) -> str:
    return "" if value is None else "no limit" if math.isinf(value) else f"{value:.4g}"


def _show(document: dict[str, Any]) -> None:
    out = tables()
    facts = Table(
        "what", "as understood", title=f"Site {document['site']}", title_justify="left", box=SIMPLE
    )
    for key in (
        *("timezone", "clock", "base_load", "margin", "voltage_tolerance", "lease_s"),
        *("telemetry_period_s", "walk_in"),
    ):
        facts.add_row(key, str(document[key]))
    rule = document["horizon"]
    facts.add_row("horizon", f"{rule['hours']:g} h in slots of {rule['slot_minutes']} min")
    for key in ("storages", "pv", "assumed"):
        for line in document[key]:
            facts.add_row(key, line)
    out.print(facts)
    nodes = Table(
        title="Limits, kW", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False
    )
    nodes.add_column("node", no_wrap=True)
    heads = (
        "bears",
        "contract",
        "failsafe",
        "A/phase",
        "heartbeat",
        "piles",
        "at full",
        "fallback",
    )
    for head in heads:
        nodes.add_column(head, justify="right")
    depth: dict[str | None, int] = {None: -1}
    for n in document["nodes"]:
        depth[n["id"]] = depth[n["parent"]] + 1
        nodes.add_row(
            "  " * depth[n["id"]] + n["id"],
            *(_kw(n[k]) for k in ("bears_kw", "contract_kw", "failsafe_kw")),
            "" if n["limit_a"] is None else "/".join(f"{a:g}" for a in n["limit_a"]),
            n["heartbeat"],
            str(n["piles"]),
            *(_kw(n[k]) for k in ("piles_kw", "fallbacks_kw")),
        )
    out.print(nodes)
    piles = Table("node", "piles", "current", "kW", title="Piles", title_justify="left", box=SIMPLE)
    for p in document["piles"]:
        span = p["first"] if p["count"] == 1 else f"{p['first']} to {p['last']}"
        phases = f" {p['phases']}-phase" if p["phases"] else ""
        power = f"0 or {p['min_kw']:.4g} to {p['max_kw']:.4g}"
        piles.add_row(p["node"], f"{p['count']}: {span}", p["current"] + phases, power)
    out.print(piles)
    tariff = document["tariff"]
    title = f"Tariff {tariff['name']} on {tariff['day']}, {tariff['currency']} per kWh"
    prices = Table("from", "to", "period", "buy", title=title, title_justify="left", box=SIMPLE)
    for row in tariff["prices"]:
        prices.add_row(row["from"], row["to"], row["period"], f"{row['buy_per_kwh']:.4f}")
    out.print(prices)
    for note in tariff["notes"]:
        out.print(f"tariff: {note}", markup=False)
