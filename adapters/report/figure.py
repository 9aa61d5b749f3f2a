"""One number of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["energy", "service", "use", "grid", "pilot"]
"""The headings that figures stand under."""

_DECIMALS = {"": 3, "kWh": 1, "MWh": 3, "%": 1, "h": 2, "kW": 1, "s": 1}


@dataclass(frozen=True)
class Figure:
    """One number with its name in both languages, its unit and where it is asked for.

    ``value`` None: not known from what the store keeps; ``note`` says why, or what it rests on.
    """

    key: str
    name: str
    name_zh: str
    value: float | None
    unit: str
    policy: str = ""
    note: str = ""
    note_zh: str = ""
    group: Group = "energy"

    @property
    def number(self) -> str:
        """The value as people read it: as many decimals as its unit bears; empty if unknown."""
        if self.value is None:
            return ""
        if not self.unit and float(self.value).is_integer():
            return f"{self.value:,.0f}"
        decimals = 4 if self.unit.endswith("/kWh") else _DECIMALS.get(self.unit, 2)
        # A negative that rounds to nothing is nothing.
        return f"{round(self.value, decimals) + 0.0:,.{decimals}f}"


def per(part: float, whole: float, times: float = 1.0) -> float | None:
    """One number over another; None over nothing."""
    return part / whole * times if whole else None
