"""Events that count from a baseline or follow a series: weighed, promised, kept by the meter."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.series import StepSeries, constant
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Vehicle
from adapters.simulator.virtual_assets import VirtualStorage
from models.battery import Battery
from models.errors import ConfigurationError
from models.events import DemandCalled, LimitPushed, Received
from models.horizon import instant_of
from models.session import Request
from models.site_rules import ResponseRule
from scheduler.effects import Effect, EventAnswer
from scheduler.engine import Engine
from scheduler.quarters import KEPT, Quarters, baseline_kw, like_days, quarter_starts
from tariffs.calendar import PublicHolidays
from tariffs.kinds.flat import Flat
from tests.unit.test_config_microgrid import FILE
from tests.unit.test_engine_microgrid import HOUR, START_S, _late, bess, by_hour, site_of

DAY = 24.0
ASKED = (DAY + 18.0, DAY + 20.0)
"""On Tuesday from 18:00 to 20:00; Monday is the like day."""


def event(name: str, kind: Any, power_kw: float, **changes: Any) -> DemandCalled:
    heard = changes.pop("heard_h", DAY + 14.0)
    now = instant_of(int(START_S + heard * HOUR))
    values: dict[str, Any] = {
        "start": instant_of(int(START_S + ASKED[0] * HOUR)),
        "end": instant_of(int(START_S + ASKED[1] * HOUR)),
        "incentive_per_kwh": 2.0,
        "mandatory": False,
    }
    return DemandCalled(
        now=now, mono_s=0.0, stamp=(1, 0), issued_at=now, event=name, kind=kind,
        power_kw=power_kw, **(values | changes),
    )  # fmt: skip


def drilled(
    *events: Received,
    base: StepSeries | None = None,
    like_days: int = 1,
    vehicle: Vehicle | None = None,
    **site: Any,
) -> tuple[Trace, dict[str, list[EventAnswer]]]:
    """Two days of a site with storage under a flat price; answers by event."""
    plant = site_of(
        limit_kw=100.0,
        storages=site.pop("storages", (bess(),)),
        telemetry_period_s=60.0,
        lease_s=86_400.0,
        response=ResponseRule(like_days=like_days),
        **site,
    )
    depot = VirtualDepot(
        plant,
        (vehicle or _late(),),
        start_s=START_S,
        base_kw={"transformer": base or constant(40.0)},
        grid=GridScript([(e.now.timestamp(), e) for e in events]),
        assets=(VirtualStorage(plant.storages[0], soc=0.5, at_s=START_S),),
    )
    answers: dict[str, list[EventAnswer]] = {}

    def watch(_: float, effect: Effect) -> None:
        if isinstance(effect, EventAnswer):
            answers.setdefault(effect.event, []).append(effect)

    trace = run(
        Engine(plant, Flat("flat", "CNY", 0.6, 0.0)),
        depot,
        until_s=START_S + (ASKED[1] + 1.0) * HOUR,
        solve=cascade_of("general", "highs"),
        watch=watch,
    )
    return trace, answers


def drawn_kw(trace: Trace, hours: tuple[float, float] = ASKED) -> float:
    """Mean exchange at the connection while the event runs, kW."""
    lo, hi = (START_S + h * HOUR for h in hours)
    at = np.array([t for t, _ in trace.root] + [trace.root[-1][0] + DAY * HOUR])
    power = np.array([kw for _, kw in trace.root])
    inside = np.maximum(np.minimum(at[1:], hi) - np.maximum(at[:-1], lo), 0.0)
    return float((power * inside).sum() / (hi - lo))


def test_a_paid_reduction_is_promised_and_kept_though_the_load_is_not_what_was_foreseen() -> None:
    lower = by_hour(40.0, 33.0, ASKED[0] + 0.5, ASKED[1])
    trace, said = drilled(event("cut", "reduce_by", 16.0), base=lower)
    assert [a.decision for a in said["cut"]] == ["weighed", "accepted", "ended"]
    promised = said["cut"][1].promised_kw
    assert promised == pytest.approx(16.0, rel=0.01)
    assert 40.0 - drawn_kw(trace) == pytest.approx(promised, rel=0.02)
    ended = said["cut"][2]
    assert ended.delivered_kwh == pytest.approx(2 * 16.0, rel=0.02)
    assert ended.paid == pytest.approx(2 * 16.0 * 2.0, rel=0.02)
    assert "by weekday" in ended.why


def test_a_call_upward_fills_the_valley() -> None:
    trace, said = drilled(event("up", "raise_by", 15.0))
    assert [a.decision for a in said["up"]] == ["weighed", "accepted", "ended"]
    assert drawn_kw(trace) == pytest.approx(55.0, rel=0.02)
    assert said["up"][2].delivered_kwh == pytest.approx(30.0, rel=0.02)


def test_a_mandatory_series_is_followed_both_ways() -> None:
    start = instant_of(int(START_S + ASKED[0] * HOUR))
    series = ((start, 25.0), (start + timedelta(hours=1), 60.0))
    trace, said = drilled(event("line", "follow", 0.0, slots=series, mandatory=True))
    assert said["line"][0].decision == "accepted"
    for hour, wanted in ((0.5, 25.0), (1.5, 60.0)):
        at = START_S + (ASKED[0] + hour) * HOUR
        assert [kw for t, kw in trace.root if t <= at][-1] == pytest.approx(wanted, abs=0.5)


def test_one_reduction_is_not_sold_to_two() -> None:
    first = event("first", "reduce_by", 16.0)
    again = event("again", "reduce_by", 16.0, heard_h=DAY + 15.0)
    trace, said = drilled(first, again)
    reduced = 2.0 * (40.0 - drawn_kw(trace))
    paid = sum(a.paid or 0.0 for answers in said.values() for a in answers)
    assert paid == pytest.approx(2.0 * reduced, rel=0.03)
    assert said["again"][1].decision == "accepted"
    assert reduced == pytest.approx(2.0 * 32.0, rel=0.03)


def test_two_that_are_called_at_once_are_not_paid_for_the_same_reduction() -> None:
    trace, said = drilled(event("a", "reduce_by", 15.0), event("b", "reduce_by", 12.0))
    reduced = 2.0 * (40.0 - drawn_kw(trace))
    paid = sum(a.paid or 0.0 for answers in said.values() for a in answers)
    assert [a.decision for a in said["b"]] == ["weighed", "accepted", "ended"]
    assert said["b"][1].baseline_kw == pytest.approx(25.0, abs=0.1)
    assert reduced == pytest.approx(2.0 * 27.0, rel=0.03)
    assert paid == pytest.approx(2.0 * reduced, rel=0.03)


def test_what_a_series_or_a_limit_takes_off_is_not_sold_again() -> None:
    followed = event("line", "follow", 30.0, mandatory=True, incentive_per_kwh=None)
    again = event("again", "reduce_by", 8.0, heard_h=DAY + 15.0)
    _, said = drilled(followed, again)
    assert [a.decision for a in said["again"]] == ["refused"]
    assert "series of line" in said["again"][0].why
    # What must be obeyed is, and counts from the series.
    must = event("must", "reduce_by", 8.0, heard_h=DAY + 15.0, mandatory=True)
    _, said = drilled(followed, must)
    assert said["must"][0].baseline_kw == pytest.approx(30.0, abs=0.1)
    fills = event("line", "follow", 50.0, mandatory=True, incentive_per_kwh=None)
    more = event("more", "raise_by", 5.0, heard_h=DAY + 15.0, mandatory=True)
    _, said = drilled(fills, more)
    assert said["more"][0].baseline_kw == pytest.approx(50.0, abs=0.1)
    cut = event("cut", "reduce_by", 8.0)
    limit = LimitPushed(
        now=cut.now, mono_s=0.0, stamp=(1, 0), issued_at=cut.now, node="transformer", limit="l",
        valid_from=cut.start, valid_until=cut.end, import_kw=30.0, export_kw=None, source="grid",
    )  # fmt: skip
    _, said = drilled(limit, cut)
    assert said["cut"][1].decision == "accepted"
    assert said["cut"][1].baseline_kw == pytest.approx(30.0, abs=0.1)


def test_what_cannot_be_measured_or_does_not_pay_is_refused_with_the_number() -> None:
    _, said = drilled(event("cut", "reduce_by", 16.0), like_days=5)
    (answer,) = said["cut"]
    assert answer.decision == "refused"
    assert "5 like days" in answer.why
    _, said = drilled(event("cheap", "reduce_by", 16.0, incentive_per_kwh=0.0))
    assert [a.decision for a in said["cheap"]] == ["refused"]
    # Losing 10 % of what goes through the storage costs more than a fen per kWh.
    _, said = drilled(event("poor", "reduce_by", 16.0, incentive_per_kwh=0.01))
    assert [a.decision for a in said["poor"]] == ["weighed", "refused"]


def test_days_off_the_mean_by_over_a_quarter_do_not_count() -> None:
    days = [np.full(4, kw) for kw in (100.0, 104.0, 96.0, 100.0, 30.0)]
    assert baseline_kw(days, ResponseRule()) == pytest.approx(np.full(4, 100.0))


@pytest.mark.parametrize(
    ("tariff", "event_day", "expected"),
    [
        # After National Day 2025 (1 to 8 October; 28 September and 11 October are worked).
        ("zhejiang-2026", date(2025, 10, 9), ["09-30", "09-29", "09-28", "09-26", "09-25"]),
        ("zhejiang-2026", date(2025, 10, 11), ["10-10", "10-09", "09-30", "09-29", "09-28"]),
        # On it: a Friday of rest, and the worked Sunday before it is no day of rest.
        ("zhejiang-2026", date(2025, 10, 3), ["10-02", "10-01", "09-27", "09-21", "09-20"]),
        # A book that names no country knows weekdays.
        ("sce-tou-ev-4-2019", date(2025, 10, 9), ["10-08", "10-07", "10-06", "10-03", "10-02"]),
    ],
)
def test_like_days_follow_the_holidays_of_the_tariff(
    tariff: str, event_day: date, expected: list[str]
) -> None:
    text = FILE.replace("[site.v2g]", "[site.response]\n\n[site.v2g]")
    site = parse_site(text.replace("zhejiang-2026", tariff)).site
    assert site.response is not None
    start = datetime.combine(event_day, time(18), site.zone)
    now_s = int(start.timestamp()) - 4 * 3600
    # Each quarter hour has drawn as many kW as its local day has in the calendar's count.
    days = [
        datetime.fromtimestamp(now_s - 900 * back, site.zone).date() for back in range(KEPT, 0, -1)
    ]
    known = Quarters(float(now_s), 0.0, now_s, means_kw=tuple(float(d.toordinal()) for d in days))
    found = like_days(
        known, quarter_starts(start, start + timedelta(hours=2)), site.zone, site.response
    )
    told = [f"{date.fromordinal(int(power[0])):%m-%d}" for power in found]
    assert told == expected


def test_who_can_wait_gives_way_where_the_storage_alone_cannot_keep_a_series() -> None:
    # Load rises by 30 kW in the middle of a quarter hour, and the storage has 10 kW.
    at = START_S + (DAY + 17.0) * HOUR
    asked = Request(
        session="s1",
        pile="A-01",
        arrival=instant_of(int(at)),
        departure=instant_of(int(at + 6 * HOUR)),
        energy_kwh=45.0,
    )
    waits = Vehicle(
        "s1", "A-01", at, at + 6 * HOUR, Battery(80.0, 22.0, taper_soc=1.0), 20.0, ((at, asked),)
    )
    risen = by_hour(40.0, 70.0, ASKED[0] + 0.3, ASKED[0] + 0.5)
    trace, said = drilled(
        event("line", "follow", 60.0, mandatory=True),
        base=risen,
        vehicle=waits,
        storages=(bess(max_kw=10.0),),
    )
    assert said["line"][0].decision == "accepted"
    middle = drawn_kw(trace, (ASKED[0] + 0.32, ASKED[0] + 0.49))
    assert middle == pytest.approx(60.0, abs=1.0)


def test_the_rule_is_read_written_and_refused_by_its_key() -> None:
    text = FILE.replace("[site.v2g]", "[site.response]\nlike_days = 3\n\n[site.v2g]")
    read = parse_site(text)
    assert read.site.response == ResponseRule(like_days=3, calendar=PublicHolidays("CN"))
    assert parse_site(site_to_toml(read)).site.response == read.site.response
    with pytest.raises(ConfigurationError, match=r"site\.response\.like_days"):
        parse_site(text.replace("like_days = 3", "like_days = 0"))
