"""The picture of a real night for the README: ``python -m benchmarks.picture FILE.png``.

New York's Charleston buses (MTA timetables, MIT) in one process: what they draw under the plan,
what they would draw uncontrolled, the limit, and the price behind.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np

from adapters.books import load_book
from adapters.simulator.baselines import uncontrolled
from adapters.simulator.demo import ZONE, bus_night
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.replay import prepare
from adapters.simulator.simulate import RUNGS, last_s
from adapters.simulator.trace import SessionTrace
from models.horizon import FloatArray, Horizon
from scheduler.engine import Engine

matplotlib.use("Agg")
from matplotlib import pyplot as plt

STEP_S = 300
PERIOD_COLOURS = {
    "sharp": "#f2b8b5",
    "peak": "#f7d9c4",
    "flat": "#f4f1de",
    "valley": "#d8ead3",
    "deep_valley": "#b7dfc3",
}


def mean_power(sessions: tuple[SessionTrace, ...], edges_s: FloatArray) -> FloatArray:
    """Mean power of all sessions between edges, kW."""
    energy = np.zeros(edges_s.size - 1)
    for session in sessions:
        for piece in session.pieces:
            length = piece.end_s - piece.start_s
            if length <= 0:
                continue
            inside = np.clip(np.minimum(edges_s[1:], piece.end_s), edges_s[:-1], None)
            inside = inside - np.clip(piece.start_s, edges_s[:-1], edges_s[1:])
            energy += np.maximum(inside, 0.0) / length * piece.energy_kwh
    return energy / (np.diff(edges_s) / 3600.0)


def draw(path: Path, *, buses: int = 64) -> None:
    """Run the night and write the picture as PNG."""
    night = bus_night(buses)
    site = night.file.site
    tariff = load_book("zhejiang-2026", holidays="none")
    replay = prepare(site, night.sessions, night.start, night.end, words="stated")
    until = last_s(replay)
    ours = run(
        Engine(site, tariff),
        VirtualDepot(site, replay.vehicles, start_s=night.start.timestamp()),
        until_s=until,
        solve=cascade_of(*RUNGS),
    )
    free = uncontrolled(
        site,
        lambda quirks: VirtualDepot(
            site, replay.vehicles, start_s=night.start.timestamp(), quirks=quirks
        ),
        until_s=until,
    )
    edges = np.arange(night.start.timestamp(), until + STEP_S, STEP_S, dtype=np.float64)
    horizon = Horizon(edges.astype(np.int64), ZONE)
    prices = tariff.prices(horizon)
    times = [datetime.fromtimestamp(s, ZONE) for s in edges]
    figure, axes = plt.subplots(figsize=(10, 4.2), dpi=130)
    for k, period in enumerate(prices.period):
        axes.axvspan(times[k], times[k + 1], color=PERIOD_COLOURS.get(period, "#eee"), lw=0)
    axes.stairs(
        mean_power(free.sessions, edges),
        matplotlib.dates.date2num(times),
        color="#888",
        lw=1.2,
        label="uncontrolled",
    )
    axes.stairs(
        mean_power(ours.sessions, edges),
        matplotlib.dates.date2num(times),
        color="#1b6f4a",
        fill=True,
        alpha=0.75,
        label="Valleyfill",
    )
    axes.axhline(site.network.root.own_limit_kw, color="#b3261e", lw=1.5, label="limit")
    axes.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M", tz=ZONE))
    axes.set_xlim(times[0], times[-1])
    axes.set_ylabel("kW")
    axes.set_title(
        f"{len(site.piles)} buses, one night, one transformer "
        "(shading: peak, flat and valley of Zhejiang 2026)",
        fontsize=10,
    )
    axes.legend(loc="upper right", frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
