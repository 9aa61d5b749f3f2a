"""What the benchmarks publish: instances as files, and the table in the README."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import publish, table
from benchmarks.instances import fleet_problem


def test_an_instance_read_back_is_the_same_problem() -> None:
    problem = fleet_problem(30, load="short", seed=3)
    told = json.loads(json.dumps(publish.document(problem)))
    assert publish.problem_of(told).digest == problem.digest


def test_the_table_stands_between_its_marks_and_replaces_the_last(tmp_path: Path) -> None:
    row = {"solver": "flow", "load": "congested", "shape": "five-level", "feature": "plain"}
    rows = [row | {"sessions": n, "solve_cpu_ms_p50": ms} for n, ms in ((1_000, 3.1), (20_000, 70))]
    (tmp_path / "latency.json").write_text(json.dumps({"rows": rows}))
    made = table.table(tmp_path)
    assert "| flow, plain, CPU |  | 3.10 ms |  | 70 ms |" in made
    text = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    once = table.insert(text, made)
    assert table.insert(once, made) == once
    assert "old" not in once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    with pytest.raises(ValueError, match="bench-table"):
        table.insert("no marks", made)


def test_an_event_stands_beside_the_solve_that_it_replaces(tmp_path: Path) -> None:
    event = {"solver": "flow", "load": "congested", "shape": "five-level", "sessions": 1_000}
    event |= {"feature": "mended: plug-in", "solve_cpu_ms_p50": 0.3}
    event |= {"solve_cpu_ms_p99": 1.5, "full_cpu_ms_p99": 2.5}
    (tmp_path / "latency.json").write_text(json.dumps({"rows": [event]}))
    warm = {"sessions": 5_000, "feature": "storage", "warm_cpu_ms_p50": 99.0, "cold_cpu_ms": 2e4}
    (tmp_path / "general.json").write_text(json.dumps({"rows": [warm]}))
    made = table.table(tmp_path)
    told = "p99 / of the full solve, flow, mended: plug-in, CPU"
    assert f"| {told} |  | 1.50 ms / 2.50 ms |  |  |" in made
    told = "storage; from the running plan after an event / cold, CPU"
    assert f"| {told} |  |  | 99 ms / 20,000 ms |  |" in made


def test_recorded_days_stand_in_a_table_of_their_own_and_a_quick_run_says_so(
    tmp_path: Path,
) -> None:
    common = {"site": "jpl", "limit_kw": 60.0, "delivered_kwh": 861.2, "cost_per_kwh": 0.7069}
    ours = common | {
        "policy": "ours",
        "changes_per_session_hour": 1.1,
        "starts_per_session_hour": 0.4,
    }
    best = common | {
        "policy": "foresight",
        "changes_per_session_hour": None,
        "starts_per_session_hour": None,
    }
    document = {"rows": [ours, best], "left_out": "four of five days"}
    (tmp_path / "closed-loop.json").write_text(json.dumps(document))
    made = table.table(tmp_path)
    assert "| jpl, 60 kW, ours | 0.7069 | 861 kWh | 1.10 | 0.40 |" in made
    assert "| jpl, 60 kW, foresight | 0.7069 | 861 kWh |  |  |" in made
    assert "Quick runs. Left out: closed-loop: four of five days." in made
