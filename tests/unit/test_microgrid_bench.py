"""The microgrid's benches: three recorded days under a demand charge, and a year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import year
from benchmarks.microgrid import BOUND, summer
from models.errors import InvalidValueError
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
    assert rows["ours"]["alerts"].get("limit_exceeded", 0) == 0
