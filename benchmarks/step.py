"""A whole step: events in, plan out, setpoints encoded; and what the control process weighs.

The engine is set up as the daemon's: the collector of garbage waits until what was decided has
been encoded, and what a plan means for each session is put into words after that, some sessions in
each drain. How long that takes is told beside the step.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from adapters.books import load_book
from adapters.reload import TOLD_AT_ONCE
from adapters.undisturbed import undisturbed
from adapters.wire.encode import encode
from benchmarks.bench_site import START, bench_site
from models.events import Event, PileAcked, PileMeasured, SessionRequested, Ticked
from models.session import Request
from models.site import Site
from scheduler.cascade import load_solver, run_cascade
from scheduler.effects import Effect, Persist, SetpointSent, Solve
from scheduler.engine import Engine
from scheduler.solution import answered
from scheduler.state import SiteState
from tariffs.tariff import Tariff

WORK_LIMIT = 10_000_000


class Loop:
    """Engine, solver and obedient piles, with each part of a step timed."""

    def __init__(self, site: Site, tariff: Tariff, rungs: tuple[str, ...], seed: int) -> None:
        self.site = site
        self.engine = Engine(self.site, tariff, told_at_once=TOLD_AT_ONCE)
        self.rungs = [(name, load_solver(name)) for name in rungs]
        self.rng = np.random.default_rng(seed)
        self.now, self.mono_s, self.seq = START, 0.0, 0
        self.state: SiteState = self.engine.start(now=self.now, mono_s=0.0, epoch=1)
        self.parts: dict[str, float] = {}
        self.registers: dict[str, float] = {}
        self.ready = False
        self.step(self.first())
        self.ready = True

    def first(self) -> list[Event]:
        """What is said before the first step."""
        found: list[Event] = []
        for pile in self.site.piles:
            found.append(self._telemetry(pile.id, 0.0))
            found.append(self.request(f"s-{pile.id}", pile.id))
        return found

    def common(self) -> tuple[datetime, float, tuple[int, int]]:
        """Both clocks and the next stamp."""
        self.seq += 1
        return self.now, self.mono_s, (1, self.seq)

    def _telemetry(self, pile: str, power_kw: float) -> Event:
        now, mono_s, stamp = self.common()
        return PileMeasured(
            now=now,
            mono_s=mono_s,
            stamp=stamp,
            issued_at=now,
            pile=pile,
            power_kw=power_kw,
            energy_kwh=self.registers.get(pile, 0.0),
            vehicle=True,
        )

    def request(self, session: str, pile: str) -> Event:
        """A request with a random stay and energy."""
        now, mono_s, stamp = self.common()
        request = Request(
            session=session,
            pile=pile,
            arrival=now,
            departure=now + timedelta(hours=float(self.rng.uniform(4, 14))),
            energy_kwh=float(self.rng.uniform(6, 30)),
            priority=int(self.rng.integers(3, 6)),
        )
        return SessionRequested(now=now, mono_s=mono_s, stamp=stamp, issued_at=now, request=request)

    def step(self, events: list[Event]) -> float:
        """Time of one step, ms, acknowledgements and later sentences apart."""
        parts = dict.fromkeys(("receive", "solve", "dispatch", "encode"), 0.0)
        begun_cpu = time.thread_time()
        with undisturbed():
            begun = time.perf_counter()
            self.state, effects, _ = self.engine.receive(self.state, events)
            parts["receive"] = _ms(begun)
            out: list[Effect] = list(effects)
            out += self._plan(effects, parts)
            begun = time.perf_counter()
            self._encode(out)
            parts["encode"] = _ms(begun)
        cpu_ms = 1000.0 * (time.thread_time() - begun_cpu)
        whole = sum(parts.values())
        begun = time.perf_counter()
        out += self._tell()
        self.parts = parts | {"sentences": _ms(begun), "cpu": cpu_ms}
        self._acknowledge([e for e in out if isinstance(e, SetpointSent)])
        return whole

    def _encode(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Persist | Solve):
                encode(self.site.name, effect)

    def _tell(self) -> list[Effect]:
        """The drains in which sessions are told what they were not told with the setpoints."""
        told, out = -1, list[Effect]()
        while self.state.told > told:
            told = self.state.told
            tick = Ticked(now=self.now, mono_s=self.mono_s)
            self.state, effects, _ = self.engine.receive(self.state, [tick])
            said = [*effects, *self._plan(effects, {})]
            self._encode(said)
            out += said
        return out

    def _plan(self, effects: Sequence[Effect], parts: dict[str, float]) -> list[Effect]:
        """Answer the problem that was asked, if one was; what the engine says to the answer."""
        wanted = [e for e in effects if isinstance(e, Solve)]
        if not wanted:
            return []
        begun = time.perf_counter()
        problem = wanted[-1].problem
        found = run_cascade(problem, self.rungs, work_limit=WORK_LIMIT, running=problem.running_kwh)
        parts["solve"] = _ms(begun)
        begun = time.perf_counter()
        answer = answered(problem, found, now=self.now, mono_s=self.mono_s, solve_ms=parts["solve"])
        self.state, said, _ = self.engine.receive(self.state, [answer])
        parts["dispatch"] = _ms(begun)
        return list(said)

    def _acknowledge(self, setpoints: list[SetpointSent]) -> None:
        """Every pile obeys; what the engine asks meanwhile is answered, off the clock."""
        acks: list[Event] = []
        for sent in setpoints:
            now, mono_s, stamp = self.common()
            acks.append(
                PileAcked(
                    now=now,
                    mono_s=mono_s,
                    stamp=stamp,
                    issued_at=now,
                    pile=sent.pile,
                    setpoint=sent.stamp,
                    applied_kw=sent.power_kw,
                )
            )
            acks.append(self._telemetry(sent.pile, sent.power_kw))
        if acks:
            self.state, said, _ = self.engine.receive(self.state, acks)
            said = (*said, *self._plan(said, {}))
            self._acknowledge([e for e in said if isinstance(e, SetpointSent)])

    def change(self) -> list[Event]:
        """One driver changes the departure, ten seconds later; every pile reports what it drew."""
        self.now += timedelta(seconds=10)
        self.mono_s += 10
        for name, state in self.state.piles.items():
            self.registers[name] = self.registers.get(name, 0.0) + state.wanted_kw * 10.0 / 3600.0
        pile = self.site.piles[int(self.rng.integers(len(self.site.piles)))].id
        events = [self.request(f"s-{pile}", pile)]
        return events + [
            self._telemetry(p.id, self.state.piles[p.id].wanted_kw) for p in self.site.piles
        ]


def _ms(begun: float) -> float:
    return 1000.0 * (time.perf_counter() - begun)


def step_figures(
    piles: int, *, rounds: int, rungs: tuple[str, ...] = ("highs", "greedy"), seed: int = 7
) -> dict[str, float]:
    """Median and worst time of a step after one changed session, with telemetry of every pile; of
    it ``cpu`` is what this thread computed, since on a shared machine the clock measures others.

    Parameters
    ----------
    piles : int
        Sessions as well, all present; 96 slots.
    rounds : int
        Steps measured.
    rungs : tuple of str
        Solvers of the cascade.
    seed : int
        Of the sessions.
    """
    loop = Loop(bench_site(piles), load_book("zhejiang-2026"), rungs, seed)
    times, parts = [], []
    for _ in range(rounds):
        times.append(loop.step(loop.change()))
        parts.append(loop.parts)
    out = {"step_ms_p50": statistics.median(times), "step_ms_max": max(times)}
    for name in parts[0]:
        out[f"{name}_ms_p50"] = statistics.median(p[name] for p in parts)
    return out


_WEIGH = """
import sys
from benchmarks.weight import control_process_mb
print(control_process_mb(int(sys.argv[1])))
"""


def control_process_mb(piles: int) -> float:
    """Resident memory of a control process with its engine and a full state, MB.

    Measured in a fresh process, so that nothing of the benchmark counts.
    """
    answer = subprocess.run(
        [sys.executable, "-c", _WEIGH, str(piles)], capture_output=True, text=True, check=True
    )
    return float(answer.stdout.strip().splitlines()[-1])
