"""Writing a site file: the inverse of :func:`adapters.config.parse_site`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import tomli_w

from adapters.config import SiteFile
from adapters.config_thermal import thermal_table
from models.network import Node
from models.pile import Pile
from models.site import HorizonRule, Site
from models.site_rules import EnergyRule
from models.storage import Storage
from models.switching import FREE

_NODE_KEYS = [
    "parent",
    "limit_kw",
    "rating_kva",
    "power_factor",
    "ceiling_share",
    "contract_kw",
    "failsafe_kw",
    "heartbeat",
    "volts_low",
    "volts_high",
    "imbalance_a",
]


def site_to_toml(file: SiteFile, *, comment: str = "") -> str:
    """A site file as TOML text; reading it back gives the same site.

    Parameters
    ----------
    file : SiteFile
        What to write.
    comment : str
        Lines for the top, without their ``#``.
    """
    site = file.site
    data: dict[str, Any] = {
        "site": _site(file),
        "horizon": _horizon(site.horizon),
        "solver": {"deadline_s": _plain(site.deadline_s)},
        "store": {"path": str(file.store_path)},
    }
    if file.tariff_table:
        data["tariff"] = dict(file.tariff_table)
    if file.mqtt is not None:
        names = "host port tls ca_file cert_file key_file username password_file keepalive_s"
        data["mqtt"] = _said({n: getattr(file.mqtt, n) for n in names.split()})
    data["nodes"] = {node.id: _node(node) for node in site.network.nodes}
    data["assets"] = [
        *(_pile(p) for p in site.piles),
        *(_storage(s) for s in site.storages),
        *({"id": p.id, "kind": "pv", "node": p.node, "max_kw": _plain(p.max_kw)} for p in site.pv),
        *({"kind": "feeder", **_said(asdict(f))} for f in site.feeders),
    ]
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + tomli_w.dumps(data)


def _horizon(rule: HorizonRule) -> dict[str, Any]:
    told: dict[str, Any] = {"slot_minutes": rule.slot_minutes, "hours": _plain(rule.hours)}
    if rule.fine_hours is not None:
        told |= {"fine_hours": _plain(rule.fine_hours), "coarse_minutes": rule.coarse_minutes}
    return told


def _plain(value: float) -> float | int:
    """12.0 as 12: a site file is read by people."""
    rounded = round(value, 9)
    return int(rounded) if rounded == int(rounded) else rounded


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is None; numbers plain."""
    return {k: _plain(v) if isinstance(v, float) else v for k, v in values.items() if v is not None}


def _site(file: SiteFile) -> dict[str, Any]:
    site: Site = file.site
    out = _said(
        {
            "name": site.name,
            "timezone": site.zone.key,
            "currency": site.currency,
            "tariff": site.tariff,
            "base_load": site.base_load,
            "margin_kw": "learned" if site.margin_kw is None else site.margin_kw,
            "voltage_tolerance": site.voltage_tolerance,
            "lease_s": site.lease_s,
            "telemetry_period_s": site.telemetry_period_s,
            "beyond_request": site.beyond_request,
            "departures": site.departures,
            "smooth_steps": site.smooth_steps or None,
            "clock": file.clock,
        }
    )
    if site.walk_in is None:
        out["walk_in"] = "refuse"
    else:
        out["walk_in"] = _said(
            {k: getattr(site.walk_in, k) for k in ("energy_kwh", "stay_h", "priority")}
        )
    if site.v2g is not None:
        out["v2g"] = _said(asdict(site.v2g))
    if site.energy != EnergyRule():
        out["energy"] = _said(asdict(site.energy))
    if site.island is not None:
        out["island"] = _said(asdict(site.island))
    if site.response is not None:
        # Its calendar is the tariff's.
        out["response"] = _said(asdict(replace(site.response, calendar=None)))
    if site.envelope:
        out["envelope"] = [
            {
                "months": list(r.months),
                "day_type": r.day_type,
                "hours": [_plain(r.start_h), _plain(r.end_h)],
                "power_kw": _plain(r.power_kw),
            }
            for r in site.envelope
        ]
    return out


def _node(node: Node) -> dict[str, Any]:
    out = _said({k: getattr(node, k) for k in _NODE_KEYS})
    if node.limit_a is not None:
        out["limit_a"] = [_plain(a) for a in node.limit_a]
    if node.export_kw:
        out["export_kw"] = _plain(node.export_kw)
    if node.thermal is not None:
        out["thermal"] = thermal_table(node.thermal)
    return out


def _pile(pile: Pile) -> dict[str, Any]:
    out: dict[str, Any] = {"id": pile.id, "kind": "pile", "node": pile.node}
    if pile.current == "ac":
        per_a = 1.0 / pile.amps_per_kw
        out |= {
            "phases": list(pile.phases),
            "volts": _plain(pile.volts),
            "max_a": _plain(pile.max_kw / per_a),
            "min_a": _plain(pile.min_kw / per_a * (1 if pile.one_phase is None else 3)),
        }
        if pile.one_phase is not None:
            out |= {
                "one_phase": pile.one_phase,
                "phase_switches_per_day": pile.phase_switches_per_day,
            }
        if pile.step_kw:
            out["whole_amps"] = True
    else:
        out |= {
            "current": "dc",
            "volts": _plain(pile.volts),
            "max_kw": _plain(pile.max_kw),
            "min_kw": _plain(pile.min_kw),
        }
        if pile.step_kw:
            out["step_kw"] = _plain(pile.step_kw)
    out |= _said({k: getattr(pile, k) for k in ("fallback_kw", "offline_kw", "response_s")})
    if pile.group:
        out["group"] = pile.group
    if pile.discharge_kw:
        out["discharge_kw"] = _plain(pile.discharge_kw)
    if pile.switching != FREE:
        out |= _said(asdict(pile.switching))
    return out


def _storage(storage: Storage) -> dict[str, Any]:
    names = [
        "capacity_kwh",
        "max_kw",
        "charge_efficiency",
        "discharge_efficiency",
        "min_soc",
        "max_soc",
        "wear_per_kwh",
        "wear_per_cycle",
        "reserve_soc",
        "grid_charging",
        "cycles_per_day",
    ]
    promises = [[_plain(hour), _plain(kwh)] for hour, kwh in storage.promises]
    return {
        "id": storage.id,
        "kind": "storage",
        "node": storage.node,
        **_said({n: getattr(storage, n) for n in names}),
        **({"promises": promises} if promises else {}),
    }
