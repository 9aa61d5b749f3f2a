"""Rules of a site toward its grid company: how it answers demand response."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigurationError


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
    """

    like_days: int = 5
    off_share: float = 0.25
    least_per_kwh: float = 0.0

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
