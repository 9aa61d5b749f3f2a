"""Rules of a site beyond its limits: demand response, own and green energy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from models.errors import ConfigurationError


class _KindOfDay(Protocol):
    @property
    def is_workday(self) -> bool: ...


class DayCalendar(Protocol):
    """Tells of a civil date whether it is worked."""

    def day(self, day: date) -> _KindOfDay:
        """What kind of day a date is."""
        ...


@dataclass(frozen=True)
class ResponseRule:
    """How a site takes part in demand response (需求响应).

    Parameters
    ----------
    like_days : int
        The baseline is the mean of so many last like days, 1 to 20.
    off_share : float
        A day off the mean of those days by more than this share is left out, in (0, 1].
    least_per_kwh : float
        Voluntary events that pay less than this are refused, money per kWh, >= 0.
    calendar : DayCalendar, optional
        Which days are work days and which days of rest; None: weekdays alone tell.
    """

    like_days: int = 5
    off_share: float = 0.25
    least_per_kwh: float = 0.0
    calendar: DayCalendar | None = None

    def is_workday(self, day: date) -> bool:
        """Whether a civil date is worked."""
        if self.calendar is None:
            return day.weekday() < 5
        return self.calendar.day(day).is_workday

    def __post_init__(self) -> None:
        where = "site.response"
        if not 1 <= self.like_days <= 20:
            raise ConfigurationError(
                f"{self.like_days} is not in 1 to 20", where=f"{where}.like_days", fix="5 is usual"
            )
        if not 0 < self.off_share <= 1:
            raise ConfigurationError(
                f"{self.off_share:g} is not in (0, 1]", where=f"{where}.off_share", fix="0.25"
            )
        if not self.least_per_kwh >= 0:
            raise ConfigurationError(
                f"{self.least_per_kwh:g} is below 0", where=f"{where}.least_per_kwh", fix="0"
            )


@dataclass(frozen=True)
class EnergyRule:
    """Whose energy is used first (自发自用, 绿电占比).

    Parameters
    ----------
    own_first : bool
        True: what PV gives is used or stored on the site before any of it is sold, and nothing
        but PV is sold, whatever the prices say.
    green_share : float
        Share of what the site uses that its own PV should give over the planning window, in
        [0, 1); vehicles still come first, then this, then money. 0: no such constraint.
    green_per_kwh : float
        As a goal instead: what a kWh from the grid counts beyond its price, money, >= 0.
    """

    own_first: bool = False
    green_share: float = 0.0
    green_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        where = "site.energy"
        if not 0 <= self.green_share < 1:
            raise ConfigurationError(
                f"{self.green_share:g} is not in [0, 1)",
                where=f"{where}.green_share",
                fix="0.3 asks for 30 % of the energy from own PV",
            )
        if not self.green_per_kwh >= 0:
            raise ConfigurationError(
                f"{self.green_per_kwh:g} is below 0", where=f"{where}.green_per_kwh", fix="0"
            )
