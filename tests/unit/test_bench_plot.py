"""The benchmarks' figures as a page, drawn by what draws the reports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from adapters.curve_plot import CurvePlot
from adapters.plot_scale import LogScale, decades
from adapters.plots import Line
from benchmarks.plot import money, page, peers


def test_powers_of_ten_are_equally_far_apart_and_hold_every_value() -> None:
    scale = LogScale(10.0, 1e5, 0.0, 400.0)
    assert [scale(v) for v in (10.0, 100.0, 1e5)] == pytest.approx([0.0, 100.0, 400.0])
    assert decades(0.6, 55_000.0) == pytest.approx([0.1, 1, 10, 100, 1e3, 1e4, 1e5])
    assert decades(10.0, 10.0) == [10.0, 100.0]


def test_a_named_line_bears_its_name_at_its_last_point_and_a_gap_stays_one() -> None:
    line = Line("a<b", "c1", [1.0, 10.0, None])
    plot = CurvePlot("t", "x", "y", [1.0, 10.0, 100.0], [line], log=True, named=True).svg()
    assert plot.count("<circle") == 2
    last = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', plot)[-1]
    name = re.search(r'x="([\d.]+)" y="([\d.]+)">a&lt;b</text>', plot)
    assert name is not None
    beside = [float(a) - float(b) for a, b in zip(name.groups(), last, strict=True)]
    assert beside == pytest.approx([7.0, 4.0], abs=0.11)


def test_what_was_measured_is_on_the_page_and_what_was_not_is_left_out(tmp_path: Path) -> None:
    assert peers(tmp_path) == []
    assert money(tmp_path) == []
    times = [("flow", 200, 0.5), ("flow", 1_000, 2.0), ("slow", 200, 40.0)]
    rows = [{"hand": h, "sessions": s, "cpu_ms": ms} for h, s, ms in times]
    (tmp_path / "peers.json").write_text(json.dumps({"rows": rows}))
    kwh = [("ours", 0.95, 0.67), ("first come", 0.76, 0.68)]
    rows = [
        {"site": "jpl", "limit_kw": 60.0, "policy": p, "of_feasible": s, "cost_per_kwh": c}
        for p, s, c in kwh
    ]
    (tmp_path / "closed-loop.json").write_text(json.dumps({"rows": rows}))
    text = page([*peers(tmp_path), *money(tmp_path)])
    for name in (">flow<", ">slow<", ">ours<", ">first come<", "jpl, 60 kW"):
        assert name in text
    assert text.count("<circle") == 5
    assert "http" not in text
