"""A transformer as a thermal object: top oil, hot spot and ageing after IEC 60076-7.

    d(oil)/dt    = ((1 + R K^2) / (1 + R))^x * oil_rise - oil        over k11 tau_oil
    d(first)/dt  = k21 K^y hot_rise - first                          over k22 tau_winding
    d(second)/dt = (k21 - 1) K^y hot_rise - second                   over tau_oil / k22
    hot spot     = ambient + oil + first - second

K is the load by the rating. Between readings load and ambient are constant, so each state goes
exponentially to its end and every step is exact. Ageing is that of paper which is not thermally
upgraded: it doubles every 6 K and is 1 at 98 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.horizon import FloatArray
from models.thermal import ThermalPlate

AGEING_ONE_C, AGEING_DOUBLES_K = 98.0, 6.0
HEAVY_SHARE, OVER_SHARE = 0.8, 1.0
LASTING = 8
"""A load is heavy, or over, when it is for so many quarter hours in a row (two hours)."""


@dataclass(frozen=True)
class ThermalState:
    """Temperatures now: rises, K, and the life used so far, h at rated ageing."""

    oil_k: float
    first_k: float
    second_k: float
    aged_h: float = 0.0

    def hot_spot_c(self, ambient_c: float) -> float:
        """Hot spot, degrees Celsius."""
        return ambient_c + self.oil_k + self.first_k - self.second_k


def settled(plate: ThermalPlate, load: float) -> ThermalState:
    """The state after a load has stood for long; ``load`` by the rating, >= 0."""
    hot = load**plate.winding_exponent * plate.hot_rise_k
    return ThermalState(_oil_end_k(plate, load), plate.k21 * hot, (plate.k21 - 1.0) * hot)


def after(
    plate: ThermalPlate, state: ThermalState, *, load: float, ambient_c: float, minutes: float
) -> ThermalState:
    """The state after so many minutes of one load, >= 0 by the rating, at one ambient."""
    steps = max(math.ceil(minutes / 3.0), 1)
    step = minutes / steps
    hot = load**plate.winding_exponent * plate.hot_rise_k
    ends = (_oil_end_k(plate, load), plate.k21 * hot, (plate.k21 - 1.0) * hot)
    keeps = (
        math.exp(-step / (plate.k11 * plate.oil_min)),
        math.exp(-step / (plate.k22 * plate.winding_min)),
        math.exp(-step * plate.k22 / plate.oil_min),
    )
    for _ in range(steps):
        before = ageing(state.hot_spot_c(ambient_c))
        old = (state.oil_k, state.first_k, state.second_k)
        oil, first, second = (
            end + (value - end) * keep for end, value, keep in zip(ends, old, keeps, strict=True)
        )
        state = replace(state, oil_k=oil, first_k=first, second_k=second)
        mean = 0.5 * (before + ageing(state.hot_spot_c(ambient_c)))
        state = replace(state, aged_h=state.aged_h + mean * step / 60.0)
    return state


def ageing(hot_spot_c: float) -> float:
    """Relative rate of ageing of paper at a hot-spot temperature, 1 at 98 degrees."""
    return float(2.0 ** ((hot_spot_c - AGEING_ONE_C) / AGEING_DOUBLES_K))


def allowed_load(
    plate: ThermalPlate,
    state: ThermalState,
    *,
    ambient_c: float,
    minutes: float,
    hot_spot_most_c: float,
) -> float:
    """The largest load by the rating, at most 1.5, that keeps the hot spot for so many minutes.

    Parameters
    ----------
    plate, state : ThermalPlate, ThermalState
    ambient_c : float
    minutes : float
        How long the load stands, > 0.
    hot_spot_most_c : float
        What the grid company allows, degrees Celsius; 120 is the standard's for normal cycles.

    Notes
    -----
    1.5 is the standard's most for distribution transformers in normal cyclic loading. 0 where the
    hot spot is beyond it already.
    """

    def keeps(load: float) -> bool:
        reached = state
        for _ in range(max(round(minutes / 5.0), 1)):
            reached = after(plate, reached, load=load, ambient_c=ambient_c, minutes=5.0)
            if reached.hot_spot_c(ambient_c) > hot_spot_most_c:
                return False
        return True

    low, high = 0.0, 1.5
    if keeps(high):
        return high
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


@dataclass(frozen=True)
class ThermalFigures:
    """What a stretch of quarter hours did to a transformer.

    Parameters
    ----------
    hot_spot_most_c : float
        The hottest.
    life_used_share : float
        Mean rate of ageing: 1 is rated life.
    heavy, over : int
        Stretches of at least eight quarter hours above 80 % and 100 % of the rating.
    load_most : float
        The highest quarter hour by the rating.
    """

    hot_spot_most_c: float
    life_used_share: float
    heavy: int
    over: int
    load_most: float


def figures(
    plate: ThermalPlate,
    load: FloatArray,
    ambient_c: FloatArray,
    *,
    start: ThermalState | None = None,
) -> ThermalFigures:
    """Temperatures, ageing and counters over quarter hours.

    Parameters
    ----------
    plate : ThermalPlate
    load : ndarray, shape (q,)
        Mean of each quarter hour by the rating, >= 0.
    ambient_c : ndarray, shape (q,)
    start : ThermalState, optional
        Where it begins; settled at the first load unless given.
    """
    state = settled(plate, float(load[0])) if start is None else start
    hottest, began = -math.inf, state.aged_h
    for k, ambient in zip(load.tolist(), ambient_c.tolist(), strict=True):
        state = after(plate, state, load=k, ambient_c=ambient, minutes=15.0)
        hottest = max(hottest, state.hot_spot_c(ambient))
    hours = 0.25 * load.size
    return ThermalFigures(
        hottest,
        (state.aged_h - began) / hours,
        stretches(load.tolist(), HEAVY_SHARE),
        stretches(load.tolist(), OVER_SHARE),
        float(load.max()),
    )


def stretches(load: Sequence[float], share: float) -> int:
    """How often a load stayed above a share of the rating for eight quarter hours in a row."""
    found = run = 0
    for k in np.asarray(load):
        run = run + 1 if k > share else 0
        found += run == LASTING
    return found


def _oil_end_k(plate: ThermalPlate, load: float) -> float:
    losses = (1.0 + plate.loss_ratio * load**2) / (1.0 + plate.loss_ratio)
    return float(losses**plate.oil_exponent * plate.oil_rise_k)
