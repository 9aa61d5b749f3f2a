"""The first month of a demand charge is foreseen from the site's own store, or named."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.books import load_book
from adapters.config import SiteFile, parse_site
from adapters.own_peak import own_peak, peak_wanted
from adapters.store.flows import Flow, write_flows
from adapters.store.schema import open_store
from models.horizon import epoch_s
from models.storage import Storage
from scheduler.demand import said_peak_kw
from scheduler.effects import Alert
from tariffs.demand import DemandTerm
from tests.unit.test_config_microgrid import FILE
from tests.unit.test_engine_microgrid import ZONE, bess
from tests.unit.test_month_peak import said
from tests.world import World, pile, site

NOW = datetime(2026, 6, 15, 9, 30, tzinfo=ZONE)


def stored(tmp_path: Path, days: int, *, storage: Storage | None, pv_kw: float = 0.0) -> SiteFile:
    """A site whose store knows so many days: 40 kW, and 100 kW for an hour each noon."""
    file = parse_site(FILE)
    storages = () if storage is None else (storage,)
    file = replace(
        file, site=replace(file.site, storages=storages), store_path=tmp_path / "site.sqlite"
    )
    midnight = epoch_s(NOW.replace(hour=0, minute=0))
    flows = []
    for k in range(96 * days):
        at = midnight - 86_400 * days + 900 * k
        kw = 100.0 if 48 <= k % 96 < 52 else 40.0
        flows.append(Flow("base", file.site.network.ids[0], at, kw + pv_kw, 900.0))
        flows.append(Flow("asset", file.site.pv[0].id, at, -pv_kw, 900.0))
    with closing(open_store(file.store_path)) as base:
        write_flows(base, flows)
        base.commit()
    return file


SMALL = bess(
    capacity_kwh=100.0, max_kw=50.0, charge_efficiency=1.0, discharge_efficiency=1.0,
    min_soc=0.0, max_soc=0.3,
)  # fmt: skip
"""30 kWh of use: it takes 30 kW off an hour."""


def test_the_peak_is_what_the_storage_could_have_kept_the_last_weeks_under(tmp_path: Path) -> None:
    found = own_peak(stored(tmp_path, 12, storage=SMALL, pv_kw=25.0), NOW)
    assert found is not None
    assert found.series == "peak-transformer"
    assert found.values[0] == pytest.approx(70.0, abs=0.2)
    june = DemandTerm("d", epoch_s(datetime(2026, 6, 1, tzinfo=ZONE)), 0, 0.0, ((0.0, 1.0),))
    assert said_peak_kw(found, june, epoch_s(NOW)) == found.values[0]
    july = epoch_s(datetime(2026, 7, 1, tzinfo=ZONE))
    assert np.isnan(said_peak_kw(found, replace(june, month_start_s=july), epoch_s(NOW)))


def test_nothing_is_foreseen_from_less_than_a_week_without_storage_or_store(tmp_path: Path) -> None:
    short, bare = tmp_path / "short", tmp_path / "bare"
    short.mkdir()
    bare.mkdir()
    assert own_peak(stored(short, 6, storage=SMALL), NOW) is None
    plain = stored(bare, 12, storage=None)
    assert own_peak(plain, NOW) is None
    assert own_peak(replace(plain, store_path=tmp_path / "none.sqlite"), NOW) is None


def world() -> World:
    plant = site((pile("A"),), base_load="meter", storages=(bess(),))
    return World(plant, tariff=load_book("sce-tou-ev-4-2019"))


def test_until_it_is_foreseen_an_alert_says_so_in_both_languages() -> None:
    w = world()
    w.say(w.meter(20.0))
    assert peak_wanted(w.state)
    raised = [e for e in w.wait(180) if isinstance(e, Alert) and e.kind == "peak_unforeseen"]
    assert [(a.where, a.cleared) for a in raised] == [("transformer", False)]
    assert "a week of history" in raised[0].text
    assert "历史不足一周" in raised[0].text_zh
    ours = replace(said((50.0,) * 24 * 40), now=w.now, mono_s=w.mono_s, stamp=(0, 7))
    ours = replace(ours, start=w.now - timedelta(days=3))
    over = [e for e in w.say(ours) if isinstance(e, Alert)]
    assert [(a.kind, a.cleared) for a in over] == [("peak_unforeseen", True)]


def test_what_a_forecaster_says_goes_before_what_we_say() -> None:
    w = world()
    theirs = replace(said((80.0,) * 900), now=w.now, mono_s=w.mono_s, start=w.now, stamp=(1, 1))
    w.say(theirs)
    w.say(replace(theirs, values=(50.0,) * 900, stamp=(0, 9_999_999)))
    assert w.state.forecasts["peak-transformer"].values[0] == 80.0
