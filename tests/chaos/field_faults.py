"""Faults of what stands in the yard: piles, meters, generation, vehicles, the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from adapters.wire import inbound as w
from tests.chaos.rig import LEASE_S, Rig
from tests.chaos.trial import Fault, Trial
from tests.integration.field import until

SEEN_S = 4.0
"""A pile that misbehaves is seen by its next telemetry (1 s), told to the others, who have their
response time (2 s)."""


def clock_steps(t: Trial) -> None:
    """The wall clock jumps an hour and ten years, either way; ticks go by monotonic time."""
    rig = t.rig
    file = rig.folder / "clock"
    years = 10 * 365.25 * 86400
    for step in (3600.0, -3600.0, years, -years):
        file.write_text(str(step))
        time.sleep(2.5)
        t.check(rig.drawn_kw < 150, f"{step:g} s: {rig.drawn_kw:.0f} kW")
        t.check(rig.daemon.alive, f"{step:g} s: the daemon ended")
        took = rig.obeyed_in_s(100.0)
        t.check(took < 1.5, f"{step:g} s: a limit took {took:.1f} s")
        rig.limit("probe", None, revoked=True)
        file.write_text("0")
        rig.wait_serving(40)
    t.over()
    time.sleep(5.0)


def slow_drift(t: Trial) -> None:
    """The wall clock runs a twentieth too fast for a while."""
    file = t.rig.folder / "clock"
    for k in range(20):
        file.write_text(str(k * 0.025))
        time.sleep(0.5)
    t.check(t.rig.serving(), "it does not serve while the clock drifts")
    file.unlink()
    t.over()
    time.sleep(3.0)


def misbehaving(word: str, alert: str, seconds: float = 16.0) -> Callable[[Trial], None]:
    """Piles that do something else than they are told; the node total still holds."""

    def run(t: Trial) -> None:
        rig = t.rig
        before = rig.heard
        began = time.monotonic()
        pile = "P-0"
        if word in ("ignore", "lie"):
            # One that is given least: who may draw all he can ignores nothing.
            powers = rig.powers.all()[:-1]
            pile = min(rig.kinds, key=lambda k: powers[rig.kinds.index(k)]).name
        rig.command(pile, word)
        # Unforeseeable in its first seconds, said in advance: nobody can know before it shows.
        t.excuse(began, began + SEEN_S)
        if word == "slow":
            # A limit falls while one pile follows ten seconds late: the others give way first.
            cut = time.monotonic()
            rig.limit("slow", 100.0)
            t.excuse(cut, cut + SEEN_S + 6.0)
            time.sleep(seconds)
            rig.limit("slow", None, revoked=True)
        elif word == "ramp":
            cut = time.monotonic()
            rig.limit("ramp", 100.0)
            t.excuse(cut, cut + SEEN_S + 3.0)
            time.sleep(seconds)
            rig.limit("ramp", None, revoked=True)
        else:
            time.sleep(seconds)
        if alert:
            fresh = {a for a in rig.alerts(before) if a.endswith(f"/{pile}")}
            kinds = {a.split("/")[0] for a in fresh}
            t.check(kinds & set(alert.split("|")), f"no alert names {pile}: {sorted(kinds)}")
        calm = time.monotonic()
        rig.command(pile, "honest")
        t.excuse(calm, calm + SEEN_S)
        t.over()
        time.sleep(6.0)

    return run


def reboot(t: Trial) -> None:
    """A pile reboots and takes full power until it is told otherwise."""
    rig = t.rig
    began = time.monotonic()
    rig.command("P-5", "reboot")
    # Two seconds of boot without a word at full power, then its birth is answered.
    t.excuse(began, began + 2.0 + SEEN_S)
    time.sleep(10.0)
    t.over()
    rig.wait_serving()
    time.sleep(4.0)


def give_back(t: Trial) -> None:
    """Vehicles give back in dear hours: not below a floor, not without consent, not against an
    export limit of 0, and a vehicle that goes leaves no pile told to feed back.
    """
    rig, heard = t.rig, t.rig.voices.operator
    # A session that has ended is not opened again by its name, also not at a second try.
    mark = f"{time.monotonic():.0f}"
    _dear_now(rig)
    # Nobody gives while others starve: what is lost on the way would be missing.
    for kind in rig.kinds:
        rig.command(kind.name, "unplug")
    for pile, soc, consent in (("P-0", 0.8, True), ("P-1", 0.3, True), ("P-2", 0.8, False)):
        _comes(rig, pile, soc, f"g-{mark}-{pile}", consent=consent)
    took = until(lambda: _power_kw(rig, "P-0") < -GIVES_KW, "the first vehicle gives back", 40)
    t.note(f"gives back after {took:.0f} s")
    low = _lowest(rig, 4.0)
    t.check(low["P-1"] > -SAME_KW, f"a vehicle below its floor gives {-low['P-1']:.1f} kW")
    t.check(low["P-2"] > -SAME_KW, f"a vehicle without consent gives {-low['P-2']:.1f} kW")
    # PV comes up: what is left of the base load is less than the vehicle gives.
    rig.extra_base_kw = -10.0
    rig.limit("no-export", 120.0, export_kw=0.0)
    time.sleep(SEEN_S)
    low = _lowest(rig, 6.0)
    t.check(low["node"] > -SAME_KW, f"{-low['node']:.1f} kW flow back with an export limit of 0")
    t.check(low["P-0"] < -SAME_KW, "it gives nothing though there is base load left")
    # Its battery comes to the floor.
    rig.command("P-0", "soc 0.39")
    time.sleep(SEEN_S)
    low = _lowest(rig, 4.0)
    t.check(low["P-0"] > -SAME_KW, f"at its floor it gives {-low['P-0']:.1f} kW")
    # Another vehicle gives, and is unplugged while it does.
    _comes(rig, "P-0", 0.8, f"g2-{mark}", consent=True)
    until(lambda: _power_kw(rig, "P-0") < -SAME_KW, "the second vehicle gives back", 40)
    rig.command("P-0", "unplug")

    def ended() -> bool:
        said = [payload for topic, payload in list(heard.heard) if f"/session/g2-{mark}/" in topic]
        return any(b'"state":"ended"' in payload for payload in said)

    until(ended, "the end is told", 10)
    rig.command("P-0", "plug")
    low = _lowest(rig, 5.0)
    t.check(low["P-0"] > -SAME_KW, f"without a session it gives {-low['P-0']:.1f} kW")
    rig.extra_base_kw = 0.0
    rig.limit("no-export", None, revoked=True)
    for kind in rig.kinds:
        rig.command(kind.name, "unplug")
    time.sleep(2.5)
    rig.command("*", "plug")
    time.sleep(1.5)
    for kind in rig.kinds:
        rig.request(f"after-{mark}-{kind.name}", kind.name, 40.0 if kind.ac else 900.0)
    t.over()
    rig.wait_serving()
    time.sleep(6.0)


GIVES_KW = 2.0
SAME_KW = 0.1
"""A meter of class 0.5 shows no less."""


def _dear_now(rig: Rig) -> None:
    """Prices: dear for two hours from the last full one, cheap for the rest of the day."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    body = w.Tariff(
        **rig.voices.grid.stamp(),
        start=start,
        slot_minutes=60,
        buy_per_kwh=[3.0] * 2 + [0.1] * 22,
    )
    rig.voices.grid.send(body, "day", wait=True)


def _comes(rig: Rig, pile: str, soc: float, session: str, *, consent: bool) -> None:
    """A vehicle in place of the one that stood there; it asks for little and may give."""
    rig.command(pile, "unplug")
    time.sleep(2.5)
    rig.command(pile, f"soc {soc}")
    rig.command(pile, "plug")
    time.sleep(1.5)
    rig.request(
        session,
        pile,
        1.0,
        mode="smart",
        soc=soc,
        battery_kwh=80.0,
        v2g=w.V2g(min_soc=0.4, max_discharge_kw=15.0, consent=consent),
    )


def _power_kw(rig: Rig, pile: str) -> float:
    """What one pile truly draws."""
    return rig.powers.all()[[k.name for k in rig.kinds].index(pile)]


def _lowest(rig: Rig, seconds: float) -> dict[str, float]:
    """The lowest power of each pile and, as ``node``, at the connection, over so long, kW."""
    names = [*(k.name for k in rig.kinds), "base"]
    end = time.monotonic() + seconds
    low = dict.fromkeys([*names, "node"], math.inf)
    while time.monotonic() < end:
        now = dict(zip(names, rig.powers.all(), strict=True))
        now["node"] = sum(now.values())
        low = {name: min(low[name], kw) for name, kw in now.items()}
        time.sleep(0.02)
    return low


def generation_lost(t: Trial) -> None:
    """PV of 30 kW falls to nothing within a second, twice: the first teaches the margin."""
    rig = t.rig
    rig.extra_base_kw = -30.0
    time.sleep(18.0)
    for _ in range(2):
        fell = time.monotonic()
        rig.extra_base_kw = 0.0
        # The meter speaks twice a second, piles need their response time.
        t.excuse(fell, fell + SEEN_S)
        time.sleep(5.0)
        rig.extra_base_kw = -30.0
        time.sleep(8.0)
    rig.extra_base_kw = 0.0
    t.excuse(time.monotonic() - 0.1, time.monotonic() + SEEN_S)
    t.over()
    rig.wait_serving()
    time.sleep(5.0)


def meter_missing(t: Trial) -> None:
    rig = t.rig
    rig.metered = False
    until(lambda: "meter" in (s.degraded if (s := rig.status()) else []), "meter is named", 15)
    t.check(rig.drawn_kw + 16 < 150, "above the limit without a meter")
    took = rig.obeyed_in_s(100.0)
    t.check(took < 1.5, f"a limit took {took:.1f} s without a meter")
    rig.limit("probe", None, revoked=True)
    rig.metered = True
    t.over()
    rig.wait_serving()
    time.sleep(5.0)


def meter_backwards(t: Trial) -> None:
    rig = t.rig
    before = rig.heard
    rig.meter_sign = -1.0
    time.sleep(10.0)
    fresh = {a.split("/")[0] for a in rig.alerts(before)}
    t.check("meter_implausible" in fresh, f"no alert: {sorted(fresh)}")
    rig.meter_sign = 1.0
    t.over()
    rig.wait_serving()
    time.sleep(4.0)


ROGUE = "the pile itself takes what it was not given, or less"
FAULTS = (
    Fault(6, "wall clock steps by 1 h and 10 years either way", clock_steps),
    Fault(6, "wall clock drifts by a twentieth", slow_drift),
    Fault(
        23,
        "a pile ignores its setpoint",
        misbehaving("ignore", "pile_ignores|pile_exceeds"),
        energy=False,
        because=ROGUE,
    ),
    Fault(
        23,
        "a pile lies: it draws and reports nothing",
        misbehaving("lie", ""),
        energy=False,
        because=ROGUE,
    ),
    Fault(
        23,
        "a pile draws 10 % more",
        misbehaving("greedy", "pile_exceeds"),
        energy=False,
        because=ROGUE,
    ),
    Fault(23, "a pile ramps at 1 kW/s", misbehaving("ramp", ""), energy=False, because=ROGUE),
    Fault(23, "a pile follows 10 s late", misbehaving("slow", ""), energy=False, because=ROGUE),
    Fault(
        23, "a pile reports a frozen value", misbehaving("frozen", ""), energy=False, because=ROGUE
    ),
    Fault(
        23,
        "a pile refuses its setpoints",
        # Three refusals name it, and a steady setpoint is said every third of a lease.
        misbehaving("refuse", "pile_refuses", seconds=LEASE_S + 4.0),
        energy=False,
        because=ROGUE,
    ),
    Fault(23, "a pile reboots to full power", reboot, energy=False, because=ROGUE),
    Fault(
        24,
        "V2G consent, SoC floor, unplug, export limit 0",
        give_back,
        energy=False,
        because="what vehicles give and save up is not asked for",
        gives=True,
    ),
    Fault(
        25,
        "PV of 30 kW to nothing in a second, twice",
        generation_lost,
        energy=False,
        because="the learned margin is kept free from then on",
    ),
    Fault(
        25,
        "node meter missing",
        meter_missing,
        energy=False,
        because="the highest base load seen counts meanwhile",
    ),
    Fault(
        25,
        "node meter with the wrong sign",
        meter_backwards,
        energy=False,
        because="its absolute value counts",
    ),
)
