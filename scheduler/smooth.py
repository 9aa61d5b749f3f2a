"""Even power where the price is even: a quadratic manner, in steps.

Among plans of one cost the one with the least sum of squares of the connection's power is the
evenest: it keeps a fleet that waits for the valley from starting all at once. A convex function is
the limit of its chords, and chords are price levels: a kWh in a slot's higher step is dearer than
any in a lower step, by nothing that counts as money. So a flow solver evens out by opening each
price's slots step by step. Steps lie at whole multiples of one power, whatever the base load
is: the plan does not follow the meter's noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.site import Site

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Smooth:
    """How the root's power is evened out.

    Parameters
    ----------
    step_kw : float
        Height of a step, kW > 0.
    steps : int
        Number of steps; the last has no top.
    filled : ndarray of int64, shape (T,)
        Whole steps that the base load takes in each slot, 0 to ``steps - 1``.
    """

    step_kw: float
    steps: int
    filled: IntArray

    def square(self, entry_slot: IntArray, slot_h: FloatArray, energy_kwh: FloatArray) -> float:
        """Sum of squares of the root's power over time, kW² h: what is to be small.

        Parameters
        ----------
        entry_slot : ndarray of int64, shape (E,)
            Slot of each of a plan's entries.
        slot_h : ndarray, shape (T,)
            Lengths of the slots, h.
        energy_kwh : ndarray, shape (E,)
            The plan, kWh.
        """
        drawn = np.bincount(entry_slot, weights=energy_kwh, minlength=slot_h.size) / slot_h
        return float(slot_h @ (self.filled * self.step_kw + drawn) ** 2)

    def resolution(self, slot_h: FloatArray) -> float:
        """How far the sum of squares along the steps' chords may lie above the least, kW² h.

        A chord of width w is at most w²/4 above a parabola.
        """
        return float(slot_h.sum()) * self.step_kw**2 / 4.0

    def room_kw(self, price: FloatArray, drawn_kw: FloatArray) -> FloatArray:
        """What may be drawn without rising a step above the top of an even plan, kW, shape (T,).

        Parameters
        ----------
        price : ndarray, shape (T,)
            Price per kWh: each has a top of its own.
        drawn_kw : ndarray, shape (T,)
            What the plan draws, kW.
        """
        _, level = np.unique(price, return_inverse=True)
        top_kw = np.zeros(int(level.max(initial=0)) + 1)
        used = np.where(drawn_kw > 0, self.filled * self.step_kw + drawn_kw, 0.0)
        np.maximum.at(top_kw, level, used)
        room = top_kw[level] + self.step_kw - self.filled * self.step_kw
        return np.asarray(np.maximum(room, drawn_kw), dtype=np.float64)


def smooth_of(site: Site, base_kw: FloatArray) -> Smooth | None:
    """The steps of a site.

    Parameters
    ----------
    site : Site
        Its ``smooth_steps``, up to its connection's own limit.
    base_kw : ndarray, shape (T,)
        Base load at the root, kW; inf where a meter has never spoken.

    Returns
    -------
    Smooth or None
        None where the site does not ask for it.
    """
    if not site.smooth_steps:
        return None
    step_kw = site.network.nodes[0].own_limit_kw / site.smooth_steps
    known = np.where(np.isfinite(base_kw), base_kw, 0.0)
    filled = np.clip(np.rint(known / step_kw), 0, site.smooth_steps - 1).astype(np.int64)
    return Smooth(step_kw, site.smooth_steps, filled)


def in_steps(
    price: FloatArray, open_w: FloatArray, smooth: Smooth
) -> tuple[FloatArray, FloatArray]:
    """Price levels whose grid power opens step by step.

    Parameters
    ----------
    price : ndarray, shape (L,)
        Prices in rising order.
    open_w : ndarray, shape (L, T)
        Power that each opens beyond the cheaper ones, W; inf for the grid.
    smooth : Smooth
        The steps.

    Returns
    -------
    price : ndarray, shape (K,)
        Prices in an order that never falls; equal ones are the steps of one price.
    open_w : ndarray, shape (K, T)
        Power that each opens beyond those before, W; inf in the last step.
    """
    prices: list[float] = []
    rows: list[FloatArray] = []
    for level, opens in zip(price.tolist(), open_w, strict=True):
        grid = np.isinf(opens)
        if bool((opens[~grid] > 0).any()):
            prices.append(level)
            rows.append(np.where(grid, 0.0, opens))
        # A price that stands in one slot alone has nothing to even out.
        alone = int(grid.sum()) == 1
        for step in range(smooth.steps - 1 if alone else 0, smooth.steps):
            here = grid & (smooth.filled <= step)
            if bool(here.any()):
                height = np.inf if step == smooth.steps - 1 else smooth.step_kw * 1000.0
                prices.append(level)
                rows.append(np.where(here, height, 0.0))
    return np.array(prices), np.array(rows)
