"""Forecasts: what they know of days, and that they know nothing of what comes after."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.data.recorded import ReplaySession
from adapters.forecast.base_load import DayBefore, LikeDays, Persistence
from adapters.forecast.pv import ClearSky, Place
from adapters.forecast.regression import Regression
from adapters.forecast.series import Banded, Measured, Method, quantiles, skill
from benchmarks.arrival_forecasts import FIRST, LastHours, arriving, mean_skill
from models.errors import ConfigurationError
from models.horizon import FloatArray
from tariffs.calendar import DayType, HolidayDay, NoHolidays

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY_S = 1_781_452_800  # 00:00 on Monday 15 June 2026 in Shanghai
PLACE = Place(30.3, 120.2)
METHODS: tuple[Method, ...] = (
    Persistence(),
    DayBefore(),
    LikeDays(),
    Regression(),
    ClearSky(PLACE),
    LastHours(),
)


def weeks(n: int, seed: int = 4) -> Measured:
    """Work days with a hump, quiet weekends, some noise."""
    rng = np.random.default_rng(seed)
    slots = np.arange(n * 7 * 96)
    hour, day = (slots % 96) / 4.0, slots // 96 % 7
    hump = np.exp(-(((hour - 14.0) / 3.0) ** 2))
    values = 50.0 + np.where(day < 5, 100.0, 10.0) * hump + rng.normal(0, 2.0, slots.size)
    return Measured(MONDAY_S, 900, values, ZONE)


def sunny(days: int) -> Measured:
    """Sun from six to six, every third day half covered."""
    slots = np.arange(days * 96)
    hour, day = (slots % 96) / 4.0, slots // 96
    sun = 100.0 * np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0)
    return Measured(MONDAY_S, 900, np.where(day % 3 == 0, 0.5, 1.0) * sun, ZONE)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_nothing_is_known_of_what_comes(method: Method) -> None:
    series = weeks(9)
    k = 59 * 96 + 40
    other = Measured(series.start_s, 900, series.values_kw.copy(), ZONE)
    other.values_kw[k:] = 1e6
    ahead = method.expect(series.until(k), 96)
    assert np.array_equal(ahead, method.expect(other.until(k), 96))
    assert ahead.shape == (96,)
    assert bool(np.all(np.isfinite(ahead)))


def test_like_days_know_that_tomorrow_is_saturday() -> None:
    series = weeks(4)
    saturday = 26 * 96
    found = skill((Persistence(), DayBefore(), LikeDays()), series, saturday, n=96, every=96)
    assert found["like days"]["mae_kw"] < 0.5 * found["day before"]["mae_kw"]
    assert found["persistence"]["skill"] == 0.0


def test_a_holiday_is_like_a_sunday_and_a_worked_sunday_like_a_work_day() -> None:
    series = weeks(5)
    monday, sunday = date(2026, 7, 13), date(2026, 7, 19)

    class Kept(NoHolidays):
        def day(self, day: date) -> DayType:
            rests = (HolidayDay("day_of_rest", 1, 1),) if day == monday else ()
            return DayType(day, rests, makeup_workday=day == sunday)

    past = series.until(28 * 96)
    usual = LikeDays().expect(past, 7 * 96)
    told = LikeDays(calendar=Kept()).expect(past, 7 * 96)
    noon = 14 * 4
    assert usual[noon] == pytest.approx(150.0, abs=5.0)
    assert told[noon] == pytest.approx(60.0, abs=5.0)
    assert usual[6 * 96 + noon] == pytest.approx(60.0, abs=5.0)
    assert told[6 * 96 + noon] == pytest.approx(150.0, abs=5.0)
    assert told[96 : 6 * 96] == pytest.approx(usual[96 : 6 * 96])


def wandering(n: int) -> Measured:
    """The same weeks, off by what fades by half in an hour and comes again."""
    rng, series = np.random.default_rng(9), weeks(n)
    off = np.zeros(series.values_kw.size)
    for k in range(1, off.size):
        off[k] = 0.5**0.25 * off[k - 1] + rng.normal(0, 4.0)
    return replace(series, values_kw=series.values_kw + off)


def test_a_regression_learns_how_departures_from_like_days_fade() -> None:
    series = wandering(12)
    methods = (LikeDays(), Regression(refit_days=14))
    found = skill(methods, series, 70 * 96, n=4, every=29)
    assert found["regression"]["mae_kw"] < 0.85 * found["like days"]["mae_kw"]


def test_a_regression_is_fitted_once_for_each_stretch_and_before_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitted_to: list[int] = []
    fit = Regression._fit

    def counted(self: Regression, past: Measured) -> object:
        fitted_to.append(past.values_kw.size)
        return fit(self, past)

    monkeypatch.setattr(Regression, "_fit", counted)
    series, method = weeks(9), Regression(refit_days=1)
    for slot in (0, 40, 95, 96):
        method.expect(series.until(57 * 96 + slot), 8)
    assert fitted_to == [57 * 96, 58 * 96]
    # Another series that begins at the same instant is another one.
    method.expect(wandering(9).until(58 * 96), 8)
    assert len(fitted_to) == 3


def test_with_too_little_past_a_regression_is_like_days() -> None:
    past = weeks(7).until(48 * 96 + 5)
    assert np.array_equal(Regression().expect(past, 96), LikeDays().expect(past, 96))


def test_without_scikit_learn_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ConfigurationError, match=r"尚未安装.*pip install 'valleyfill\[forecast\]'"):
        Regression()


def test_clear_sky_is_dark_at_night_and_beats_persistence() -> None:
    series = sunny(40)
    ahead = ClearSky(PLACE).expect(series.until(30 * 96), 96)
    assert ahead[:16].max() == 0.0
    assert ahead[48] > 40.0
    found = skill((Persistence(), ClearSky(PLACE)), series, 30 * 96, n=96, every=53)
    assert found["clear sky"]["skill"] > 0.7


def test_bands_hold_most_of_what_comes() -> None:
    series = weeks(6)
    inside, banded = [], Banded(LikeDays())
    for k in range(28 * 96, 35 * 96, 96):
        found = banded.foresee(series.until(k), 96)
        truth = series.values_kw[k : k + 96]
        inside.append(np.mean((truth >= found.low_kw) & (truth <= found.high_kw)))
    assert 0.8 < float(np.mean(inside)) <= 0.97


def test_a_band_knows_nothing_of_what_comes_and_asks_a_method_once_for_each_past() -> None:
    series = weeks(6)
    spoiled = replace(series, values_kw=series.values_kw.copy())
    spoiled.values_kw[30 * 96 :] = 1e3
    asked: list[int] = []

    class Counted(LikeDays):
        def expect(self, past: Measured, n: int) -> FloatArray:
            asked.append(past.values_kw.size)
            return super().expect(past, n)

    banded = Banded(Counted(), days=5)
    found = banded.foresee(spoiled.until(30 * 96), 96)
    known = Banded(LikeDays(), days=5).foresee(series.until(30 * 96), 96)
    for name in ("values_kw", "low_kw", "high_kw"):
        assert np.array_equal(getattr(found, name), getattr(known, name))
    banded.foresee(series.until(31 * 96), 96)
    # Five days before and now, then one day more and now.
    assert len(asked) == 8


def test_a_band_is_as_wide_as_errors_were_at_about_that_hour() -> None:
    rises = Measured(MONDAY_S, 900, np.arange(10 * 96, dtype=np.float64), ZONE)
    found = Banded(Persistence(), days=5).foresee(rises, 6)
    # A series that rises by 1 a slot: the k-th slot ahead was missed by k each time, and the
    # slots beside it speak too.
    assert found.high_kw - found.values_kw == pytest.approx([3, 4, 5, 6, 6, 6], abs=0.2)
    assert found.low_kw == pytest.approx(found.values_kw)


def test_irradiance_that_is_told_counts_and_what_it_leaves_out_goes_by_lately() -> None:
    series = sunny(31)
    past = series.until(30 * 96)
    first_s = int(past.starts_s(past.values_kw.size, 1)[0])
    usual = ClearSky(PLACE).expect(past, 96)
    told_w = np.full(60, np.nan)
    told_w[40:56] = 100.0
    weather = Measured(first_s - 4 * 900, 900, told_w, ZONE)
    told = ClearSky(PLACE, irradiance=weather).expect(past, 96)
    # It begins an hour before the forecast does.
    assert np.array_equal(told[:36], usual[:36])
    assert np.array_equal(told[52:], usual[52:])
    assert told[36:52].max() < 0.5 * usual[36:52].max()
    later = replace(weather, start_s=first_s + 44 * 900, values_kw=np.full(8, 100.0))
    begins = ClearSky(PLACE, irradiance=later).expect(past, 96)
    assert np.flatnonzero(begins != usual).tolist() == list(range(44, 52))
    twice = replace(weather, values_kw=2.0 * told_w)
    assert ClearSky(PLACE, irradiance=twice).expect(past, 96)[36:52] == pytest.approx(
        2.0 * told[36:52]
    )


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_numpys_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(int(rng.integers(1, 60)), 40))
    table[rng.random(table.shape) < rng.uniform(0.0, 0.9)] = np.nan
    table[:, 3] = np.nan
    known = np.isfinite(table).any(axis=0)
    expected = np.zeros((3, 40))
    expected[:, known] = np.nanquantile(table[:, known], (0.05, 0.5, 0.95), axis=0)
    assert quantiles(table, (0.05, 0.5, 0.95)).tobytes() == expected.tobytes()


def test_the_mornings_of_work_days_are_foreseen_and_how_many_come_then() -> None:
    """Two of 6 kWh each come at 8:00 on work days, one at noon on others."""
    sessions = []
    for day in range(60):
        midnight = FIRST + timedelta(days=day)
        works = midnight.weekday() < 5
        at = midnight + timedelta(hours=8 if works else 12)
        sessions += [
            ReplaySession(f"s-{day}-{k}", f"p-{k}", at, at + timedelta(hours=3), 6.0)
            for k in range(2 if works else 1)
        ]
    energy, number = arriving(sessions)
    first = FIRST + timedelta(days=40)
    for series, daily in ((energy, 12.0), (number, 2.0)):
        monday = series.at((FIRST + timedelta(days=5)).timestamp())
        assert series.values_kw[monday : monday + 96].sum() / 4.0 == pytest.approx(daily)
        found = mean_skill(series, first, first + timedelta(days=14), 4 * 24, 28)
        skills = {name: figures["skill"] for name, figures in found.items()}
        assert skills["like days and holidays"] > 0.5
        assert skills["persistence"] == 0.0
