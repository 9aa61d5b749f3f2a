"""How often a pile may be switched on and off: what spares contactors and vehicles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import ConfigurationError

LONGEST_S = 7200.0
"""Longer on or off times would be a plan of their own."""


@dataclass(frozen=True)
class SwitchingRule:
    """Switching of one pile (启停). A limit or an emergency never waits for it, and a promise
    that nothing else can keep outranks it.

    Parameters
    ----------
    min_on_s : float
        Once on, a vehicle that still wants energy is kept on so long, s, 0 to 7200.
    min_off_s : float
        Once off, it stays off so long, s, 0 to 7200.
    starts_per_day : int or None
        Starts within a local day that prices may cause, >= 1; None: any number.
    """

    min_on_s: float = 0.0
    min_off_s: float = 0.0
    starts_per_day: int | None = None

    def check(self, where: str) -> None:
        """Refuse what is out of range.

        Raises
        ------
        ConfigurationError
            Naming the key under ``where``.
        """
        for key in ("min_on_s", "min_off_s"):
            value = getattr(self, key)
            if not (math.isfinite(value) and 0 <= value <= LONGEST_S):
                raise ConfigurationError(
                    f"{value:g} s is not in 0 to {LONGEST_S:g}",
                    where=f"{where}.{key}",
                    fix="300 keeps a pile from being switched more often than every 5 minutes",
                )
        if self.starts_per_day is not None and self.starts_per_day < 1:
            raise ConfigurationError(
                f"{self.starts_per_day} starts a day charge nobody",
                where=f"{where}.starts_per_day",
                fix="1 or more; leave the key out for any number",
            )


FREE = SwitchingRule()
"""Switched as often as plan and limits want."""
