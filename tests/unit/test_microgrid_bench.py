"""The microgrid's benches: three recorded days under a demand charge, and a year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.simulator.trace import Piece, SessionTrace, Trace
from adapters.simulator.vehicle import Vehicle
from benchmarks import year
from benchmarks.microgrid import BOUND, summer, unmet_by
from benchmarks.microgrid_case import ZONE
from models.battery import Battery
from models.errors import InvalidValueError
from models.session import Request
from tests.unit.test_bill_real_data import DATA, SESSIONS

recorded = [
    pytest.mark.real_data,
    pytest.mark.skipif(not SESSIONS.exists(), reason="the real sessions are not at hand"),
]


def real_data(test: Callable[[], None]) -> Callable[[], None]:
    """A test on the recorded sessions."""
    for mark in recorded:
        test = mark(test)
    return test


def test_a_tariff_that_is_no_case_is_refused_by_name() -> None:
    with pytest.raises(InvalidValueError, match="no tariff of this bench: zhejiang-2024"):
        summer(Path("nowhere"), books=("zhejiang-2024",))


@real_data
def test_a_years_sessions_come_again_by_whole_weeks() -> None:
    case = year.year_case(DATA, 365)
    again = timedelta(weeks=year.WEEKS)
    first = {v.session: v for v in case.told}
    later = [v for v in case.told if v.session.endswith("-3")]
    assert later
    for vehicle in later:
        before = first[vehicle.session.removesuffix("-3")]
        assert vehicle.arrival_s - before.arrival_s == 3 * again.total_seconds()
        assert vehicle.departure_s - vehicle.arrival_s == pytest.approx(
            before.departure_s - before.arrival_s
        )
        said, said_before = vehicle.words[0][1], before.words[0][1]
        assert said.session == vehicle.session
        assert said.departure - said_before.departure == 3 * again
    assert max(v.arrival_s for v in case.told) < case.end.timestamp()
    assert len({v.session for v in case.told}) == len(case.told)


def test_what_is_unmet_is_told_by_what_became_of_the_words() -> None:
    at = datetime(2019, 5, 1, 8, tzinfo=ZONE)

    def stay(name: str, asked: float, wants: float, got: float, left_h: float) -> Any:
        word = Request(name, "p", at, at + timedelta(hours=2), asked)
        begin = at.timestamp()
        end = begin + left_h * 3600.0
        trace = SessionTrace(name, "p", begin, end, wants, 7.0, [Piece(begin, end, 7.0, got)])
        return Vehicle(name, "p", begin, end, Battery(50.0, 7.0), 0.0, ((begin, word),)), trace

    pairs = [
        stay("early", 10.0, 10.0, 4.0, 1.0),
        stay("modest", 5.0, 9.0, 5.0, 2.0),
        stay("both", 5.0, 9.0, 2.0, 1.0),
        stay("waited", 10.0, 10.0, 8.5, 2.0),
        stay("served", 10.0, 6.0, 6.0, 2.0),
    ]
    told, traces = zip(*pairs, strict=True)
    trace = Trace(tuple(traces), (), {}, [])
    case = SimpleNamespace(told=told)
    assert unmet_by(case, trace) == {  # type: ignore[arg-type]
        "beyond_request": 8.0,
        "left_early": 9.0,
        "within_words": 1.5,
    }


@real_data
def test_days_of_the_year_are_steered_and_timed() -> None:
    found = year.run(DATA, 2)
    assert found["days"] == 2
    assert found["solves"] >= 2 * 96
    assert found["wall_s"] > 0.0
    assert found["delivered_kwh"] > 0.0
    assert found["exceeded_s"] == 0
    assert set(year.COLUMNS) <= set(found)


@real_data
def test_ours_is_below_the_rule_and_foresight_is_a_bound() -> None:
    found = summer(DATA, days=3, books=("sce-tou-ev-4-2019",), step_s=900.0)
    rows = {row["controller"]: row for row in found["rows"]}
    total = {name: row["total"] for name, row in rows.items()}
    assert total["ours"] < 0.9 * total["rule-based"]
    assert total["ours, told the truth"] < total["ours"]
    assert all(total[BOUND] < total[name] for name in total if name != BOUND)
    # It is no bound for lack of energy: every car of these days got all of it.
    assert rows[BOUND]["unmet_kwh"] == 0.0
    assert rows["ours"]["exceeded_s"] == 0
    assert sum(rows["ours"]["unmet_by"].values()) == pytest.approx(
        rows["ours"]["unmet_kwh"], abs=0.2
    )
    assert rows["ours"]["alerts"].get("limit_exceeded", 0) == 0
