"""The engine in a physical yard where anything may happen, judged by a meter every second."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from models.events import Event
from models.network import Node
from models.pile import ac_pile
from models.site import Site, WalkIn
from tests.plant import Plant
from tests.world import site

NOW = datetime(2026, 9, 1, 8, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
NAMES = ("P0", "P1", "P2", "P3", "P4")
PILES = st.sampled_from(NAMES)
NODES = st.sampled_from(["root", "feeder"])


def yard() -> Site:
    """Five piles, three of them behind a feeder; base load by meter; heartbeat required."""
    piles = tuple(
        ac_pile(
            id=name,
            node="feeder" if k < 3 else "root",
            phases=(1, 2, 3) if k == 2 else (1 + k % 3,),
            volts=220.0,
            max_a=32.0,
            min_a=6.0,
            fallback_kw=1.32 if k == 1 else 0.0,
            offline_kw=0.0,
            response_s=3.0,
            whole_amps=k == 4,
        )
        for k, name in enumerate(NAMES)
    )
    root = Node("root", contract_kw=30, failsafe_kw=12, limit_kw=60, heartbeat="required")
    feeder = Node("feeder", parent="root", limit_kw=30)
    return site(
        piles,
        root,
        feeder,
        base_load="meter",
        margin_kw=4.0,
        voltage_tolerance=0.07,
        telemetry_period_s=5.0,
        walk_in=WalkIn(energy_kwh=20, stay_h=8, priority=3),
    )


class Yard(RuleBasedStateMachine):
    """Events of every kind, in any order."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.plant = Plant(yard(), NOW, seed)
        self.count = 0
        self.said: list[Event] = []
        self.wait(12)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.plant.second()

    def tell(self, event: Event) -> None:
        self.said.append(event)
        self.plant.say(event)

    @rule(seconds=st.sampled_from([1, 3, 10, 40, 130]))
    def time_passes(self, seconds: int) -> None:
        self.wait(seconds)

    @rule(name=PILES, kw=st.sampled_from([0.0, 1.5, 3.0, 7.0, 22.0]))
    def car_comes_or_changes_its_mind(self, name: str, kw: float) -> None:
        box = self.plant.boxes[name]
        if box.car_kw is None:
            box.taken_kwh = 0.0
        elif kw > box.car_kw:
            kw = box.car_kw
        box.car_kw = kw
        self.wait(1)

    @rule(name=PILES)
    def car_leaves(self, name: str) -> None:
        self.plant.boxes[name].car_kw = None
        self.wait(1)

    @rule(name=PILES, kwh=st.sampled_from([0.5, 8.0, 60.0]), now=st.booleans(), p=st.integers(0, 9))
    def request(self, name: str, kwh: float, now: bool, p: int) -> None:
        self.count += 1
        mode: Any = "now" if now else "smart"
        self.tell(self.plant.request(f"s{self.count % 7}", name, kwh, mode=mode, priority=p))

    @rule(k=st.integers(0, 6))
    def operator_ends(self, k: int) -> None:
        self.tell(self.plant.end(f"s{k}"))

    @rule(
        node=NODES,
        name=st.sampled_from(["a", "b"]),
        kw=st.sampled_from([-3.0, 0.0, 0.001, 4.0, 9.0, 18.0, 28.0, 400.0, None]),
        starts=st.sampled_from([0, 0, 20]),
        lasts=st.sampled_from([None, None, 15, 60]),
    )
    def limit(self, node: str, name: str, kw: float | None, starts: int, lasts: int | None) -> None:
        plant = self.plant
        begin = plant.now + timedelta(seconds=starts)
        until = None if lasts is None else begin + timedelta(seconds=lasts)
        self.tell(plant.limit(node, name, kw, valid_from=begin, valid_until=until))

    @rule(node=NODES, name=st.sampled_from(["a", "b"]))
    def limit_revoked(self, node: str, name: str) -> None:
        self.tell(self.plant.limit(node, name, None, revoked=True))

    @rule(node=NODES, times=st.integers(2, 15))
    def limit_flaps(self, node: str, times: int) -> None:
        for k in range(times):
            self.plant.say(self.plant.limit(node, "a", 6.0 if k % 2 else 26.0))
        self.wait(1)

    @rule(k=st.integers(0, 200))
    def an_old_message_again(self, k: int) -> None:
        if not self.said:
            return
        before = self.plant.state
        old = self.said[k % len(self.said)]
        self.plant.say(replace(old, now=self.plant.now, mono_s=self.plant.mono_s))
        after = self.plant.state
        assert after.limits.keys() == before.limits.keys()
        assert {k: r.request for k, r in after.sessions.items()} == {
            k: r.request for k, r in before.sessions.items()
        }
        assert after.overrides == before.overrides
        assert after.emergencies == before.emergencies
        assert after.stale == before.stale

    @rule(alive=st.booleans())
    def grid_company(self, alive: bool) -> None:
        self.plant.grid_alive = alive

    @rule(step=st.sampled_from([-0.6, 0.9]))
    def base_load_moves(self, step: float) -> None:
        plant = self.plant
        for _ in range(4):
            plant.base_kw = max(plant.base_kw + step, 0.0) if plant.base_kw < 20 else 19.0
            self.wait(3)

    @rule(
        node_or_pile=st.sampled_from([*NAMES, "feeder"]),
        kind=st.sampled_from(["out_of_service", "hold_kw", "charge_now", "clear"]),
        lasts=st.sampled_from([None, 30]),
    )
    def override(self, node_or_pile: str, kind: str, lasts: int | None) -> None:
        plant = self.plant
        until = None if lasts is None else plant.now + timedelta(seconds=lasts)
        held = 5.0 if kind == "hold_kw" else None
        self.tell(plant.override(node_or_pile, kind, until=until, hold_kw=held))

    @rule(zone=st.sampled_from(["depot-1", "feeder"]), cleared=st.booleans())
    def emergency(self, zone: str, cleared: bool) -> None:
        self.tell(self.plant.fire(zone, cleared=cleared))
        self.wait(4)

    @rule(name=PILES, fault=st.sampled_from(["deaf", "mute", "ackless", "stuck", "over", "frozen"]))
    def pile_misbehaves(self, name: str, fault: str) -> None:
        if any(b.faulty or b.mute or b.ackless for b in self.plant.boxes.values()):
            return
        box = self.plant.boxes[name]
        if fault == "over":
            box.over = 1.2
        elif fault == "frozen":
            box.frozen_kw = 3.0
        else:
            setattr(box, fault, True)
        self.plant.unclean()

    @rule(loss=st.sampled_from([0.0, 0.2, 0.6]))
    def channel(self, loss: float) -> None:
        self.plant.loss = loss

    @rule(name=PILES, seconds=st.sampled_from([3, 40]))
    def pile_reboots(self, name: str, seconds: int) -> None:
        box = self.plant.boxes[name]
        box.down_until = self.plant.mono_s + seconds
        box.offer_kw, box.lease_until = 0.0, -1.0
        self.wait(seconds + 1)

    @rule(name=PILES, voltage=st.sampled_from([0.93, 1.0, 1.07]))
    def voltage(self, name: str, voltage: float) -> None:
        self.plant.boxes[name].voltage = voltage

    @rule(on=st.booleans())
    def meter(self, on: bool) -> None:
        self.plant.meter_on = on
        if not on:
            self.plant.unclean(1e9)

    @rule(how=st.sampled_from(["good", "failing", "dead", "nonsense", "greedy"]))
    def solver(self, how: str) -> None:
        self.plant.solver = how

    @rule(step=st.sampled_from([3600.0, -3600.0, 3.2e8, -3.2e8, 7.0]))
    def clock_steps(self, step: float) -> None:
        if abs(self.plant.skew_s + step) < 4e8:
            self.plant.skew_s += step
        self.wait(2)

    @rule(away=st.sampled_from([0, 4, 90]))
    def killed(self, away: int) -> None:
        if away:
            self.plant.unclean(away + 75.0)
        self.plant.restart(away_s=away)
        self.wait(1)

    @rule()
    def everything_is_well_again(self) -> None:
        """No fault lasts: who wants power and may have it gets it, and alerts end."""
        plant = self.plant
        plant.heal()
        plant.unclean_until = plant.mono_s + 75.0
        plant.skew_s = 0.0
        plant.base_kw = min(plant.base_kw, 5.0)
        for zone in list(plant.emergency):
            self.tell(plant.fire(zone, cleared=True))
        for target in [*NAMES, "feeder", "root"]:
            self.tell(plant.override(target, "clear"))
        for session in list(plant.state.sessions):
            self.tell(plant.end(session))
        self.wait(130)
        for node, name in list(plant.limits):
            self.tell(plant.limit(node, name, None, revoked=True))
        self.tell(plant.limit("root", "a", 400.0))
        for box in plant.boxes.values():
            box.car_kw, box.taken_kwh = None, 0.0
        self.wait(10)
        for name, box in plant.boxes.items():
            box.car_kw = 7.0
            self.count += 1
            self.tell(plant.request(f"now{self.count}", name, 50.0, mode="now"))
        self.wait(90)
        for name, box in plant.boxes.items():
            assert box.power_kw(plant.mono_s) > 1.0, f"{name} got nothing"
        assert not plant.alerts, plant.alerts
        before = dict(plant.alerts)
        plant.boxes["P3"].car_kw = 0.0
        self.wait(90)
        assert plant.boxes["P3"].offer_kw == 0.0, "a car that takes nothing keeps its power"
        assert plant.alerts == before

    @invariant()
    def emergencies_hold(self) -> None:
        plant = getattr(self, "plant", None)
        if plant is None:
            return
        for zone in plant.emergency:
            names = NAMES if zone == "depot-1" else plant.under(zone)
            for name in names:
                assert plant.state.piles[name].wanted_kw == 0 or not plant.state.piles[name].sent

    @invariant()
    def state_stays_small(self) -> None:
        plant = getattr(self, "plant", None)
        if plant is None:
            return
        assert all(len(p.unacked) <= 8 for p in plant.state.piles.values())
        assert plant.due > plant.mono_s


TestYard = Yard.TestCase
TestYard.settings = settings(
    max_examples=15,
    derandomize=True,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
