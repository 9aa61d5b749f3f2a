"""A site's store as its daemon leaves it, played by hand: the real host and writer, no broker."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from adapters.books import load_book
from adapters.clock import SteppedClock
from adapters.config import SiteFile
from adapters.host import Host, Outcome
from adapters.simulator.inprocess import cascade_of
from adapters.store.readings import Sampler
from adapters.store.schema import open_store
from adapters.store.writer import Writer
from models.events import (
    Event,
    LimitPushed,
    NodeMeasured,
    PileAcked,
    PileMeasured,
    SessionRequested,
)
from models.network import Network, Node
from models.pile import ac_pile
from models.session import Request
from models.site import Site
from scheduler.cascade import started_from
from scheduler.engine import Engine
from scheduler.solution import answered

SHANGHAI = "Asia/Shanghai"
AT = datetime(2026, 9, 1, 10, 15, tzinfo=UTC)
"""18:15 in Shanghai: two hours of the evening peak, before the valley at midnight."""
RUNGS = ("flow", "general", "highs")


def site_of(piles: int) -> Site:
    """Feeders of about 18 piles behind a transformer at two fifths of them, base load by meter."""
    from zoneinfo import ZoneInfo

    feeders = max(piles // 18, 2)
    nodes = [
        Node(
            "transformer",
            limit_kw=piles * 7.04 * 0.4 + 60,
            contract_kw=piles * 7.04 * 0.4 + 60,
            failsafe_kw=30.0,
            heartbeat="none",
        )
    ]
    nodes += [
        Node(f"feeder-{k + 1:02d}", parent="transformer", limit_kw=18 * 7.04 * 0.6)
        for k in range(feeders)
    ]
    return Site(
        name="depot-1",
        zone=ZoneInfo(SHANGHAI),
        currency="CNY",
        tariff="zhejiang-2026",
        base_load="meter",
        walk_in=None,
        network=Network(tuple(nodes)),
        piles=tuple(
            ac_pile(
                id=f"P-{k + 1:04d}",
                node=f"feeder-{k % feeders + 1:02d}",
                phases=(k % 3 + 1,),
                volts=220,
                max_a=32,
                min_a=6,
                fallback_kw=0.0,
                offline_kw=0.0,
                response_s=5,
            )
            for k in range(piles)
        ),
        margin_kw=2.0,
        lease_s=900.0,
        telemetry_period_s=900.0,
    )


class Stage:
    """A host on stepped time and its store, fed by hand.

    Parameters
    ----------
    folder : Path
        For the store.
    piles : int
    seed : int
        Of arrivals, stays and energies.
    site : Site, optional
        Another than :func:`site_of` makes.
    at : datetime
        The beginning.
    """

    def __init__(
        self,
        folder: Path,
        piles: int,
        *,
        seed: int = 7,
        site: Site | None = None,
        at: datetime = AT,
    ) -> None:
        self.site = site or site_of(piles)
        self._began = at
        self.count = piles
        self.path = folder / f"stage-{piles}.db"
        self.file = SiteFile(site=self.site, store_path=self.path)
        self.clock = SteppedClock(at, 1_000.0)
        engine = Engine(self.site, load_book("zhejiang-2026"))
        state = engine.start(now=at, mono_s=1_000.0, epoch=1)
        self.host = Host(engine, state, self.clock)
        self._rng = np.random.default_rng(seed)
        self._seq = 0
        self._solve = cascade_of(*RUNGS)
        self._sampler = Sampler()
        self.registers = dict.fromkeys((p.id for p in self.site.piles), 0.0)
        self.said: dict[str, bytes] = {}
        self._written = threading.Event()
        self._token = 0
        self.writer = Writer(open_store(self.path), stored=self._stored, failed=print)
        self.writer.start()

    def close(self) -> None:
        """Write what waits."""
        self.writer.stop()

    def _stored(self, token: int) -> None:
        if token >= self._token:
            self._written.set()

    def _common(self) -> dict[str, object]:
        self._seq += 1
        now = self.clock.now()
        return {
            "now": now,
            "mono_s": self.clock.mono_s(),
            "issued_at": now,
            "stamp": (1, self._seq),
        }

    def play(self, events: Sequence[Event]) -> None:
        """One drain, every solve it asks for, and all of it on disk."""
        outcome = self.host.take(facts=events)
        # The host samples messages; here they come as facts.
        readings = tuple(self._sampler.take(events, self.host.state))
        if readings and outcome.batch is not None:
            outcome = replace(outcome, batch=replace(outcome.batch, readings=readings))
        for _ in range(5):
            self._keep(outcome)
            if outcome.solve is None:
                break
            problem = outcome.solve
            answer = self._solve(problem)
            solved = replace(
                answered(
                    problem,
                    answer,
                    now=self.clock.now(),
                    mono_s=self.clock.mono_s(),
                    solve_ms=1.0,
                ),
                rungs=RUNGS,
                start=started_from(problem, RUNGS),
            )
            outcome = self.host.take(facts=[solved])
        assert self._written.wait(20.0)

    def _keep(self, outcome: Outcome) -> None:
        self.said |= {p.topic: p.payload for p in outcome.publish}
        batch = outcome.batch
        if batch is None:
            return
        self._token = batch.token
        self._written.clear()
        self.writer.put(batch)

    def meter(self, base_kw: float, told: Sequence[PileMeasured] = ()) -> Event:
        """The transformer's meter: base load, and what the piles say that they draw."""
        drawn = sum(t.power_kw for t in told)
        return NodeMeasured(
            node="transformer",
            power_kw=base_kw + drawn,
            import_kwh=1_000.0 + base_kw * self._hours() + sum(self.registers.values()),
            **self._common(),
        )

    def telemetry(self, pile: str, *, vehicle: bool, fault: str | None = None) -> PileMeasured:
        """A pile that draws what it was told."""
        known = self.host.state.piles[pile]
        return PileMeasured(
            pile=pile,
            power_kw=known.wanted_kw if known.sent and vehicle else 0.0,
            energy_kwh=self.registers[pile],
            vehicle=vehicle,
            fault=fault,
            **self._common(),
        )

    def has_vehicle(self, pile: str) -> bool:
        """Whether a session stands at a pile."""
        return pile in self.host.state.pile_session

    def acks(self) -> list[Event]:
        """Every pile takes what was said last."""
        return [
            PileAcked(
                pile=name,
                setpoint=pile.unacked[-1].stamp,
                applied_kw=pile.unacked[-1].power_kw,
                **self._common(),
            )
            for name, pile in self.host.state.piles.items()
            if pile.unacked
        ]

    def limit(self, import_kw: float) -> Event:
        """The grid company's limit, from now on for two hours."""
        return LimitPushed(
            node="transformer",
            limit="dr-1",
            valid_from=self.clock.now(),
            valid_until=self.clock.now() + timedelta(hours=2),
            import_kw=import_kw,
            export_kw=None,
            source="grid",
            **self._common(),
        )

    def request(self, pile: str, k: int) -> Event:
        """Stays until the evening or the morning; some ask for more than there is time for."""
        stay_h = float(self._rng.choice([2.5, 5.0, 11.5, 12.5])) + float(self._rng.uniform(-0.5, 1))
        return SessionRequested(
            request=Request(
                session=f"ev-{k + 1:04d}",
                pile=pile,
                arrival=self.clock.now() - timedelta(minutes=10),
                departure=self.clock.now() + timedelta(hours=stay_h),
                energy_kwh=float(self._rng.uniform(8, 34)),
                priority=int(self._rng.integers(3, 7)),
            ),
            **self._common(),
        )

    def evening(self) -> None:
        """Five of six piles with a vehicle, one faulty at the end, and two hours of charging."""
        piles = [p.id for p in self.site.piles]
        taken = {p for k, p in enumerate(piles) if k % 6 != 5}
        self.play([self.meter(55.0), *(self.telemetry(p, vehicle=p in taken) for p in piles)])
        self.play([self.request(p, k) for k, p in enumerate(piles) if p in taken])
        for quarter in range(8):
            self._quarter(piles, taken, 55.0 + 2 * quarter, 20.0 if quarter == 0 else 900.0)
        self._quarter(piles, taken, 70.0, 300.0, faulty=piles[5])

    def _quarter(
        self, piles: list[str], taken: set[str], base_kw: float, s: float, faulty: str = ""
    ) -> None:
        self.play(self.acks())
        self.step(s)
        told = [
            self.telemetry(p, vehicle=p in taken, fault="GroundFault" if p == faulty else None)
            for p in piles
        ]
        self.play([*told, self.meter(base_kw, told)])

    def _hours(self) -> float:
        return (self.clock.now() - self._began).total_seconds() / 3600

    def step(self, seconds: float) -> None:
        """Let time pass; piles draw what they last said."""
        for name, pile in self.host.state.piles.items():
            self.registers[name] += pile.power_kw * seconds / 3600
        self.clock.step_to(
            self.clock.now() + timedelta(seconds=seconds), self.clock.mono_s() + seconds
        )


@contextlib.contextmanager
def staged(folder: Path, piles: int) -> Iterator[Stage]:
    """An evening on a store."""
    stage = Stage(folder, piles)
    try:
        stage.evening()
        yield stage
    finally:
        stage.close()
