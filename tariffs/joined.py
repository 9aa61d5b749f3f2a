"""The lines of a bill over stretches that different tariffs hold."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np

from tariffs.tariff import Steps, Tariff


def joined_parts(
    held: Sequence[tuple[Tariff, int, int]], zone: ZoneInfo
) -> tuple[tuple[str, Steps], ...]:
    """Each line over all stretches; nothing is charged where a stretch's tariff lacks it.

    Parameters
    ----------
    held : sequence of (Tariff, int, int)
        Stretches [start, end) of epoch seconds that touch, in order, at least one.
    zone : ZoneInfo
    """
    parts = [dict(tariff.parts(lo, hi, zone)) for tariff, lo, hi in held]
    names = list(dict.fromkeys(name for part in parts for name in part))
    return tuple(
        (
            name,
            Steps.join(
                [
                    part[name] if name in part else _nothing(lo, hi, name)
                    for part, (_, lo, hi) in zip(parts, held, strict=True)
                ]
            ),
        )
        for name in names
    )


def _nothing(start_s: int, end_s: int, name: str) -> Steps:
    zero = np.zeros(1)
    return Steps(
        np.array([start_s], dtype=np.int64), end_s, zero, zero, np.array([name], dtype=object)
    )
