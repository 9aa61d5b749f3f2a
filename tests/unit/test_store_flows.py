"""What flowed is kept by quarter hour: means, the lowest limit, restarts, migration, retention."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.store.flows import FlowSampler, read_flows, write_flows
from adapters.store.readings import NODES_KEPT
from adapters.store.retention import forget
from adapters.store.schema import VERSION, open_store
from benchmarks.stage_microgrid import microgrid_site
from models.errors import StoreError
from models.events import LimitPushed
from models.horizon import epoch_s
from scheduler.state import AssetState, LimitRecord, NodeState, PileState, SiteState

SITE = microgrid_site()
NOON = datetime(2026, 9, 1, 4, 0, tzinfo=UTC)
ROOT = "transformer"
FEEDER = SITE.network.ids[1]


def seen(
    minute: float, *, net_kw: float = 40.0, sun_kw: float = 60.0, **fields: object
) -> SiteState:
    """A state in which all have just spoken: 12 kW charging, 6 kW given back, 20 kW stored."""
    mono_s = 1_000.0 + 60.0 * minute
    state = SiteState(
        now=NOON + timedelta(minutes=minute), mono_s=mono_s, epoch=1, seq=1,
        started_mono_s=0.0, hold_until_mono_s=0.0,
        piles={"P-0001": PileState(power_kw=-6.0), "P-0002": PileState(power_kw=12.0)},
        nodes={ROOT: NodeState(mono_s, net_kw)},
        assets={
            "roof": AssetState(heard_mono_s=mono_s, power_kw=-sun_kw),
            "bess": AssetState(heard_mono_s=mono_s, power_kw=20.0),
        },
    )  # fmt: skip
    return replace(state, **fields)  # type: ignore[arg-type]


def pushed(node: str, kw: float, at: datetime) -> dict[str, dict[str, LimitRecord]]:
    limit = LimitPushed(
        now=at, mono_s=0.0, issued_at=at, stamp=(1, 1), node=node, limit="cut",
        valid_from=at, valid_until=at + timedelta(minutes=5), import_kw=kw, export_kw=None,
        source="grid",
    )  # fmt: skip
    return {node: {"cut": LimitRecord(limit, at, 0.0)}}


def test_a_quarter_hour_tells_base_load_sun_storage_and_what_vehicles_gave(tmp_path: Path) -> None:
    sampler = FlowSampler()
    for minute in range(11):
        assert sampler.take(seen(minute, sun_kw=60.0 if minute < 10 else 30.0), SITE) == ()
    flows = sampler.take(seen(16.0, net_kw=90.0), SITE)
    with closing(open_store(tmp_path / "a.db")) as base:
        write_flows(base, flows)
        found = read_flows(base, epoch_s(NOON), epoch_s(NOON) + 900)
    kw = {key: float(f.kw[0]) for key, f in found.items()}
    # The sun gave 60 kW for ten minutes of the quarter and 30 for five.
    assert kw["asset", "roof"] == pytest.approx(-50.0)
    assert kw["asset", "bess"] == pytest.approx(20.0)
    assert kw["piles", ROOT] == pytest.approx(12.0)
    assert kw["v2g", ROOT] == pytest.approx(-6.0)
    assert kw["node", ROOT] == pytest.approx(40.0)
    assert kw["base", ROOT] == pytest.approx(40.0 - 12.0 + 6.0 - 20.0 + 50.0)
    assert kw["limit", ROOT] == 160.0
    assert ("limit", FEEDER) not in kw, "below the root only what was lower than the node's own"
    assert found["base", ROOT].seen_s.tolist() == [900.0]


def test_a_limit_of_seconds_is_kept_and_so_is_the_failsafe_of_a_silent_grid() -> None:
    sampler = FlowSampler()
    sampler.take(seen(0.0), SITE)
    sampler.take(seen(0.1, limits=pushed(FEEDER, 25.0, NOON)), SITE)
    sampler.take(seen(0.2), SITE)
    flows = {(f.kind, f.name): f.kw for f in sampler.take(seen(15.0), SITE)}
    assert flows["limit", FEEDER] == 25.0
    assert flows["limit", ROOT] == 160.0
    nodes = (replace(SITE.network.nodes[0], heartbeat="required"), *SITE.network.nodes[1:])
    watched = replace(SITE, network=type(SITE.network)(nodes))
    sampler.take(seen(16.0, stale=True), watched)
    flows = {(f.kind, f.name): f.kw for f in sampler.take(seen(30.0, stale=True), watched)}
    assert flows["limit", ROOT] == 30.0


def test_nothing_is_counted_over_a_silence_and_clocks_that_step_back() -> None:
    sampler = FlowSampler()
    sampler.take(seen(0.0), SITE)
    assert sampler.take(seen(20.0), SITE) == ()
    sampler.take(seen(5.0), SITE)
    sampler.take(seen(9.0), SITE)
    (base,) = [f for f in sampler.rest() if f.kind == "base"]
    assert base.seen_s == pytest.approx(240.0)
    silent = seen(40.0)
    old = {k: replace(a, heard_mono_s=0.0) for k, a in silent.assets.items()}
    late = replace(silent, mono_s=1e6, assets=old)
    sampler.take(late, SITE)
    flows = sampler.take(replace(late, now=NOON + timedelta(minutes=46)), SITE)
    assert {f.kind for f in flows} & {"asset", "node"} == set(), "their meters had fallen silent"


def test_the_two_parts_of_a_quarter_hour_that_a_restart_has_cut_are_one(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "a.db")) as base:
        for begin, end, net_kw in ((0.0, 5.0, 40.0), (5.0, 15.0, 100.0)):
            sampler = FlowSampler()
            sampler.take(seen(begin, net_kw=net_kw), SITE)
            write_flows(base, [*sampler.take(seen(end), SITE), *sampler.rest()])
        node = read_flows(base, epoch_s(NOON), epoch_s(NOON) + 900)["node", ROOT]
    assert node.kw.tolist() == pytest.approx([80.0])
    assert node.seen_s.tolist() == [900.0]


def test_slots_of_a_plot_take_the_mean_and_the_lowest_of_what_is_kept(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "a.db")) as base:
        begin = epoch_s(NOON)
        for k, kw in enumerate((10.0, 30.0, 50.0)):
            base.execute(
                "INSERT INTO flows VALUES ('limit', 'n', ?, ?, 900)", (begin + 900 * k, kw)
            )
        flowed = read_flows(base, begin, begin + 3600)["limit", "n"]
    edges = np.arange(begin - 1800, begin + 5400, 1800, dtype=np.int64)
    mean, lowest = flowed.mean_kw(edges), flowed.lowest_kw(edges)
    assert math.isnan(mean[0])
    assert mean[1:].tolist() == [20.0, 50.0]
    assert lowest.tolist() == [math.inf, 10.0, 50.0]


def test_a_store_of_the_version_before_learns_to_keep_flows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(open_store(path)) as base:
        base.execute("INSERT INTO readings VALUES ('transformer', '', 0, 1.0, 0.0, NULL)")
        base.execute("DROP TABLE flows")
        base.execute("PRAGMA user_version = 4")
        assert read_flows(base, 0, 900) == {}, "a reader that came first finds none"
    with closing(open_store(path)) as base:
        assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert base.execute("SELECT count(*) FROM readings").fetchone() == (1,), "all else stays"
        sampler = FlowSampler()
        sampler.take(seen(0.0), SITE)
        write_flows(base, sampler.take(seen(15.0), SITE))
        assert read_flows(base, epoch_s(NOON), epoch_s(NOON) + 900)


def test_an_older_daemon_refuses_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path / "a.db").close()
    monkeypatch.setattr("adapters.store.schema.VERSION", 4)
    with pytest.raises(StoreError, match="has version 5, this valleyfill knows up to 4"):
        open_store(tmp_path / "a.db")


def test_flows_are_let_go_with_the_readings_of_nodes(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "a.db")) as base:
        for age in (timedelta(0), NODES_KEPT, NODES_KEPT + timedelta(minutes=15)):
            base.execute(
                "INSERT INTO flows VALUES ('base', 'n', ?, 1, 900)", (epoch_s(NOON - age),)
            )
        forget(base, NOON, days=100)
        assert base.execute("SELECT count(*) FROM flows").fetchone() == (2,)
