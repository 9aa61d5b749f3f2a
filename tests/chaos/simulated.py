"""Faults too long for the clock on the wall: the same engine, with time that jumps."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from models.events import NotListened
from models.horizon import local_grid_s
from models.network import Node
from tests.chaos.trial import Fault, Trial
from tests.world import World, pile, site

STEP_S = 60.0
LIMIT_KW, FAILSAFE_KW = 12.0, 5.0


class Sim(World):
    """A small site whose every second is judged; vehicles never have enough."""

    over_s: float = 0.0
    run_s: float = 0.0
    limit_kw: float = LIMIT_KW

    def live(self, seconds: float, *, beats: bool = True, step_s: float = STEP_S) -> None:
        """Let time pass, minute by minute; what is drawn meanwhile is judged."""
        left = seconds
        while left > 1e-9:
            step = min(step_s, left)
            drawn = self.total_kw()
            if drawn > self.limit_kw + 1e-6:
                self.over_s += step
            for p in self.registers:
                self.registers[p] += self.power_kw(p) * step / 3600
            self.now += timedelta(seconds=step)
            self.mono_s += step
            self.run_s += step
            said = [self.telemetry(p) for p in self.registers]
            self.say(*said, *([self.heartbeat()] if beats else []))
            self.sent.clear()
            self.effects.clear()
            left -= step


def small(zone: str, start: datetime) -> Sim:
    """Three piles under 12 kW at a place and an instant."""
    node = Node(
        "transformer",
        limit_kw=LIMIT_KW,
        contract_kw=LIMIT_KW,
        failsafe_kw=FAILSAFE_KW,
        heartbeat="required",
    )
    place = site(
        tuple(pile(n) for n in "ABC"), node, zone=ZoneInfo(zone), telemetry_period_s=STEP_S
    )
    w = Sim(place, now=start)
    w.plug("A", "B", "C")
    w.say(w.heartbeat(), *[w.request(f"s{n}", n, 400.0, hours=12 * 24) for n in "ABC"])
    return w


DAYS: tuple[tuple[str, date, int, str], ...] = (
    ("Australia/Lord_Howe", date(2027, 10, 3), 94, "30 minutes forward"),
    ("Australia/Lord_Howe", date(2028, 4, 2), 98, "30 minutes back"),
    ("America/New_York", date(2027, 3, 14), 92, "an hour forward"),
    ("America/New_York", date(2027, 11, 7), 100, "an hour back"),
    ("Asia/Shanghai", date(2028, 2, 29), 96, "leap day"),
    ("Asia/Shanghai", date(2027, 12, 31), 96, "year end"),
)


def calendar(t: Trial) -> None:
    """Days of 23, 23.5, 24.5 and 25 hours, leap day, year end: through midnight on both sides."""
    for zone, day, quarters, what in DAYS:
        z = ZoneInfo(zone)
        begin = datetime(day.year, day.month, day.day, tzinfo=z)
        nxt = day + timedelta(days=1)
        end = datetime(nxt.year, nxt.month, nxt.day, tzinfo=z)
        lo, hi = int(begin.timestamp()), int(end.timestamp())
        edges = local_grid_s(lo, hi, 15, z)
        count = len([e for e in edges if lo <= e < hi])
        t.check(count == quarters, f"{zone} {what}: {count} quarter hours, not {quarters}")
        w = small(zone, begin - timedelta(hours=2))
        w.live((end - begin).total_seconds() + 4 * 3600)
        t.check(w.state.plan is not None, f"{zone} {what}: no plan")
        t.check(w.total_kw() > 0, f"{zone} {what}: nothing charges")
        _count(t, w)
    t.over()


def _count(t: Trial, w: Sim) -> None:
    t.simulated_s += w.run_s
    t.simulated_over_s += w.over_s


def silence(seconds: float) -> Any:
    """The grid company silent for so long: failsafe meanwhile, and left only as it must be."""

    def run(t: Trial) -> None:
        w = small("Asia/Shanghai", datetime(2027, 6, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai")))
        w.live(600.0)
        w.live(180.0, beats=False)
        w.limit_kw = FAILSAFE_KW
        w.live(seconds - 180.0, beats=False)
        t.check(0 < w.total_kw() <= FAILSAFE_KW, f"{w.total_kw():g} kW in the silence")
        w.live(600.0)
        t.check(w.total_kw() <= FAILSAFE_KW, "left by a heartbeat alone")
        w.say(w.limit(LIMIT_KW))
        w.limit_kw = LIMIT_KW
        w.live(600.0)
        t.check(w.total_kw() > FAILSAFE_KW, "not left with a heartbeat and a limit")
        _count(t, w)
        t.over()

    return run


def away(seconds: float, what: str) -> Any:
    """Deaf and mute for so long: leases run out, piles at their fallback, and back again."""

    def run(t: Trial) -> None:
        w = small("Asia/Shanghai", datetime(2027, 6, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai")))
        w.live(600.0)
        w.mono_s += seconds
        w.now += timedelta(seconds=seconds)
        w.run_s += seconds
        w.setpoints = dict.fromkeys(w.setpoints, 0.0)
        w.say(NotListened(for_s=seconds, now=w.now, mono_s=w.mono_s), w.heartbeat())
        t.check(w.total_kw() <= LIMIT_KW, f"{what}: above the limit at once")
        w.live(1200.0)
        w.say(w.limit(LIMIT_KW))
        w.live(600.0)
        t.check(w.total_kw() > 7, f"{what}: not back in service")
        _count(t, w)
        t.over()

    return run


def scale(t: Trial) -> None:
    """One pile, and five thousand: the same engine, one drain with news of each."""
    for count in (1, 5000):
        piles = tuple(pile(f"P{k}", max_a=90.0) for k in range(count))
        w = Sim(site(piles, limit_kw=10.0 * count))
        w.limit_kw = 10.0 * count
        names = [p.id for p in piles]
        w.vehicles.update(dict.fromkeys(names, True))
        w.say(*[w.request(f"s{n}", n, 60.0, mode="now") for n in names], solve=False)
        began = time.perf_counter()
        w.say(*[w.telemetry(n) for n in names], solve=False)
        took_ms = (time.perf_counter() - began) * 1000
        t.check(w.total_kw() <= 10.0 * count + 1e-6, f"{count} piles above the limit")
        t.check(w.total_kw() >= 8.0 * count, f"{count} piles: {w.total_kw():.0f} kW of the limit")
        t.note(f"{count}: {took_ms:.0f} ms for a round of telemetry")
        _count(t, w)
    t.over()


def rush(t: Trial) -> None:
    """Three hundred buses plug in within one second."""
    piles = tuple(pile(f"B{k}") for k in range(300))
    w = Sim(site(piles, limit_kw=600.0, telemetry_period_s=STEP_S))
    w.limit_kw = 600.0
    names = [p.id for p in piles]
    began = time.perf_counter()
    for k in range(0, 300, 30):
        group = names[k : k + 30]
        w.vehicles.update(dict.fromkeys(group, True))
        w.say(
            *[w.telemetry(n) for n in group],
            *[w.request(f"s{n}", n, 50.0, hours=10) for n in group],
        )
        w.mono_s += 0.1
        w.now += timedelta(seconds=0.1)
        t.check(w.total_kw() <= 600.0 + 1e-6, "above the limit in the rush")
    w.live(1800.0)
    t.check(w.total_kw() > 500, f"{w.total_kw():.0f} of 600 kW half an hour later")
    t.note(f"{time.perf_counter() - began:.1f} s of computing, {w.solves} plans")
    _count(t, w)
    t.over()


FAULTS = (
    Fault(1, "broker away 600 s (simulated)", away(600.0, "broker"), alone=True),
    Fault(7, "days of 23 to 25 h, leap day, year end (simulated)", calendar, alone=True),
    Fault(12, "heartbeat lost for 2 h (simulated)", silence(7200.0), alone=True),
    Fault(12, "heartbeat lost for 7 days (simulated)", silence(7 * 86400.0), alone=True),
    Fault(22, "daemon frozen 300 s (simulated)", away(300.0, "frozen"), alone=True),
    Fault(30, "one pile, five thousand piles (simulated)", scale, alone=True),
    Fault(31, "300 buses within one second (simulated)", rush, quick=True, alone=True),
)
