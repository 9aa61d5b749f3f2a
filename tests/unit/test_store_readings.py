"""Registers kept by the daemon's own store: on the quarter hours, by session, enough for a bill."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.cli import main
from adapters.store.readings import (
    NODES_KEPT,
    PILES_KEPT,
    Reading,
    Sampler,
    forget_readings,
    site_metered,
    write_readings,
)
from adapters.store.schema import open_store
from adapters.store.writer import Batch, Writer
from models import events as e
from models.errors import StoreError
from models.horizon import epoch_s
from scheduler.state import NodeState, PileState, SiteState
from tests.world import pile, site

NOW = datetime(2026, 7, 1, 8, 0, 5, tzinfo=UTC)
YARD = site((pile("A-01"), pile("A-02")))
REPO = Path(__file__).resolve().parents[2]


def state(**pile_session: str) -> SiteState:
    sessions = {name.replace("_", "-"): session for name, session in pile_session.items()}
    return SiteState(
        now=NOW,
        mono_s=0.0,
        epoch=1,
        seq=1,
        started_mono_s=0.0,
        hold_until_mono_s=0.0,
        piles={"A-01": PileState(), "A-02": PileState()},
        nodes={"transformer": NodeState(0.0, 0.0)},
        pile_session=sessions,
    )


def at(seconds: float) -> dict[str, Any]:
    now = NOW + timedelta(seconds=seconds)
    return {"now": now, "mono_s": seconds, "stamp": (1, int(seconds * 10)), "issued_at": now}


def meter(seconds: float, import_kwh: float | None, node: str = "transformer") -> e.NodeMeasured:
    return e.NodeMeasured(node=node, power_kw=1.0, import_kwh=import_kwh, **at(seconds))


def reactive(seconds: float, kvar: float | None) -> e.NodeMeasured:
    return e.NodeMeasured(
        node="transformer", power_kw=1.0, import_kwh=seconds, reactive_kvar=kvar, **at(seconds)
    )


def measured(seconds: float, energy_kwh: float, name: str = "A-01") -> e.PileMeasured:
    return e.PileMeasured(
        pile=name, power_kw=7.0, energy_kwh=energy_kwh, vehicle=True, **at(seconds)
    )


def test_the_register_on_the_quarter_hour_lies_between_the_readings_around_it() -> None:
    sampler = Sampler()
    told = [meter(s, 100.0 + s / 100.0) for s in range(0, 1800, 10)]
    found = sampler.take(told, state())
    edge = epoch_s(NOW.replace(second=0) + timedelta(minutes=15))
    assert [r.at_s for r in found] == [epoch_s(NOW), edge]
    assert found[1].import_kwh == pytest.approx(100.0 + (edge - NOW.timestamp()) / 100.0)


def test_after_a_silence_only_what_was_read_is_kept() -> None:
    sampler = Sampler()
    sampler.take([meter(0, 100.0), meter(600, 101.0)], state())
    found = sampler.take([meter(3600, 150.0)], state())
    assert [(r.at_s - epoch_s(NOW), r.import_kwh) for r in found] == [(600, 101.0), (3600, 150.0)]


def test_a_session_has_its_first_and_its_last_register() -> None:
    sampler = Sampler()
    kept = sampler.take([measured(0, 50.0)], state())
    kept += sampler.take([measured(10, 50.0)], state(A_01="s1"))
    kept += sampler.take([measured(120, 50.4)], state(A_01="s1"))
    kept += sampler.take([measured(130, 50.5)], state(A_01="s2"))
    kept += sampler.take([measured(140, 50.6)], state())
    assert [(r.session, r.import_kwh) for r in kept] == [
        ("s1", 50.0),
        ("s1", 50.5),
        ("s2", 50.5),
        ("s2", 50.6),
    ]


def test_reactive_power_becomes_kvarh_between_the_readings_whatever_its_direction() -> None:
    """30 kvar inductive for an hour, then 30 capacitive: 7.5 kvarh each quarter hour."""
    sampler = Sampler()
    told = [reactive(s, 30.0 if s < 3600 else -30.0) for s in range(0, 7200, 7)]
    found = sampler.take(told, state())
    assert math.isnan(found[0].reactive_kvarh)
    between = [r.reactive_kvarh for r in found[2:]]
    assert between == pytest.approx([7.5] * len(between), abs=0.001)
    assert len(between) == 7


def test_kvarh_of_a_silence_are_not_known_and_none_are_lost_around_it() -> None:
    sampler = Sampler()
    told = [reactive(s, 60.0) for s in range(0, 301, 10)]
    told += [reactive(s, 60.0) for s in range(3600, 4601, 10)]
    found = sampler.take(told, state())
    assert [r.at_s - epoch_s(NOW) for r in found] == [0, 300, 3600, 4495]
    known = [r.reactive_kvarh for r in found]
    assert known[1] == pytest.approx(5.0)
    assert math.isnan(known[2])
    assert known[3] == pytest.approx(895 / 60)


def test_the_bill_adjusts_by_the_power_factor_of_the_store(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """80 kWh and 60 kvarh an hour are 0.80; for the half day without reactive energy it is said."""
    text = (REPO / "examples" / "depot-1.toml").read_text(encoding="utf-8")
    store, path = tmp_path / "own.db", tmp_path / "site.toml"
    rule = "power_factor = { power_factors = [0.70, 0.80, 0.90], shares = [0.1, 0.05, 0.0]"
    path.write_text(
        f'{text}\n[store]\npath = "{store}"\n[tariff]\n{rule}, below_share = 0.02 }}\n', "utf-8"
    )
    begin = epoch_s(datetime(2026, 7, 1, tzinfo=ZoneInfo("Asia/Shanghai")))
    base = open_store(store)
    lines = [
        Reading("transformer", "", begin + 900 * k, 20.0 * k, 0.0, math.nan if k < 49 else 15.0)
        for k in range(97)
    ]
    write_readings(base, lines)
    base.close()
    bill = json.loads(document(capsys, "bill", str(path), "--month", "2026-07", "--json"))
    lines = bill["bills"]["site"]["lines"]
    (adjusted,) = [line for line in lines if "力调" in line["rule"]]
    assert adjusted["rule"] == "力调电费 at 0.80, reactive energy known for 50 % of the kWh"
    others = sum(Decimal(line["amount"]) for line in lines if line is not adjusted)
    assert Decimal(adjusted["amount"]) == others * Decimal("0.05")


def test_a_store_of_the_version_before_learns_to_keep_kvarh(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    base.execute("ALTER TABLE readings DROP COLUMN reactive_kvarh")
    base.execute("INSERT INTO readings VALUES ('transformer', '', 0, 1.0, 0.0)")
    base.execute("INSERT INTO readings VALUES ('transformer', '', 900, 2.0, 0.0)")
    for table in ("steps", "told", "flows"):
        base.execute(f"DROP TABLE {table}")
    base.execute("PRAGMA user_version = 2")
    base.close()
    with pytest.raises(StoreError, match="older daemon"):
        site_metered(tmp_path / "a.db", YARD, 0, 900)
    open_store(tmp_path / "a.db").close()
    found = site_metered(tmp_path / "a.db", YARD, 0, 900)
    assert (found.import_kwh.tolist(), found.reactive_kvarh) == ([1.0], None)


def test_late_words_and_meters_of_others_are_passed_over() -> None:
    sampler = Sampler()
    told = [meter(1000, 5.0), meter(10, 4.0), meter(20, 9.0, "elsewhere"), meter(30, None)]
    found = sampler.take([*told, measured(40, 1.0, "Z-99")], state(Z_99="s9"))
    assert [r.import_kwh for r in found] == [5.0]


def test_readings_are_let_go_after_their_retention(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    old = [
        Reading("transformer", "", epoch_s(NOW - NODES_KEPT) - 1, 1.0, 0.0),
        Reading("transformer", "", epoch_s(NOW - PILES_KEPT) - 1, 2.0, 0.0),
        Reading("A-01", "s1", epoch_s(NOW - PILES_KEPT) - 1, 3.0, 0.0),
        Reading("A-01", "s2", epoch_s(NOW), 4.0, 0.0),
    ]
    write_readings(base, old)
    forget_readings(base, NOW)
    left = base.execute("SELECT import_kwh FROM readings ORDER BY 1").fetchall()
    assert left == [(2.0,), (4.0,)]


def test_without_readings_the_fix_is_named(tmp_path: Path) -> None:
    open_store(tmp_path / "a.db").close()
    with pytest.raises(StoreError, match="--registers"):
        site_metered(tmp_path / "a.db", site((pile("A-01"),), base_load="meter"), 0, 3600)
    with pytest.raises(StoreError, match="not there"):
        site_metered(tmp_path / "none.db", YARD, 0, 3600)


def test_piles_together_are_the_meter_of_a_site_without_one(tmp_path: Path) -> None:
    base = open_store(tmp_path / "a.db")
    rows = [(s, 0.001 * s) for s in (0, 900, 1800)]
    write_readings(base, [Reading("A-01", "s1", s, kwh, float("nan")) for s, kwh in rows])
    write_readings(base, [Reading("A-02", "s2", 450 + s, kwh, float("nan")) for s, kwh in rows])
    found = site_metered(tmp_path / "a.db", YARD, 0, 3600)
    assert found.import_kwh.sum() == pytest.approx(3.6)
    assert found.starts_s.tolist() == [0, 450, 900, 1350, 1800]


def test_a_month_is_billed_from_the_daemons_own_store(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """31 days at 1 kW through the writer, as the daemon would keep them."""
    text = (REPO / "examples" / "depot-1.toml").read_text(encoding="utf-8")
    path = tmp_path / "site.toml"
    store = tmp_path / "own.db"
    path.write_text(f'{text}\n[store]\npath = "{store}"\n', encoding="utf-8")
    begin = epoch_s(datetime(2026, 7, 1, tzinfo=ZoneInfo("Asia/Shanghai")))
    kept = tuple(
        Reading("transformer", "", begin + 900 * k, k / 4, 0.0) for k in range(31 * 96 + 1)
    )
    writer = Writer(open_store(store), stored=lambda _: None, failed=lambda _: None)
    writer.start()
    writer.put(Batch(1, NOW, (), (), state(), kept))
    writer.stop()
    bill = json.loads(document(capsys, "bill", str(path), "--month", "2026-07", "--json"))
    assert bill["total"] == "518.35"


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 0
    return capsys.readouterr().out
