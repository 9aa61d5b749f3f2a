"""What is known of a transformer as a thermal object (IEC 60076-7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import ConfigurationError, InvalidValueError


@dataclass(frozen=True)
class ThermalPlate:
    """What a transformer's test report says, with the constants of its class.

    Parameters
    ----------
    oil_rise_k, hot_rise_k : float
        Top oil above ambient, and hot spot above top oil, at rated load, K > 0.
    loss_ratio : float
        R: load losses at rated load by losses without load, > 0.
    oil_exponent, winding_exponent : float
        x and y.
    k11, k21, k22 : float
        Constants of the model.
    oil_min, winding_min : float
        Time constants, minutes > 0.

    Notes
    -----
    The defaults are those of IEC 60076-7 for distribution transformers (ONAN).
    """

    oil_rise_k: float
    hot_rise_k: float
    loss_ratio: float
    oil_exponent: float = 0.8
    winding_exponent: float = 1.6
    k11: float = 1.0
    k21: float = 1.0
    k22: float = 2.0
    oil_min: float = 180.0
    winding_min: float = 4.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidValueError(f"{value} is not above 0", where=f"thermal.{name}")


@dataclass(frozen=True)
class ThermalRule:
    """A transformer that is watched by its hot spot, and whether it may be overloaded for short.

    Parameters
    ----------
    plate : ThermalPlate
    ambient_c : float
        Air around it that is counted with, degrees Celsius: the warmest of the season, since
        nothing measures it.
    overload_allowed : bool
        True: the grid company has allowed short overload up to ``hot_spot_most_c``.
    hot_spot_most_c : float or None
        The hottest that is allowed then, degrees Celsius.
    """

    plate: ThermalPlate
    ambient_c: float
    overload_allowed: bool
    hot_spot_most_c: float | None = None

    def __post_init__(self) -> None:
        if not -50.0 <= self.ambient_c <= 60.0:
            raise ConfigurationError(f"{self.ambient_c:g} is no air", where="thermal.ambient_c")
        most = self.hot_spot_most_c
        if self.overload_allowed and most is None:
            raise ConfigurationError(
                "overload is allowed up to a temperature, and none is said",
                where="thermal.hot_spot_most_c",
                fix="120 is the most of IEC 60076-7 for normal cyclic loading",
            )
        if most is not None and not self.ambient_c < most <= 140.0:
            raise ConfigurationError(
                f"{most:g} is not between the air and 140 degrees",
                where="thermal.hot_spot_most_c",
            )
