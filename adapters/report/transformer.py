"""What a stretch of time did to the transformers that are watched."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.journal import TRANSFORMER
from adapters.report.figure import Figure
from adapters.report.gather import Stretch


def transformer_figures(stretch: Stretch) -> list[Figure]:
    """Hottest spot, life used and heavy hours of each; nothing where none is watched."""
    out: list[Figure] = []
    watched = [n.id for n in stretch.file.site.network.nodes if n.thermal is not None]
    for node in watched:
        told = [t for t in stretch.told if t["kind"] == TRANSFORMER and t["about"] == node]
        hours = 0.25 * (len(told) - 1)
        aged = _grown(told, "aged_h")
        none = ("", "") if told else ("its meter was not heard", "未收到表计数据")
        out += [
            Figure(
                f"hot_spot_{node}", f"Hot spot of {node}, highest", f"{node} 热点最高温度",
                max((t["hot_spot_c"] for t in told), default=None), "°C", "", *none,
            ),
            Figure(
                f"aged_{node}", f"Life used of {node}, against rated", f"{node} 相对老化率",
                100.0 * aged / hours if told and hours > 0 else None, "%", "", *none,
            ),
            Figure(
                f"heavy_{node}", f"Heavy load of {node} (80 % for two hours)",
                f"{node} 重载次数（80% 持续两小时）", int(_grown(told, "heavy")), "", "", *none,
            ),
            Figure(
                f"over_{node}", f"Overload of {node} (100 % for two hours)",
                f"{node} 过载次数（100% 持续两小时）", int(_grown(told, "over")), "", "", *none,
            ),
        ]  # fmt: skip
    return out


def _grown(told: Sequence[Mapping[str, Any]], key: str) -> float:
    """By how much a counter grew; one that begins anew counts from 0."""
    values = [float(t[key]) for t in told]
    return sum(b - a if b >= a else b for a, b in itertools.pairwise(values))
