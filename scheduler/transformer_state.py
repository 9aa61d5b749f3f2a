"""A transformer's part of the state of a site."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scheduler.thermal import ThermalState


@dataclass(frozen=True)
class TransformerState:
    """What is known of one transformer.

    Parameters
    ----------
    heat : ThermalState
        Temperatures and the life used, as of ``at_mono_s``.
    load : float
        The last reading by the rating.
    at_mono_s : float
        When it came.
    credit : float
        What may be used of the rating for half an hour; 0: nothing beyond the ceiling.
    credit_mono_s : float
        When that was worked out.
    quarter_s : int
        Start of the running quarter hour, epoch seconds.
    load_s : float
        Load times seconds in it.
    known_s : float
        Seconds of it that are known.
    heavy_run, over_run : int
        Quarter hours in a row above 80 % and 100 % of the rating.
    heavy, over : int
        Stretches of eight of them so far.
    quarter_load : float
        Mean load of the last whole quarter hour.
    """

    heat: ThermalState
    load: float
    at_mono_s: float
    credit: float = 0.0
    credit_mono_s: float = -math.inf
    quarter_s: int = 0
    load_s: float = 0.0
    known_s: float = 0.0
    heavy_run: int = 0
    over_run: int = 0
    heavy: int = 0
    over: int = 0
    quarter_load: float = 0.0
