"""Recorded sessions become cars with a truth, and requests with the drivers' words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapters.data.recorded import ReplaySession
from adapters.simulator.estimate import FIRST_ENERGY_KWH, FIRST_STAY, Estimator
from adapters.simulator.replay import prepare
from models.errors import DataError, InvalidValueError
from tests.unit.simulated import START, pile, site_of


def recorded(name: str, hours: tuple[float, float], kwh: float, **other: Any) -> ReplaySession:
    keys: dict[str, Any] = {
        "id": name,
        "pile": "A",
        "arrival": START + timedelta(hours=hours[0]),
        "departure": START + timedelta(hours=hours[1]),
        "delivered_kwh": kwh,
    }
    return ReplaySession(**keys | other)


SITE = site_of([pile("A"), pile("B")])
DAY = (START, START + timedelta(days=1))


def test_the_truth_is_what_was_delivered_and_the_stay_that_was() -> None:
    replay = prepare(SITE, [recorded("s", (1, 5), 15.0)], *DAY, words="truth")
    car = replay.vehicles[0]
    request = car.words[0][1]
    assert car.wants_kwh == pytest.approx(15.0)
    assert request.energy_kwh == 15.0
    assert request.departure == START + timedelta(hours=5)


def test_stated_words_stand_in_the_request_and_change_no_truth() -> None:
    session = recorded(
        "s", (1, 5), 15.0, stated_kwh=40.0, stated_departure=START + timedelta(hours=3)
    )
    said = {
        words: prepare(SITE, [session], *DAY, words=words).vehicles[0].words[0][1]
        for words in ("stated", "stated_departure", "stated_energy")
    }
    left = {w: (r.departure - START).total_seconds() / 3600 for w, r in said.items()}
    assert left == {"stated": 3.0, "stated_departure": 3.0, "stated_energy": 5.0}
    assert {w: r.energy_kwh for w, r in said.items()} == {
        "stated": 40.0,
        "stated_departure": 15.0,
        "stated_energy": 40.0,
    }
    assert prepare(SITE, [session], *DAY, words="stated").vehicles[0].wants_kwh == 15.0


def test_truth_beyond_pile_power_times_stay_is_capped_and_counted() -> None:
    replay = prepare(SITE, [recorded("s", (1, 2), 15.0)], *DAY, words="truth")
    assert replay.vehicles[0].wants_kwh == pytest.approx(10.0)
    assert (replay.capped, replay.capped_kwh) == (1, pytest.approx(5.0))


def test_a_car_on_an_occupied_pile_waits_until_it_is_free() -> None:
    sessions = [
        recorded("first", (1, 5), 5.0),
        recorded("waits", (4, 7), 5.0),
        recorded("hopeless", (4.5, 6.5), 5.0),
    ]
    replay = prepare(SITE, sessions, *DAY, words="truth")
    assert [v.session for v in replay.vehicles] == ["first", "waits"]
    assert replay.vehicles[1].arrival_s == replay.vehicles[0].departure_s
    assert (replay.waited, replay.left_out) == (1, 1)


def test_only_arrivals_inside_the_stretch_are_replayed() -> None:
    sessions = [recorded("before", (-5, 3), 5.0), recorded("at", (0, 3), 5.0, pile="B")]
    sessions.append(recorded("after", (24, 30), 5.0))
    replay = prepare(SITE, sessions, *DAY, words="truth")
    assert [v.session for v in replay.vehicles] == ["at"]


def test_an_unknown_pile_is_named() -> None:
    with pytest.raises(InvalidValueError, match="'C' is no pile"):
        prepare(SITE, [recorded("s", (1, 2), 5.0, pile="C")], *DAY, words="truth")


def test_a_departure_before_the_arrival_is_no_session() -> None:
    with pytest.raises(DataError):
        recorded("s", (2, 1), 5.0)


def test_a_missing_word_gets_an_estimate_from_earlier_sessions_only() -> None:
    estimator = Estimator()
    now = START
    assert estimator.estimate(now).energy_kwh == FIRST_ENERGY_KWH
    assert estimator.estimate(now).stay == FIRST_STAY
    for k in range(30):
        arrival = now - timedelta(days=k + 1)
        estimator.learn_later(arrival, arrival + timedelta(hours=8), 20.0)
    still_there = now - timedelta(hours=1)
    estimator.learn_later(still_there, now + timedelta(hours=1), 500.0)
    estimator.pass_to(now)
    assert estimator.estimate(now).energy_kwh == 20.0
    assert estimator.estimate(now).stay == timedelta(hours=8)


def test_a_request_without_words_is_counted_and_estimated() -> None:
    replay = prepare(SITE, [recorded("s", (1, 9), 5.0)], *DAY, words="stated")
    assert replay.estimated == 1
    assert replay.vehicles[0].words[0][1].energy_kwh == FIRST_ENERGY_KWH


def test_a_bus_keeps_its_state_of_charge_and_takes_no_more_than_it_did() -> None:
    session = recorded("s", (1, 9), 60.0, battery_kwh=400.0, soc=0.5)
    car = prepare(SITE, [session], *DAY, words="truth").vehicles[0]
    assert car.stored_kwh == 200.0
    assert car.wants_kwh == pytest.approx(60.0)
    assert car.words[0][1].soc == 0.5
