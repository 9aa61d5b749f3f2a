"""Voltage at a node as a limit (电压约束): what may be drawn, or fed back, outside its band.

The voltage of a weak feeder falls with what is drawn and rises with what is fed back, by how much
nobody knows beforehand. So each reading outside the band lowers what may flow by a share of what
flows now, the more the farther it is outside; well inside the band the cap rises again slowly and
ends once it binds no more. Between two readings the last cap holds, also when the meter is silent.
"""

from __future__ import annotations

import math

from models.events import NodeMeasured
from models.site import Site
from scheduler.state import NodeState

LEAST_CUT, MOST_CUT = 0.05, 0.5
"""Share of the power that one reading outside the band takes off."""

CUT_PER_SHARE = 8.0
"""So many times the share by which the voltage misses its band."""

INSIDE_SHARE = 0.01
"""So far inside the band, as a share of the voltage, a cap is raised again."""

RISE, RISE_KW = 1.05, 0.5
"""By so much at each such reading."""

FREE_SHARE = 1.5
"""A cap that is so many times what flows binds no more."""


def next_cap_kw(cap_kw: float, flow_kw: float, beyond_share: float) -> float:
    """The cap on a flow after one reading.

    Parameters
    ----------
    cap_kw : float
        The cap until now, kW >= 0; inf: none.
    flow_kw : float
        What flows now in the direction that drives the voltage out, kW; below 0 counts as 0.
    beyond_share : float
        How far the voltage is outside its band, as a share of the band's end; negative inside.

    Returns
    -------
    float
        kW >= 0; inf: none.
    """
    flow = max(flow_kw, 0.0)
    if beyond_share > 0.0:
        cut = min(max(LEAST_CUT, CUT_PER_SHARE * beyond_share), MOST_CUT)
        return min(cap_kw, flow * (1.0 - cut))
    if math.isinf(cap_kw) or beyond_share > -INSIDE_SHARE:
        return cap_kw
    risen = cap_kw * RISE + RISE_KW
    return math.inf if risen > FREE_SHARE * flow + RISE_KW and flow < cap_kw else risen


def voltage_caps(before: NodeState, event: NodeMeasured, site: Site) -> tuple[float, float]:
    """What the node's voltage allows to be drawn and fed back, kW, where it has a band."""
    node = site.network.nodes[site.network.index[event.node]]
    volts = event.voltages_v
    drawn, fed = before.import_cap_kw, before.export_cap_kw
    if volts is not None and node.volts_low is not None:
        beyond = (node.volts_low - min(volts)) / node.volts_low
        drawn = next_cap_kw(drawn, event.power_kw, beyond)
    if volts is not None and node.volts_high is not None:
        beyond = (max(volts) - node.volts_high) / node.volts_high
        fed = next_cap_kw(fed, -event.power_kw, beyond)
    return drawn, fed
