"""Reading ``[site.*]`` rules: demand response, islanding."""

from __future__ import annotations

from adapters.books import holidays_of
from adapters.config_table import Table
from models.island import IslandRule
from models.site_rules import EnergyRule, ResponseRule
from tariffs.settings import TariffSettings


def response_rule(head: Table, settings: TariffSettings) -> ResponseRule | None:
    """``[site.response]``: how the site takes part in demand response; None where it is silent.

    Its days of rest are those of the site's tariff.
    """
    if "response" not in head:
        return None
    keys = ("like_days", "off_share", "least_per_kwh")
    table = Table(head.get("response", {}), "site.response", keys)
    return ResponseRule(
        like_days=table.integer("like_days", 5),
        off_share=table.number("off_share", 0.25),
        least_per_kwh=table.number("least_per_kwh", 0.0),
        calendar=holidays_of(head.text("tariff"), settings),
    )


def island_rule(head: Table) -> IslandRule | None:
    """``[site.island]``: how the site runs without the grid; None where it is silent."""
    if "island" not in head:
        return None
    keys = ("storage", "rated_kw", "step_reserve_kw", "hold_h", "reserve_soc", "reclose_s")
    table = Table(head.get("island", {}), "site.island", keys)
    return IslandRule(
        storage=table.text("storage", fix="the id of the storage behind the inverter"),
        rated_kw=table.number("rated_kw", fix="the grid-forming inverter's rated power"),
        step_reserve_kw=table.number(
            "step_reserve_kw", fix="the largest load that may start at once"
        ),
        hold_h=table.number("hold_h", 4.0),
        reserve_soc=table.number("reserve_soc", 0.0),
        reclose_s=table.number("reclose_s", 300.0),
    )


def energy_rule(head: Table) -> EnergyRule:
    """``[site.energy]``: whose energy is used first; by price alone where it is silent."""
    table = Table(
        head.get("energy", {}), "site.energy", ("own_first", "green_share", "green_per_kwh")
    )
    return EnergyRule(
        own_first=table.flag("own_first", False),
        green_share=table.number("green_share", 0.0),
        green_per_kwh=table.number("green_per_kwh", 0.0),
    )
