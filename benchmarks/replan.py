"""Re-planning a microgrid: one driver changes his words, every pile, meter and asset reports.

200 piles, a quarter of the vehicles V2G, storage, PV, a demand charge, 96 slots; the general
program starts from the basis of the plan before. What counts is the whole step: events in, problem,
solution verified, setpoints encoded.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from adapters.books import load_book
from benchmarks.bench_site import START, bench_site
from benchmarks.step import Loop
from models.events import AssetMeasured, Event, ForecastPushed, NodeMeasured, SessionRequested
from models.network import Network, Node
from models.session import GiveBack, Request
from models.site import GiveBackRule, Site
from models.storage import PvPlant, Storage

COLUMNS = ("piles", "gives", "replan_ms_p50", "replan_ms_p95", "replan_cpu_ms_p50", "solve_ms_p50",
           "receive_ms_p50", "dispatch_ms_p50")  # fmt: skip
BOOK = "sce-tou-ev-4-2019"


def microgrid_site(piles: int) -> Site:
    """The congested depot with storage, PV and piles that feed back."""
    site = bench_site(piles)
    root = Node("transformer", limit_kw=piles * 7.04 / 2, export_kw=piles * 2.0, heartbeat="none")
    return replace(
        site,
        tariff=BOOK,
        currency="USD",
        base_load="meter",
        network=Network((root, *site.network.nodes[1:])),
        piles=tuple(replace(p, discharge_kw=p.max_kw) for p in site.piles),
        storages=(
            Storage(
                "bess",
                "transformer",
                capacity_kwh=piles * 2.5,
                max_kw=piles * 1.25,
                charge_efficiency=0.95,
                discharge_efficiency=0.95,
                min_soc=0.1,
                wear_per_kwh=0.012,
            ),
        ),
        pv=(PvPlant("pv", "transformer", piles * 1.5),),
        v2g=GiveBackRule(0.03, 0.02, 0.88, 0.25, 1.0),
    )


class MicrogridLoop(Loop):
    """The loop of :mod:`benchmarks.step` around such a site."""

    def __init__(self, piles: int, seed: int, giving_share: float) -> None:
        self._giving_share = giving_share
        self._soc = 0.5
        super().__init__(microgrid_site(piles), load_book(BOOK), ("general",), seed)

    def first(self) -> list[Event]:
        """Forecasts beside what every pile says."""
        hour = (np.arange(120) * 0.25 + 8.0) % 24.0
        sun = 1.2 * len(self.site.piles) * np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0)
        load = 0.8 * len(self.site.piles) * (1.0 + 0.4 * np.exp(-(((hour - 19.0) / 3.0) ** 2)))
        found = [*super().first(), *self._metered()]
        for name, values in (("base-transformer", load), ("pv-pv", sun)):
            now, mono_s, stamp = self.common()
            found.append(
                ForecastPushed(
                    now=now,
                    mono_s=mono_s,
                    stamp=stamp,
                    issued_at=now,
                    series=name,
                    start=START,
                    slot_minutes=15,
                    values=tuple(values.tolist()),
                )
            )
        return found

    def request(self, session: str, pile: str) -> Event:
        """A quarter of the drivers let their vehicles give back."""
        event = super().request(session, pile)
        assert isinstance(event, SessionRequested)
        if (int(pile[1:]) * 0.618_033_988_75) % 1.0 >= self._giving_share:
            return event
        asked: Request = replace(
            event.request,
            battery_kwh=60.0,
            soc=0.4,
            v2g=GiveBack(consent=True, min_soc=0.3, max_discharge_kw=7.0),
        )
        return replace(event, request=asked)

    def change(self) -> list[Event]:
        """As in the depot, and meter and assets report."""
        return [*super().change(), *self._metered()]

    def _metered(self) -> list[Event]:
        piles = 0.0 if not self.ready else sum(p.power_kw for p in self.state.piles.values())
        n = len(self.site.piles)
        load, sun = 0.8 * n * self.rng.uniform(0.98, 1.02), 0.5 * n * self.rng.uniform(0.9, 1.1)
        store = self.state.assets["bess"].wanted_kw if self.ready else 0.0
        found: list[Event] = []
        for asset, power, soc, able in (
            ("bess", store, self._soc, 1.25 * n),
            ("pv", -sun, None, sun),
        ):
            now, mono_s, stamp = self.common()
            found.append(
                AssetMeasured(
                    now=now,
                    mono_s=mono_s,
                    stamp=stamp,
                    issued_at=now,
                    asset=asset,
                    power_kw=power,
                    soc=soc,
                    available_kw=able,
                )
            )
        now, mono_s, stamp = self.common()
        found.append(
            NodeMeasured(
                now=now,
                mono_s=mono_s,
                stamp=stamp,
                issued_at=now,
                node="transformer",
                power_kw=load + piles + store - sun,
            )
        )
        return found


def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Re-plans of 200 piles, none and a quarter of them V2G."""
    rows = []
    for piles, share in ((200, 0.0), (200, 0.25)):
        tell(f"{piles} piles, {share:.0%} V2G")
        loop = MicrogridLoop(piles, 7, share)
        times, cpu, parts = [], [], []
        for number in range(6 if quick else 40):
            change = loop.change()
            cpu_s = time.process_time()
            took = loop.step(change)
            if number >= 2:
                times.append(took)
                cpu.append(1e3 * (time.process_time() - cpu_s))
                parts.append(loop.parts)
        row: dict[str, Any] = {
            "piles": piles,
            "gives": share,
            "replan_ms_p50": round(statistics.median(times), 1),
            "replan_ms_p95": round(float(np.quantile(times, 0.95)), 1),
            "replan_cpu_ms_p50": round(statistics.median(cpu), 1),
        }
        for name in parts[0]:
            row[f"{name}_ms_p50"] = round(statistics.median(p[name] for p in parts), 1)
        rows.append(row)
    return {"rows": rows}
