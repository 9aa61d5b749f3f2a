"""The ``[[assets]]`` of a site file: piles, storage, PV, switchable feeders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.config_table import Table, nearest
from models.errors import ConfigurationError
from models.island import Feeder
from models.network import Network
from models.pile import Pile, ac_pile
from models.site import GiveBackRule
from models.storage import PvPlant, Storage
from models.switching import FREE, SwitchingRule

_COMMON = ("id", "kind", "node")
_SWITCHING = ("min_on_s", "min_off_s", "starts_per_day")
_AC_PILE = [
    "current",
    "phases",
    "volts",
    "max_a",
    "min_a",
    "whole_amps",
    "one_phase",
    "phase_switches_per_day",
    "fallback_kw",
    "offline_kw",
    "response_s",
    "group",
    "discharge_kw",
]
_DC_PILE = [
    "current",
    "volts",
    "max_kw",
    "min_kw",
    "step_kw",
    "fallback_kw",
    "offline_kw",
    "response_s",
    "group",
    "discharge_kw",
]
_STORAGE = [
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
    "promises",
]
_KEYS = {"storage": _STORAGE, "pv": ["max_kw"], "feeder": ["max_kw", "priority"]}
KINDS = ("pile", "storage", "pv", "feeder")

PILOT_MIN_A = 6.0
"""Least current that the pilot signal can offer (IEC 61851-1, GB/T 18487.1)."""

ASSUMED_EFFICIENCY = 0.95
"""Each way, where a storage does not say: usual for lithium storage with its inverter."""

NOMINAL_VOLTS = 220.0
"""Phase to neutral; used only where no current limit above a DC pile asks for its amps."""


@dataclass(frozen=True)
class Assets:
    """What was read, and the numbers that nobody said."""

    piles: tuple[Pile, ...]
    storages: tuple[Storage, ...]
    pv: tuple[PvPlant, ...]
    feeders: tuple[Feeder, ...]
    assumed: tuple[str, ...]


def read_assets(top: Table, network: Network, switching: SwitchingRule = FREE) -> Assets:
    """Every asset of a site file; ``switching`` is the rule of piles that have none of their own.

    Raises
    ------
    ConfigurationError
        If a key is missing, unknown or out of range; the message names asset and key.
    """
    piles: list[Pile] = []
    storages: list[Storage] = []
    pv: list[PvPlant] = []
    feeders: list[Feeder] = []
    assumed: list[str] = []
    for i, body in enumerate(top.tables("assets")):
        where = _place(body, i)
        kind = body.get("kind")
        if kind not in KINDS:
            hint = nearest(kind, KINDS) if isinstance(kind, str) else ", ".join(KINDS)
            what = f"{kind!r} is no kind" if "kind" in body else "the key is missing"
            raise ConfigurationError(what, where=f"{where}.kind", fix=hint)
        if kind == "pile":
            piles.append(_pile(body, where, network, switching))
            continue
        table = Table(body, where, (*_COMMON, *_KEYS[kind]))
        if kind == "storage":
            storages.append(_storage(table, assumed))
        elif kind == "feeder":
            feeders.append(
                Feeder(
                    table.text("id"),
                    table.text("node"),
                    table.number("max_kw"),
                    table.integer("priority"),
                )
            )
        else:
            pv.append(PvPlant(table.text("id"), table.text("node"), table.number("max_kw")))
    return Assets(tuple(piles), tuple(storages), tuple(pv), tuple(feeders), tuple(assumed))


def _place(body: Mapping[str, Any], position: int) -> str:
    name = body.get("id")
    return f"assets.{name}" if isinstance(name, str) and name else f"assets[{position}]"


def switching_rule(head: Table) -> SwitchingRule:
    """``[site.switching]``: what holds for every pile that says nothing else."""
    if "switching" not in head:
        return FREE
    table = Table(head.get("switching"), "site.switching", _SWITCHING)
    rule = _switching(table, FREE)
    rule.check("site.switching")
    return rule


def _switching(table: Table, default: SwitchingRule) -> SwitchingRule:
    return SwitchingRule(
        table.number("min_on_s", default.min_on_s),
        table.number("min_off_s", default.min_off_s),
        table.integer("starts_per_day", default.starts_per_day),
    )


def _pile(body: Mapping[str, Any], where: str, network: Network, switching: SwitchingRule) -> Pile:
    current = body.get("current", "ac")
    if current not in ("ac", "dc"):
        raise ConfigurationError(
            f"{current!r} is none of its words", where=f"{where}.current", fix="ac or dc"
        )
    keys = _AC_PILE if current == "ac" else _DC_PILE
    table = Table(body, where, (*_COMMON, *keys, *_SWITCHING))
    common: dict[str, Any] = {
        "id": table.text("id"),
        "node": table.text("node"),
        "fallback_kw": table.number("fallback_kw", 0.0),
        "offline_kw": table.number("offline_kw", fix="what it may draw when it does not answer"),
        "response_s": table.number("response_s", fix="from a setpoint until it is obeyed, s"),
        "group": table.text("group", ""),
        "discharge_kw": table.number("discharge_kw", 0.0),
        "switching": _switching(table, switching),
    }
    if current == "ac":
        return ac_pile(
            phases=table.integers("phases"),
            volts=table.number("volts"),
            max_a=table.number("max_a"),
            min_a=_pilot_min(table),
            whole_amps=table.flag("whole_amps", False),
            one_phase=table.integer("one_phase", None),
            phase_switches_per_day=_phase_switches(table),
            **common,
        )
    needs_volts = "volts" in table or _under_amps(network, common["node"])
    return Pile(
        current="dc",
        phases=(1, 2, 3),
        volts=table.number("volts") if needs_volts else NOMINAL_VOLTS,
        max_kw=table.number("max_kw"),
        min_kw=table.number("min_kw", 0.0),
        step_kw=table.number("step_kw", 0.0),
        **common,
    )


def _phase_switches(table: Table) -> int:
    if "one_phase" not in table and "phase_switches_per_day" not in table:
        return 0
    table.integer("one_phase", fix="the phase it draws on when switched to one")
    count: int = table.integer("phase_switches_per_day", fix="how often its relays may change over")
    return count


def _pilot_min(table: Table) -> float:
    value: float = table.number("min_a", PILOT_MIN_A)
    if value < PILOT_MIN_A:
        raise ConfigurationError(
            f"{value:g} A cannot be offered", where=table.at("min_a"), fix="6 A at least"
        )
    return value


def _under_amps(network: Network, node: str) -> bool:
    if node not in network.index:
        return False
    return any(network.nodes[k].limit_a is not None for k in network.path[network.index[node]])


def give_back_rule(head: Table) -> GiveBackRule | None:
    """``[site.v2g]``: what vehicles may give back, and for what; None where it is not said."""
    if "v2g" not in head:
        return None
    keys = ("price_per_kwh", "wear_per_kwh", "efficiency", "reserve_soc", "cycles_per_day")
    table = Table(head.get("v2g", {}), "site.v2g", keys)
    return GiveBackRule(**{key: table.number(key) for key in keys})


def _storage(table: Table, assumed: list[str]) -> Storage:
    name = table.text("id")
    assumed.extend(
        f"assets.{name}.{key} = {ASSUMED_EFFICIENCY:g}"
        for key in ("charge_efficiency", "discharge_efficiency")
        if key not in table
    )
    return Storage(
        id=name,
        node=table.text("node"),
        capacity_kwh=table.number("capacity_kwh"),
        max_kw=table.number("max_kw"),
        charge_efficiency=table.number("charge_efficiency", ASSUMED_EFFICIENCY),
        discharge_efficiency=table.number("discharge_efficiency", ASSUMED_EFFICIENCY),
        min_soc=table.number("min_soc", 0.0),
        max_soc=table.number("max_soc", 1.0),
        wear_per_kwh=table.number("wear_per_kwh", 0.0),
        wear_per_cycle=table.number("wear_per_cycle", 0.0),
        reserve_soc=table.number("reserve_soc", 0.0),
        grid_charging=table.flag("grid_charging", True),
        cycles_per_day=table.number("cycles_per_day", None),
        promises=_promises(table),
    )


def _promises(table: Table) -> tuple[tuple[float, float], ...]:
    """``promises = [[7, 200], [18, 120]]``: hour of the day, kWh."""
    found = []
    for pair in table.get("promises", []):
        numbers = isinstance(pair, list) and len(pair) == 2
        if not numbers or any(isinstance(v, bool) or not isinstance(v, int | float) for v in pair):
            raise ConfigurationError(
                f"{pair!r} is no hour and energy",
                where=table.at("promises"),
                fix="promises = [[7, 200]] holds 200 kWh at 07:00",
            )
        found.append((float(pair[0]), float(pair[1])))
    return tuple(found)
