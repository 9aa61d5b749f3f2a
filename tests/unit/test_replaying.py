"""A step is made again byte for byte from its record, or refused by name; what-if answers."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.cli import main
from adapters.config_writer import site_to_toml
from adapters.replaying import replay, what_if
from adapters.simulator.demo import TARIFF, bus_night
from adapters.store.records import pack, unpack
from adapters.store.schema import VERSION, open_store
from adapters.store.steps import STEPS_KEPT, Step, read_step, versions, write_steps
from adapters.tariff_settings import tariff_settings
from benchmarks.decisions import explain_some, replay_all, short_sessions, steps_of, with_feeders
from benchmarks.instances import random_problem
from models.errors import ConfigurationError, StoreError, TariffError
from scheduler.cascade import load_solver, run_cascade
from tests.problems import problem_of, session


def step_of(problem, rungs=("flow", "highs")) -> Step:
    answer = run_cascade(problem, [(r, load_solver(r)) for r in rungs], 2_000_000)
    return Step(
        at=datetime(2026, 7, 1, tzinfo=UTC),
        problem=problem,
        energy_kwh=answer.energy_kwh,
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        work=answer.work,
        rungs=rungs,
        work_limit=2_000_000,
        versions=versions(),
        currency="CNY",
    )


@pytest.fixture(scope="module")
def night_steps() -> tuple[object, list[Step]]:
    """A tight night of twelve buses behind two feeders."""
    from adapters.books import load_book

    night = bus_night(12)
    site = with_feeders(night.file.site, 2, 40.0)
    tariff = load_book(TARIFF, holidays="none")
    return night, steps_of(
        site, tariff, night.sessions, night.start, night.end, words="stated", most=40
    )


@pytest.mark.parametrize("seed", range(900_000, 900_020))
def test_any_problem_comes_back_from_its_bytes_to_the_last_bit(seed: int) -> None:
    problem = random_problem(seed)
    again = unpack(pack(problem))
    assert again.digest == problem.digest


def test_every_plan_of_a_night_is_made_again_byte_for_byte(night_steps) -> None:
    _, steps = night_steps
    found = replay_all(steps)
    assert found["steps"] > 10
    assert found["identical"] == found["steps"]


def test_what_keeps_buses_short_is_what_is_named_and_nothing_else(night_steps) -> None:
    _, steps = night_steps
    found = explain_some(steps, 20, seed=7)
    print(found)
    assert found["tried"] == 20
    assert found["hold"] == 20
    assert found["named_a_node"] > 0


def test_another_version_is_refused_by_name() -> None:
    step = step_of(problem_of([session(0, 2, 10, 10)], price=[1.0, 0.5], cap_kw=20.0))
    other = replace(step, versions={**step.versions, "numpy": "0.9"})
    with pytest.raises(StoreError, match=r"numpy 0\.9 made it"):
        replay(other)


def test_a_lower_limit_a_later_departure_and_another_tariff_change_the_plan() -> None:
    problem = problem_of(
        [session(0, 2, 10, 20), session(0, 2, 10, 10)], price=[1.0] * 4, cap_kw=12.0
    )
    step = step_of(problem)
    lower = what_if(problem, "limit=6")
    assert float(lower.cap_kw.max()) == 6.0
    begin = datetime.fromtimestamp(problem.horizon.start_s, UTC)
    later = what_if(problem, f"departure=s0:{(begin.hour + 4) % 24:02d}:{begin.minute:02d}")
    again = step_of(later)
    assert again.energy_kwh.sum() > step.energy_kwh.sum() + 1
    dear = what_if(problem, "tariff=zhejiang-2026")
    assert not np.array_equal(dear.buy_per_kwh, problem.buy_per_kwh)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("limit=nowhere:3", "nowhere"),
        ("departure=s9:10:00", "s9"),
        ("departure=s0:10:00+02:00", "has an offset"),
        ("x=1", "no change"),
    ],
)
def test_a_change_that_means_nothing_is_refused_by_name(change: str, word: str) -> None:
    problem = problem_of([session(0, 2, 10, 10)], price=[1.0, 0.5], cap_kw=20.0)
    with pytest.raises(ConfigurationError, match=word):
        what_if(problem, change)


def test_the_prices_of_another_are_the_sites_and_in_its_currency() -> None:
    problem = problem_of([session(0, 2, 10, 10)], price=[1.0, 0.5], cap_kw=20.0)
    with pytest.raises(TariffError, match="is in USD, the step counts in CNY"):
        what_if(problem, "tariff=pge-bev-2", currency="CNY")
    own = tariff_settings({"sell_per_kwh": 0.25}, currency="CNY")
    changed = what_if(problem, "tariff=zhejiang-2026", currency="CNY", settings=own)
    assert changed.sell_per_kwh == pytest.approx([0.25, 0.25])


def test_the_store_keeps_the_newest_steps_only() -> None:
    base = sqlite3.connect(":memory:")
    base.execute(
        "CREATE TABLE steps (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, digest TEXT, "
        "rung TEXT, bytes INTEGER, facts TEXT, body BLOB)"
    )
    step = step_of(problem_of([session(0, 1, 10, 5)], price=[1.0], cap_kw=20.0))
    write_steps(base, [step] * (STEPS_KEPT + 7))
    assert base.execute("SELECT count(*), min(id) FROM steps").fetchone() == (STEPS_KEPT, 8)
    with pytest.raises(StoreError, match="8 to 5007 are kept"):
        read_step(base, 3)


def test_explain_and_replay_as_commands(
    night_steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night, steps = night_steps
    short_step, i = next(short_sessions(steps))
    base = open_store(tmp_path / "site.db")
    write_steps(base, [replace(s, currency="CNY") for s in steps if s.number <= short_step.number])
    base.close()
    file = tmp_path / "site.toml"
    file.write_text(site_to_toml(replace(night.file, store_path=tmp_path / "site.db")))
    bus = short_step.problem.fleet.ids[i]

    assert main(["explain", bus, "--site", str(file), "--json"]) == 0
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert f"{bus} is gone; its last plan is step {told['step']} of " in out.err
    assert told["why"].startswith(f"{told['short_kwh']:.1f} kWh short: ")
    assert told["why_zh"].startswith("缺 ")
    assert {c["node"] for c in told["cut"]} <= {"transformer", "feeder-1", "feeder-2"}

    asked = ["replay", "0", "--site", str(file), "--what-if", "limit=10", "--json"]
    assert main(asked) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["identical"] is True
    assert made["what_if"][0]["difference"]["short_kwh"] > 0

    assert main(["replay", "999", "--site", str(file)]) == 75
    assert "there is no step 999" in capsys.readouterr().err


def test_a_store_without_plans_or_of_a_newer_version_is_told_as_such(
    night_steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night, _ = night_steps
    store, file = tmp_path / "site.db", tmp_path / "site.toml"
    file.write_text(site_to_toml(replace(night.file, store_path=store)))
    days = ["--from", "2026-09-01", "--to", "2026-09-02", "--out", str(tmp_path)]
    assert main(["report", str(file), *days]) == 75
    assert "there is no store (run the site first" in capsys.readouterr().err
    open_store(store).close()
    assert main(["replay", "0", "--site", str(file)]) == 75
    assert "no plan is kept yet" in capsys.readouterr().err
    with closing(sqlite3.connect(store)) as base:
        base.execute(f"PRAGMA user_version = {VERSION + 1}")
    for command in (
        *(["replay", "0", "--site"], ["explain", "x", "--site"], ["top", "--once"], ["page"]),
        *(["report", *days], ["bill", "--month", "2026-09"]),
    ):
        assert main([*command, str(file)]) == 75, command
        assert f"has version {VERSION + 1}, this valleyfill knows" in capsys.readouterr().err
