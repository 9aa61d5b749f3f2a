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
    assert "| flow, plain, CPU |  | 3.10 ms | 70 ms |" in made
    text = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    once = table.insert(text, made)
    assert table.insert(once, made) == once
    assert "old" not in once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    with pytest.raises(ValueError, match="bench-table"):
        table.insert("no marks", made)
