"""What is promised to the grid is prepared and kept: with what storages surely hold, with load and
sun as they come, and by curtailing PV where nothing else is left.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from adapters.simulator.series import constant
from models.events import DemandCalled, ForecastPushed
from models.horizon import UTC, Horizon, instant_of
from models.site_rules import ResponseRule
from models.storage import PvPlant
from scheduler.asset_state import reach_kw, stored_now_kwh
from scheduler.beside_plan import most_sun_kw
from scheduler.calls import CallTerm
from scheduler.draft import Draft
from scheduler.flexible_parts import of_storages
from scheduler.foreseen import HALF_LIFE_S, available_kw, load_ahead_kw
from scheduler.insured import insured
from scheduler.microgrid import PROMISED_TIMES, Bands, Microgrid, Sources, Stores
from scheduler.solution import Solution
from scheduler.state import AssetState, CalledRecord, NodeState, SentSetpoint
from tariffs.kinds.flat import Flat
from tests.unit.test_engine_microgrid import HOUR, START_S, ZONE, bess, played, site_of

HOURS_6 = Horizon(int(START_S) + 900 * np.arange(25, dtype=np.int64), ZONE)


def sent(series: str, values: tuple[float, ...]) -> ForecastPushed:
    now = instant_of(int(START_S))
    return ForecastPushed(
        now=now, mono_s=0.0, stamp=(2, 0), issued_at=now, series=series,
        start=now.astimezone(UTC), slot_minutes=15, values=values,
    )  # fmt: skip


def at(after_s: float, **known: Any) -> Draft:
    """What a planner knows so long after the start."""
    now = {"now": instant_of(int(START_S + after_s)), "mono_s": after_s, "forecasts": {}}

    class Known:
        piles: dict[str, Any] = {}  # noqa: RUF012

        def get(self, name: str) -> Any:
            return (now | known)[name]

    return Known()  # type: ignore[return-value]


def test_a_rise_is_kept_by_curtailing_pv_that_nobody_foresaw() -> None:
    # Full storage, 40 kW of load; 5 kW of sun foreseen and 60 kW there.
    site = site_of(
        limit_kw=100.0, export_kw=60.0, storages=(bess(),),
        pv=(PvPlant("pv", "transformer", 80.0),), response=ResponseRule(),
    )  # fmt: skip
    heard = instant_of(int(START_S + 10))
    called = DemandCalled(
        now=heard, mono_s=0.0, stamp=(1, 0), issued_at=heard, event="line", kind="follow",
        start=instant_of(int(START_S + HOUR)), end=instant_of(int(START_S + 2 * HOUR)),
        power_kw=30.0, mandatory=True,
    )  # fmt: skip
    dull = sent("pv-pv", (5.0,) * 160)
    trace, _ = played(
        site, Flat("flat", "CNY", 0.6, 0.0), hours=3.0, base=constant(40.0), sun=constant(60.0),
        soc=0.9, said_too=((START_S + 1.0, dull), (START_S + 10.0, called)),
    )  # fmt: skip
    for minute in (65.0, 90.0, 115.0):
        held = [kw for t, kw in trace.root if t <= START_S + 60.0 * minute][-1]
        assert held == pytest.approx(30.0, abs=0.7), minute
    # Before and after it nothing is withheld: the sun feeds back.
    assert trace.root[-1][1] < -15.0


def test_a_storage_with_little_room_lasts_to_the_end_of_what_was_promised() -> None:
    # 45 kW are to be drawn to the end of the quarter hour, of which a third is over. There are
    # 40 kW of load and 60 kW of sun, and the storage has room for 12 kW over the ten minutes left.
    site = site_of(
        limit_kw=100.0, export_kw=60.0, storages=(bess(),), pv=(PvPlant("pv", "transformer", 80.0),)
    )  # fmt: skip
    start = instant_of(int(START_S))
    called = DemandCalled(
        now=start, mono_s=0.0, stamp=(1, 0), issued_at=start, event="line", kind="follow",
        start=start, end=instant_of(int(START_S + 900)), power_kw=45.0, mandatory=True,
    )  # fmt: skip
    record = CalledRecord(called, start, "accepted", starts_s=(int(START_S),), level_kw=(45.0,))
    heard = {
        "bess": AssetState(heard_mono_s=300.0, soc=0.9 - 0.95 * 12.0 / 6.0 / 100.0),
        "pv": AssetState(heard_mono_s=300.0, power_kw=-60.0, available_kw=60.0),
    }
    node = NodeState(heard_mono_s=300.0, power_kw=-20.0, load_kw=40.0)
    draft = at(300.0, assets=heard, calls={"line": record}, nodes={"transformer": node})
    # So much sun from now on, and not once the storage is full.
    assert most_sun_kw(draft, site) == pytest.approx(40.0 + 12.0 - 45.0)


def test_what_a_storage_did_since_its_last_word_is_counted() -> None:
    storage = bess(charge_efficiency=0.9, discharge_efficiency=0.8)
    turned = SentSetpoint((1, 5), 40.0, 400.0, 10_000.0)
    state = AssetState(
        heard_mono_s=100.0, power_kw=-20.0, soc=0.5, acked=(1, 5), acked_kw=40.0, in_force=(turned,)
    )
    # 300 s at -20 kW, then 360 s at +40 kW.
    expected = 50.0 - 20.0 / 12.0 / 0.8 + 4.0 * 0.9
    assert stored_now_kwh(storage, state, 760.0) == pytest.approx(expected)
    assert stored_now_kwh(storage, state, 100.0) == pytest.approx(50.0)
    assert stored_now_kwh(storage, dataclasses.replace(state, soc=None), 760.0) is None


@pytest.mark.parametrize(("telemetry_s", "lasts_s"), [(10.0, 30.0), (60.0, 65.0), (900.0, 180.0)])
def test_a_storage_gives_all_until_its_next_word_might_come_too_late(
    telemetry_s: float, lasts_s: float
) -> None:
    storage = bess(charge_efficiency=0.9, discharge_efficiency=0.8)
    site = dataclasses.replace(
        site_of(limit_kw=100.0, storages=(storage,)), telemetry_period_s=telemetry_s
    )
    # Above the floor lies what full power takes in that time, and no more.
    usable = storage.max_kw * lasts_s / 3600.0 / 0.8
    soc = storage.floor_soc + usable / storage.capacity_kwh
    heard = {storage.id: AssetState(heard_mono_s=0.0, power_kw=-storage.max_kw, soc=soc)}
    full, _ = reach_kw(at(0.0, assets=heard), site, storage)
    assert full == pytest.approx(storage.max_kw)
    # A third of it gone since: it fades, and nobody had to say so.
    later, _ = reach_kw(at(lasts_s / 3.0, assets=heard), site, storage)
    assert later == pytest.approx(storage.max_kw * 2.0 / 3.0)


def test_the_error_of_now_fades_over_the_hours_ahead() -> None:
    said = sent("base-transformer", (40.0,) * 4 + (80.0,) * 30)
    ahead = load_ahead_kw(at(0.0), said, HOURS_6, 30.0, 0.0)
    assert ahead[0] == pytest.approx(30.0)
    k = int(HALF_LIFE_S) // 900
    assert ahead[k] == pytest.approx(80.0 - 5.0)
    assert bool(np.all(np.diff(ahead[4:24]) > 0))
    assert ahead[23] < 80.0


def test_a_reading_is_held_against_what_was_foreseen_for_its_own_time() -> None:
    # The load steps from 40 to 80 kW as foreseen; the meter spoke just before.
    said = sent("base-transformer", (40.0, 80.0) + (80.0,) * 30)
    hour = Horizon(int(START_S) + 900 + 900 * np.arange(5, dtype=np.int64), ZONE)
    ahead = load_ahead_kw(at(901.0), said, hour, 40.0, 890.0)
    assert ahead == pytest.approx(np.full(4, 80.0))


def test_a_dull_sky_is_believed_for_a_while_and_a_dark_one_says_nothing() -> None:
    site = site_of(limit_kw=100.0, pv=(PvPlant("pv", "transformer", 80.0),))
    said = sent("pv-pv", (60.0,) * 40)
    heard = {"pv": AssetState(heard_mono_s=0.0, power_kw=-30.0)}
    dull = available_kw(at(0.0, forecasts={"pv-pv": said}, assets=heard), site, HOURS_6)[0]
    assert dull[0] == pytest.approx(30.0)
    assert dull[8] == pytest.approx(45.0)
    assert dull[23] > 53.0
    dawn = sent("pv-pv", (1.0,) * 4 + (60.0,) * 36)
    first = available_kw(at(0.0, forecasts={"pv-pv": dawn}, assets=heard), site, HOURS_6)[0]
    assert first[0] == 30.0
    assert first[4] == pytest.approx(60.0)


def test_a_promise_to_come_is_planned_on_its_safe_side_and_one_that_runs_as_it_is() -> None:
    bands = Bands(np.full(3, 10.0), np.full(3, 6.0), np.full(3, 4.0))
    load = np.full(3, 50.0)
    endless = np.full(3, math.inf)
    low = CallTerm("a", np.full(3, 30.0), math.inf, endless, math.inf, endless)
    high = dataclasses.replace(low, level_kw=np.full(3, 90.0))
    paid = dataclasses.replace(low, over_per_kwh=1.0, under_per_kwh=-1.0)
    assert insured(low, bands, load).level_kw.tolist() == [30.0, *2 * (30 - 10 * PROMISED_TIMES,)]
    assert insured(high, bands, load).level_kw.tolist() == [90.0, *2 * (90 + 6 * PROMISED_TIMES,)]
    assert insured(paid, bands, load).level_kw.tolist() == [30.0, 30.0, 30.0]


def test_a_storage_offers_what_it_can_have_stored_by_then() -> None:
    one = np.ones(1)
    stores = Stores(
        ids=("bess",), node=np.zeros(1, dtype=np.int64), charge_kw=40.0 * one,
        discharge_kw=40.0 * one, charge_efficiency=one, discharge_efficiency=one,
        energy_kwh=10.0 * one, floor_kwh=10.0 * one, top_kwh=24.0 * one, wear_per_kwh=0.0 * one,
        end_value_per_kwh=0.0 * one, pv_only=np.zeros(1, dtype=bool),
    )  # fmt: skip
    n = 5
    grid = Microgrid(
        stores, Sources((), np.zeros(0, dtype=np.int64), np.zeros((0, n))),
        np.zeros((1, n)), np.full((1, n), 100.0), np.full((1, n), 100.0),
    )  # fmt: skip
    answer = Solution(np.zeros(0), "optimal", "general", 0.0, 0, np.zeros((1, n)))
    hours = np.full(n, 0.25)
    room = np.full(n, 20.0)
    reach = of_storages(grid, answer, hours, room, room, hours.size)
    # Empty now; 5 kWh fit each slot from the next one on; it holds 14 kWh and gives 40 kW.
    assert reach.less_kw == pytest.approx([0.0, 0.0, 20.0, 40.0, 40.0])
    assert reach.more_kw == pytest.approx([40.0, 40.0, 40.0, 40.0, 40.0])
    sun_alone = dataclasses.replace(
        grid, stores=dataclasses.replace(stores, pv_only=~stores.pv_only)
    )
    assert of_storages(sun_alone, answer, hours, room, room, hours.size).more_kw.max() == 0.0
    assert of_storages(sun_alone, answer, hours, room, room, hours.size).less_kw.max() == 0.0
