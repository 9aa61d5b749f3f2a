"""``[nodes.x.thermal]``: a transformer watched by its hot spot, read and written."""

from __future__ import annotations

from typing import Any

from adapters.config_table import Table
from models.errors import ConfigurationError, ValleyfillError
from models.thermal import ThermalPlate, ThermalRule

_MUST = ("oil_rise_k", "hot_rise_k", "loss_ratio")
_CONSTANTS = (
    "oil_exponent", "winding_exponent", "k11", "k21", "k22", "oil_min", "winding_min",
)  # fmt: skip
_RULE = ("ambient_c", "overload_allowed", "hot_spot_most_c")


def read_thermal(node: Table) -> ThermalRule | None:
    """The rule of a node's table, None where it has none.

    Raises
    ------
    ConfigurationError
        If a key is missing, unknown or out of range.
    """
    if "thermal" not in node:
        return None
    where = node.at("thermal")
    table = Table(node.get("thermal"), where, (*_MUST, *_CONSTANTS, *_RULE))
    plate = {name: table.number(name) for name in _MUST}
    plate |= {name: table.number(name) for name in _CONSTANTS if name in table}
    ambient_c, allowed = table.number("ambient_c"), table.flag("overload_allowed")
    most_c = table.number("hot_spot_most_c", None)
    try:
        return ThermalRule(ThermalPlate(**plate), ambient_c, allowed, most_c)
    except ValleyfillError as error:
        place = f"{node.where}.{error.where}"
        raise ConfigurationError(error.what, where=place, fix=error.fix) from None


def thermal_table(rule: ThermalRule) -> dict[str, Any]:
    """The rule as the site file says it; constants of the standard are left out."""
    usual = ThermalPlate(1.0, 1.0, 1.0)
    said = {name: getattr(rule.plate, name) for name in _MUST}
    said |= {
        name: value
        for name in _CONSTANTS
        if (value := getattr(rule.plate, name)) != getattr(usual, name)
    }
    said |= {"ambient_c": rule.ambient_c, "overload_allowed": rule.overload_allowed}
    if rule.hot_spot_most_c is not None:
        said["hot_spot_most_c"] = rule.hot_spot_most_c
    return said
