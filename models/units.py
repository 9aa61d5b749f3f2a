"""Units, and the few conversions between them.

Inside the flow kernel energy is an integer number of watt-seconds in 64 bits, so unequal and
partial slots stay exact; everywhere else energy is kWh and power kW as floats.
"""

from __future__ import annotations

SECONDS_PER_HOUR = 3600
WATT_SECONDS_PER_KWH = 3_600_000
"""1 kWh = 1000 W x 3600 s."""

POWER_EPSILON_KW = 1e-6
"""Below this two powers are the same power: a milliwatt."""

ENERGY_EPSILON_KWH = 1e-6
"""Below this two energies are the same energy."""


def amps_to_kw(current_a: float, volts: float, phases: int) -> float:
    """Power of a balanced current.

    Parameters
    ----------
    current_a : float
        Current on each phase, A.
    volts : float
        Voltage between phase and neutral, V.
    phases : int
        Number of phases that carry the current, 1 to 3.

    Returns
    -------
    float
        ``phases * volts * current_a / 1000``, kW, at unity power factor.
    """
    return phases * volts * current_a / 1000.0
