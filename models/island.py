"""A site that can run without the grid: its grid-forming inverter, and what it can switch off."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import ConfigurationError
from models.ids import check_id


@dataclass(frozen=True)
class Feeder:
    """A switchable feeder (可切负荷): a load that can be switched off as a whole.

    Parameters
    ----------
    id, node : str
        Ids.
    max_kw : float
        The most it draws, kW > 0: what must be free before it is switched on.
    priority : int
        0 to 9; larger is carried longer on an island.
    """

    id: str
    node: str
    max_kw: float
    priority: int

    def __post_init__(self) -> None:
        where = f"assets.{self.id}"
        check_id(self.id, where=where)
        if not (math.isfinite(self.max_kw) and self.max_kw > 0):
            raise ConfigurationError("must be above 0", where=f"{where}.max_kw")
        if not 0 <= self.priority <= 9:
            raise ConfigurationError(f"{self.priority} is not in 0 to 9", where=f"{where}.priority")


@dataclass(frozen=True)
class IslandRule:
    """How a site runs on its own (孤岛运行).

    Parameters
    ----------
    storage : str
        The storage behind the grid-forming inverter.
    rated_kw : float
        Most power of that inverter, kW > 0.
    step_reserve_kw : float
        Power kept free for the largest single step of load, kW in [0, rated_kw).
    hold_h : float
        Lower loads and vehicles get only what the higher ones will not need for so long, h > 0.
    reserve_soc : float
        Below this state of charge only loads of the highest priority are carried, in [0, 1).
    reclose_s : float
        A feeder that was switched off stays off for so long, s >= 0.
    """

    storage: str
    rated_kw: float
    step_reserve_kw: float
    hold_h: float = 4.0
    reserve_soc: float = 0.0
    reclose_s: float = 300.0

    def __post_init__(self) -> None:
        where = "site.island"
        if not (math.isfinite(self.rated_kw) and self.rated_kw > 0):
            raise ConfigurationError("must be above 0", where=f"{where}.rated_kw")
        if not 0 <= self.step_reserve_kw < self.rated_kw:
            raise ConfigurationError(
                f"{self.step_reserve_kw:g} kW leaves nothing of {self.rated_kw:g} kW",
                where=f"{where}.step_reserve_kw",
                fix="the largest motor or pile that may start at once",
            )
        if not 0 < self.hold_h <= 72:
            raise ConfigurationError(f"{self.hold_h:g} is not in (0, 72]", where=f"{where}.hold_h")
        if not 0 <= self.reserve_soc < 1:
            raise ConfigurationError("is not in [0, 1)", where=f"{where}.reserve_soc")
        if not 0 <= self.reclose_s <= 86_400:
            raise ConfigurationError("is not in 0 to 86400", where=f"{where}.reclose_s")
