"""A line of a bill, and the lines of an account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True)
class BillLine:
    """One line: a quantity at a price under a rule.

    Parameters
    ----------
    rule : str
        ``energy``, a fee's name, ``fed in``, a tier, a demand term.
    period : str
        The tariff period, empty where there is none.
    quantity : Decimal
        In ``unit``.
    unit : str
        ``kWh``, ``kW``, ``month``.
    price : Decimal or None
        Money per unit; None where many prices stand behind one line.
    amount : Decimal
        Exact, not rounded; negative where the site earns.
    """

    rule: str
    period: str
    quantity: Decimal
    unit: str
    price: Decimal | None
    amount: Decimal


@dataclass(frozen=True)
class Bill:
    """Lines of one account over one stretch of time; rounded once, at the total."""

    tariff: str
    currency: str
    start_s: int
    end_s: int
    lines: tuple[BillLine, ...]

    @property
    def exact(self) -> Decimal:
        """The sum of all lines, not rounded."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        """The sum, rounded half up to the cent."""
        return self.exact.quantize(CENT, ROUND_HALF_UP)

    @property
    def energy_kwh(self) -> Decimal:
        """kWh drawn from the grid."""
        return sum((line.quantity for line in self.lines if line.rule == "energy"), Decimal(0))


def decimal_of(value: float, places: int) -> Decimal:
    """A float as the decimal that was meant: noise beyond ``places`` is dropped."""
    return Decimal(repr(round(value, places))) + Decimal(0)
