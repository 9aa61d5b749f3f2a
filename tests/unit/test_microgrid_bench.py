"""Three recorded days of the microgrid under a demand charge: the rule, ours, and the bound."""

from __future__ import annotations

import pytest

from benchmarks.microgrid import BOUND, summer
from tests.unit.test_bill_real_data import DATA, SESSIONS

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not SESSIONS.exists(), reason="the real sessions are not at hand"),
]


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
