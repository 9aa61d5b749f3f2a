"""The fair sharing is compiled with the flow that it follows."""

from __future__ import annotations

from scheduler.solvers.flow_warm import warm as warm_flow


def warm() -> float:
    """As :func:`scheduler.solvers.flow_warm.warm`."""
    return warm_flow()
