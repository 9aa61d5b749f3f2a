"""A physical plant around the engine: piles that take time, lose messages, lie; a strict meter.

One call of :meth:`Plant.second` is one second of it. Nothing here knows how the engine counts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from adapters.store.codec import pack_state, unpack_state
from models.events import (
    Emergency,
    Event,
    Heartbeat,
    LimitPushed,
    NodeMeasured,
    Overridden,
    PileAcked,
    PileBorn,
    PileMeasured,
    SessionEnded,
    SessionRequested,
    Solved,
    SolveFailed,
    Stamp,
    Ticked,
)
from models.limits import effective_import_kw
from models.pile import Pile
from models.session import Request
from models.site import Site
from scheduler.cascade import load_solver, run_cascade
from scheduler.effects import Alert, Effect, SetpointSent, Solve
from scheduler.engine import Engine
from scheduler.state import Recovered, SiteState
from tariffs.kinds.flat import Flat

GREEDY = [("greedy", load_solver("greedy"))]
SLACK_KW = 1e-6


@dataclass
class Box:
    """A pile in the yard: what it holds, what it was told, and how it misbehaves."""

    pile: Pile
    stamp: Stamp = (0, 0)
    offer_kw: float = 0.0
    lease_until: float = -1.0
    fallback_kw: float = 0.0
    pending: list[tuple[float, SetpointSent]] = field(default_factory=list)
    car_kw: float | None = None
    taken_kwh: float = 0.0
    register_kwh: float = 100.0
    voltage: float = 1.0
    deaf: bool = False
    mute: bool = False
    ackless: bool = False
    stuck: bool = False
    over: float = 1.0
    frozen_kw: float | None = None
    down_until: float = -1.0

    @property
    def faulty(self) -> bool:
        """True while it breaks its word to the engine."""
        return self.deaf or self.stuck or self.over != 1.0 or self.frozen_kw is not None

    def power_kw(self, mono_s: float) -> float:
        """What it draws."""
        if self.car_kw is None or mono_s < self.down_until:
            return 0.0
        offer = self.offer_kw if mono_s < self.lease_until else self.pile.fallback_kw
        if self.stuck:
            offer = self.pile.max_kw
        if offer < self.pile.min_kw - 1e-9:
            return 0.0
        return min(offer * self.voltage * self.over, self.car_kw * self.voltage)


class Plant:
    """The yard, the channel, the engine and the judge."""

    def __init__(self, site: Site, now: datetime, seed: int) -> None:
        self.site = site
        self.random = random.Random(seed)
        self.mono_s = 1000.0
        self._wall0 = now
        self.skew_s = 0.0
        self.engine = Engine(site, Flat("flat", "CNY", 0.6, 0.0))
        self.epoch = 1
        self.state: SiteState = self.engine.start(now=self.now, mono_s=self.mono_s, epoch=1)
        self.boxes = {p.id: Box(p) for p in site.piles}
        self.base_kw = 0.0
        self.meter_on = True
        self.limits: dict[tuple[str, str], LimitPushed] = {}
        self.emergency: set[str] = set()
        self.grid_alive = True
        self.solver = "good"
        self.loss = 0.0
        self._seq = 0
        self._later: list[tuple[float, Event]] = []
        self._history: dict[str, list[tuple[float, float]]] = {n: [] for n in site.network.ids}
        self._over_s: dict[str, int] = dict.fromkeys(site.network.ids, 0)
        self.unclean_until = 0.0
        self.alerts: dict[str, Alert] = {}
        self.sent: list[SetpointSent] = []
        self.due = self.mono_s

    @property
    def now(self) -> datetime:
        """The daemon's wall clock, which steps."""
        return self._wall0 + timedelta(seconds=self.mono_s + self.skew_s)

    def common(self, **changes: Any) -> dict[str, Any]:
        """What every message carries."""
        self._seq += 1
        values: dict[str, Any] = {
            "now": self.now,
            "mono_s": self.mono_s,
            "stamp": (1, self._seq),
            "issued_at": self.now,
        }
        return values | changes

    # What others say

    def limit(self, node: str, name: str, kw: float | None, **changes: Any) -> LimitPushed:
        """The grid company says a limit."""
        values: dict[str, Any] = {
            "valid_from": self.now,
            "valid_until": None,
            "export_kw": None,
            "source": "test",
        }
        pushed = LimitPushed(
            node=node, limit=name, import_kw=kw, **(values | changes), **self.common()
        )
        self.limits[(node, name)] = pushed
        return pushed

    def request(self, session: str, pile: str, kwh: float, **changes: Any) -> SessionRequested:
        """An operator asks for a session."""
        values: dict[str, Any] = {
            "arrival": self.now,
            "departure": self.now + timedelta(hours=4),
            "energy_kwh": kwh,
        }
        asked = Request(session=session, pile=pile, **(values | changes))
        return SessionRequested(request=asked, **self.common())

    def end(self, session: str) -> SessionEnded:
        """An operator ends a session."""
        return SessionEnded(session=session, reason="driver", **self.common())

    def override(self, target: str, kind: Any, **changes: Any) -> Overridden:
        """An operator's order."""
        values: dict[str, Any] = {"until": None, "who": "op"}
        return Overridden(target=target, kind=kind, **(values | changes), **self.common())

    def fire(self, zone: str, *, cleared: bool) -> Emergency:
        """Fire, and its end."""
        (self.emergency.discard if cleared else self.emergency.add)(zone)
        return Emergency(zone=zone, cleared=cleared, who="guard", **self.common())

    # One second

    def second(self) -> None:
        """Everything that happens in one second, and the judge's word on it."""
        self.mono_s += 1.0
        events: list[Event] = []
        for name, box in self.boxes.items():
            drawn = box.power_kw(self.mono_s) / 3600
            box.register_kwh += drawn
            box.taken_kwh += drawn
            events += self._box(name, box)
        due = [e for t, e in self._later if t <= self.mono_s]
        self._later = [(t, e) for t, e in self._later if t > self.mono_s]
        events += [replace(e, now=self.now, mono_s=self.mono_s) for e in due]
        if self.meter_on and self.site.base_load == "meter" and int(self.mono_s) % 2 == 0:
            events.append(
                NodeMeasured(
                    node=self.site.network.ids[0],
                    power_kw=self.total_kw(self.site.network.ids[0]),
                    **self.common(),
                )
            )
        if self.grid_alive and int(self.mono_s) % 20 == 0:
            events.append(Heartbeat(**self.common()))
        self.say(*events)
        self.judge()

    def _box(self, name: str, box: Box) -> list[Event]:
        events: list[Event] = []
        if self.mono_s < box.down_until:
            box.pending.clear()
            return events
        if 0 < box.down_until <= self.mono_s:
            box.down_until = -1.0
            events.append(PileBorn(pile=name, **self.common()))
        ripe = [e for t, e in box.pending if t <= self.mono_s]
        box.pending = [(t, e) for t, e in box.pending if t > self.mono_s]
        for effect in ripe:
            if effect.stamp < box.stamp:
                continue
            box.stamp = effect.stamp
            box.offer_kw = effect.power_kw
            box.lease_until = self.mono_s + effect.lease_s
            if not box.ackless and self.random.random() >= self.loss:
                ack = PileAcked(
                    pile=name,
                    setpoint=effect.stamp,
                    applied_kw=effect.power_kw,
                    **self.common(),
                )
                self._later.append((self.mono_s + self.random.choice([0, 0, 1, 2]), ack))
                if self.random.random() < 0.2:
                    self._later.append((self.mono_s + 3, ack))
        place = list(self.boxes).index(name)
        if int(self.mono_s + place) % int(self.site.telemetry_period_s) == 0 and not box.mute:
            power = box.power_kw(self.mono_s) if box.frozen_kw is None else box.frozen_kw
            events.append(
                PileMeasured(
                    pile=name,
                    power_kw=power,
                    energy_kwh=box.register_kwh,
                    vehicle=box.car_kw is not None,
                    **self.common(),
                )
            )
        return events

    def say(self, *events: Event) -> list[Effect]:
        """Hand events to the engine and carry out what it asks."""
        everything: list[Effect] = []
        inbox: list[Event] = list(events) or [Ticked(now=self.now, mono_s=self.mono_s)]
        while inbox:
            before = {k: p.wanted_kw if p.sent else 0.0 for k, p in self.state.piles.items()}
            self._note_limits()
            before |= {e.pile: 0.0 for e in inbox if isinstance(e, PileBorn)}
            self.state, effects, self.due = self.engine.receive(self.state, inbox)
            self._check_order(before, effects)
            everything += effects
            inbox = []
            for effect in effects:
                if isinstance(effect, SetpointSent):
                    self._carry(effect)
                elif isinstance(effect, Alert):
                    self._alert(effect)
                elif isinstance(effect, Solve):
                    inbox += self._solve(effect)
        return everything

    def _check_order(self, before: dict[str, float], effects: tuple[Effect, ...]) -> None:
        setpoints = [e for e in effects if isinstance(e, SetpointSent)]
        rises = [e.power_kw > before[e.pile] + SLACK_KW for e in setpoints]
        assert rises == sorted(rises), "an increase went before a decrease"
        for effect, rise in zip(setpoints, rises, strict=True):
            assert effect.after_commit == rise
            plate = self.boxes[effect.pile].pile
            assert effect.power_kw == 0 or effect.power_kw >= plate.min_kw - SLACK_KW
            assert effect.power_kw <= plate.max_kw + SLACK_KW

    def _alert(self, effect: Alert) -> None:
        key = f"{effect.kind}/{effect.where}"
        if effect.cleared:
            assert key in self.alerts, "cleared what was never raised"
            del self.alerts[key]
        else:
            assert key not in self.alerts, "raised twice"
            assert effect.text
            assert effect.text_zh
            self.alerts[key] = effect

    def _carry(self, effect: SetpointSent) -> None:
        self.sent.append(effect)
        box = self.boxes[effect.pile]
        if box.deaf:
            return
        if self.random.random() < self.loss:
            self.unclean()
            return
        reaction = self.random.choice([0.0, 0.5, 1.0, box.pile.response_s - 1.0])
        box.pending.append((self.mono_s + reaction, effect))

    def _solve(self, effect: Solve) -> list[Event]:
        if self.solver == "dead":
            return []
        if self.solver == "failing":
            return [
                SolveFailed(
                    now=self.now,
                    mono_s=self.mono_s,
                    digest=effect.problem.digest,
                    reason="crashed",
                )
            ]
        found = run_cascade(effect.problem, GREEDY, work_limit=10**9, running=None)
        energy = tuple(found.energy_kwh.tolist())
        if self.solver == "nonsense":
            energy = tuple(float("nan") for _ in energy)
        elif self.solver == "greedy":
            energy = tuple(e * 3 + 1.0 for e in energy)
        return [
            Solved(
                now=self.now,
                mono_s=self.mono_s,
                digest=effect.problem.digest,
                energy_kwh=energy,
                status=found.status,
                rung=found.rung,
                gap=found.gap,
                work=found.work,
                solve_ms=0.0,
            )
        ]

    # Faults

    def unclean(self, seconds: float = 75.0) -> None:
        """From now on, and so long, the plant breaks its word."""
        self.unclean_until = max(self.unclean_until, self.mono_s + seconds)

    def heal(self) -> None:
        """All faults are over."""
        for box in self.boxes.values():
            box.deaf = box.mute = box.ackless = box.stuck = False
            box.over, box.frozen_kw = 1.0, None
        self.meter_on = True
        self.grid_alive = True
        self.solver = "good"
        self.loss = 0.0
        self.unclean()

    def restart(self, *, away_s: float) -> None:
        """kill -9, and a new daemon from the store, with a monotonic clock of its own."""
        blob = pack_state(self.state)
        for _ in range(int(away_s)):
            self.mono_s += 1.0
            for name, box in self.boxes.items():
                box.register_kwh += box.power_kw(self.mono_s) / 3600
                self._box(name, box)
        self.epoch += 1
        state = unpack_state(blob)
        self.engine = Engine(self.site, self.engine.tariff)
        self.state = self.engine.start(
            now=self.now,
            mono_s=self.mono_s,
            epoch=self.epoch,
            recovered=Recovered(state=state, highest_epoch=self.epoch - 1),
        )

    # The judge

    def under(self, node: str) -> list[str]:
        """Piles under a node."""
        v = self.site.network.index[node]
        return [p for p in self.boxes if v in self.site.network.path[self.site.pile_node[p]]]

    def total_kw(self, node: str) -> float:
        """What flows through a node."""
        total = sum(self.boxes[p].power_kw(self.mono_s) for p in self.under(node))
        return total + (self.base_kw if node == self.site.network.ids[0] else 0.0)

    def limit_kw(self, node: str) -> float:
        """The limit that holds at a node by the contract."""
        v = self.site.network.index[node]
        pushed = [p for (n, _), p in self.limits.items() if n == node and not p.revoked]
        stale = self.state.stale and self.site.network.heartbeat_of(v) == "required"
        return effective_import_kw(self.site.network.nodes[v], pushed, self.now, stale=stale)

    def _note_limits(self) -> None:
        for node, history in self._history.items():
            history.append((self.mono_s, self.limit_kw(node)))
            del history[:-400]

    def judge(self) -> None:
        """No node above its limit: at once, or after the piles' response to a cut."""
        self._note_limits()
        clean = self.mono_s > self.unclean_until and not any(b.faulty for b in self.boxes.values())
        for node in self.site.network.ids:
            limit = self.limit_kw(node)
            total = self.total_kw(node)
            recent = [kw for t, kw in self._history[node] if t >= self.mono_s - 6.0]
            allowed = max(limit, *recent)
            if total <= allowed + SLACK_KW:
                self._over_s[node] = 0
                continue
            boxes = [self.boxes[p] for p in self.under(node)]
            stuck = sum(
                b.power_kw(self.mono_s) for b in boxes if b.faulty or b.mute or b.down_until > 0
            )
            fallbacks = sum(
                b.power_kw(self.mono_s)
                for b in boxes
                if self.mono_s >= b.lease_until and not b.faulty
            )
            base = self.base_kw if node == self.site.network.ids[0] else 0.0
            if stuck + base + fallbacks > limit:
                continue
            self._over_s[node] += 1
            detail = f"{node}: {total:.3f} kW over {allowed:.3f} kW at {self.mono_s:.0f}"
            assert not clean, detail
            assert self._over_s[node] <= 30, detail + " for 30 s"
