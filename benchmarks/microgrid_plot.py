"""Power at the connection on the days of a microgrid, controller by controller, as PNG."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np

from adapters.simulator.trace import Trace
from benchmarks.microgrid_case import LIMIT_KW, ZONE

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SHOWN_DAYS = 7


def write(traces: dict[str, Trace], folder: Path) -> None:
    """One picture for each tariff: the first week, a line for each controller."""
    folder.mkdir(parents=True, exist_ok=True)
    books = sorted({name.partition("/")[0] for name in traces})
    for book in books:
        figure, axes = plt.subplots(figsize=(11, 4))
        for name, trace in traces.items():
            if name.partition("/")[0] != book:
                continue
            at = np.array([t for t, _ in trace.root])
            power = np.array([kw for _, kw in trace.root])
            kept = at < at[0] + SHOWN_DAYS * 86_400
            when = [datetime.fromtimestamp(t, ZONE) for t in at[kept]]
            label = name.partition("/")[2]
            axes.step(when, power[kept], where="post", linewidth=0.8, label=label)
        axes.axhline(LIMIT_KW, color="black", linewidth=0.8, linestyle="--", label="limit")
        axes.set_ylabel("kW at the connection")
        axes.legend(loc="upper right", fontsize=8)
        figure.tight_layout()
        figure.savefig(folder / f"{book}.png", dpi=110)
        plt.close(figure)
