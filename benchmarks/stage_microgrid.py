"""A staged afternoon of a microgrid: sun, a storage, and vehicles that give back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.stage import Stage, site_of
from models.events import AssetMeasured, Event, ForecastPushed, SessionRequested
from models.network import Network, Node
from models.session import GiveBack, Request
from models.site import GiveBackRule, Site
from models.storage import PvPlant, Storage

AT = datetime(2026, 9, 1, 3, 0, tzinfo=UTC)
"""11:00 in Shanghai: the midday valley, with the sun high."""

PILES = 24
BASE_KW = 60.0
SUN_KW = 110.0


def microgrid_site() -> Site:
    """Two feeders of piles, a third of which can give back, PV and a storage."""
    site = site_of(PILES)
    nodes = [
        Node(
            "transformer",
            limit_kw=160.0,
            contract_kw=160.0,
            failsafe_kw=30.0,
            export_kw=50.0,
            heartbeat="none",
        )
    ]
    nodes += [replace(n, export_kw=30.0) for n in site.network.nodes if n.parent is not None]
    piles = tuple(
        replace(p, discharge_kw=6.0) if k % 3 == 0 else p for k, p in enumerate(site.piles)
    )
    storage = Storage(
        "bess", "transformer", 200.0, 80.0, 0.95, 0.95, min_soc=0.1, wear_per_kwh=0.02
    )
    return replace(
        site,
        network=Network(tuple(nodes)),
        piles=piles,
        storages=(storage,),
        pv=(PvPlant("roof", "transformer", 150.0),),
        v2g=GiveBackRule(0.3, 0.05, 0.85, 0.2, 1.0),
    )


class MicrogridStage(Stage):
    """As :class:`benchmarks.stage.Stage`, by the sun's clock."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, PILES, site=microgrid_site(), at=AT)

    def sun_kw(self, hours: float) -> float:
        """What the roof gives so many hours after the start, kW."""
        return SUN_KW * max(float(np.cos((hours - 1.5) / 13.0 * np.pi)), 0.0)

    def sky(self) -> list[Event]:
        """Forecasts of sun and base load, the latter with a band."""
        slots = np.arange(120) / 4.0
        base = BASE_KW + 25.0 * np.exp(-(((slots - 8.5) / 2.5) ** 2))
        told = (
            ("pv-roof", [self.sun_kw(h) for h in slots], [], []),
            ("base-transformer", base, base * 0.85, base * 1.2),
        )
        return [
            ForecastPushed(
                series=name,
                start=AT,
                slot_minutes=15,
                values=tuple(float(v) for v in values),
                low=tuple(float(v) for v in low),
                high=tuple(float(v) for v in high),
                **self._common(),
            )
            for name, values, low, high in told
        ]

    def assets(self) -> list[Event]:
        """The roof as the sun has it, the storage as its plan has it."""
        plan, now_s = self.host.state.plan, self.clock.now().timestamp()
        part = None if plan is None else plan.assets.get("bess")
        stored = 0.0 if part is None else part.at(now_s)
        sun = self.sun_kw(self._hours())
        return [
            AssetMeasured(asset="roof", power_kw=-sun, available_kw=sun, **self._common()),
            AssetMeasured(asset="bess", power_kw=stored, soc=0.45, **self._common()),
        ]

    def request(self, pile: str, k: int) -> Event:
        """Some with a battery that is known, and consent to give back in the evening."""
        gives = self.site.pile_by_id[pile].discharge_kw > 0
        stay_h = float(self._rng.choice([4.0, 8.5, 12.0])) + float(self._rng.uniform(0, 1))
        return SessionRequested(
            request=Request(
                session=f"ev-{k + 1:04d}",
                pile=pile,
                arrival=self.clock.now() - timedelta(minutes=10),
                departure=self.clock.now() + timedelta(hours=20.0 if gives else stay_h),
                energy_kwh=float(self._rng.uniform(6, 24)),
                battery_kwh=70.0 if gives else None,
                soc=0.55 if gives else None,
                v2g=GiveBack(consent=True, min_soc=0.3, max_discharge_kw=6.0) if gives else None,
            ),
            **self._common(),
        )

    def evening(self) -> None:
        """Two hours from eleven on."""
        piles = [p.id for p in self.site.piles]
        taken = {p for k, p in enumerate(piles) if k % 5 != 4}
        first = [self.telemetry(p, vehicle=p in taken) for p in piles]
        self.play([*self.sky(), self.meter(BASE_KW - self.sun_kw(0.0)), *self.assets(), *first])
        self.play([self.request(p, k) for k, p in enumerate(piles) if p in taken])
        for quarter in range(8):
            self.play(self.acks())
            self.step(20.0 if quarter == 0 else 900.0)
            told = [self.telemetry(p, vehicle=p in taken) for p in piles]
            beside = self.assets()
            net = BASE_KW + sum(a.power_kw for a in beside if isinstance(a, AssetMeasured))
            self.play([*told, *beside, self.meter(net, told)])


@contextlib.contextmanager
def staged_microgrid(folder: Path) -> Iterator[MicrogridStage]:
    """An afternoon on a store."""
    stage = MicrogridStage(folder)
    try:
        stage.evening()
        yield stage
    finally:
        stage.close()
