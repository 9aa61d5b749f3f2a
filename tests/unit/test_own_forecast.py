"""A forecast from the site's own store: what it says, and that the daemon's contract takes it."""

from __future__ import annotations

import json
import queue
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.broker import wheel_broker
from adapters.cli import main
from adapters.config import parse_site
from adapters.data.irradiance import read_irradiance
from adapters.forecast.base_load import LikeDays
from adapters.forecast.from_store import series_told
from adapters.forecast.pv import Place
from adapters.forecast.series import Measured, Method
from adapters.store.flows import Flow, write_flows
from adapters.store.schema import open_store
from adapters.wire.decode import decode
from models.errors import DataError
from models.events import ForecastPushed
from models.horizon import epoch_s
from tariffs.calendar import PublicHolidays
from tests.unit.test_config_microgrid import FILE
from tests.unit.test_engine_microgrid import ZONE, bess
from tests.unit.test_own_peak import NOW, stored

ROOT = "transformer"


def test_load_and_sun_are_foreseen_from_the_store(tmp_path: Path) -> None:
    file = stored(tmp_path, 14, storage=bess(), pv_kw=25.0)
    # The store ends with the day before: what it knows until then counts.
    now = NOW.replace(hour=0, minute=7)
    told = series_told(file, now, load=LikeDays())
    load, sun = told[f"base-{ROOT}"], told[f"pv-{file.site.pv[0].id}"]
    assert load["start"] == now.replace(minute=0)
    assert load["slot_minutes"] == 15
    assert len(load["values_kw"]) == 4 * 30
    assert load["values_kw"][47:53] == pytest.approx([65.0, *4 * (125.0,), 65.0], abs=0.5)
    assert sun["values_kw"] == pytest.approx(120 * [25.0])
    assert np.all(np.array(load["low"]) <= np.array(load["values_kw"]) + 1e-9)
    assert np.all(np.array(load["high"]) >= np.array(load["values_kw"]) - 1e-9)


def test_where_the_plant_stands_makes_nights_dark(tmp_path: Path) -> None:
    file = stored(tmp_path, 14, storage=bess(), pv_kw=25.0)
    told = series_told(
        file, NOW.replace(hour=0, minute=0), load=LikeDays(), place=Place(30.3, 120.2)
    )
    sun = told[f"pv-{file.site.pv[0].id}"]["values_kw"]
    assert max(sun[:12]) == 0.0
    assert sun[48] == pytest.approx(25.0, rel=0.2)


def test_less_than_a_week_foresees_nothing_and_says_so(tmp_path: Path) -> None:
    file = stored(tmp_path, 6, storage=bess(), pv_kw=25.0)
    with pytest.raises(DataError, match="less than 7 days"):
        series_told(file, NOW.replace(hour=0, minute=0), load=LikeDays())


def test_irradiance_is_read_on_our_slots_and_refused_with_its_line(tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    rows = "start,w_m2\n2026-06-15T11:00:00+08:00,500\n2026-06-15T12:00:00+08:00,800\n"
    good.write_text(rows)
    read = read_irradiance(good, zone=ZONE, step_s=900)
    assert read.values_kw.tolist() == [*4 * (500.0,), *4 * (800.0,)]
    assert read.start_s == epoch_s(datetime(2026, 6, 15, 3, tzinfo=UTC))
    for wrong, said in (
        (rows + "2026-06-15T13:00:00,10\n", "line 4"),
        (rows + "2026-06-15T13:00:00+08:00,-1\n", "line 4"),
        (rows + "2026-06-15T14:00:00+08:00,10\n", "one length"),
        ("start,w_m2\n2026-06-15T11:00:00+08:00,500\n", "one length"),
        ("at,w_m2\n2026-06-15T11:00:00+08:00,500\n", "line 2"),
    ):
        bad = tmp_path / "bad.csv"
        bad.write_text(wrong)
        with pytest.raises(DataError, match=said):
            read_irradiance(bad, zone=ZONE, step_s=900)


def test_the_command_tells_the_daemon_by_the_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda one, *_: one.subscribe("valleyfill/v1/+/forecast/+", qos=1)
    client.on_message = lambda _, __, message: heard.put((message.topic, message.payload))
    with wheel_broker() as port:
        text = FILE + mqtt(port) + f'[store]\npath = "{tmp_path / "site.sqlite"}"\n'
        site = tmp_path / "site.toml"
        site.write_text(text, encoding="utf-8")
        file = parse_site(text)
        recent(file.store_path, ROOT, file.site.pv[0].id)
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert main(["forecast", str(site), "--json"]) == 0
        now = datetime.now(UTC)
        told = {}
        for _ in range(2):
            topic, payload = heard.get(timeout=20)
            fact = decode(file.site.name, topic, payload, now=now, mono_s=1.0)
            assert isinstance(fact, ForecastPushed)
            told[fact.series] = fact
        client.disconnect()
        client.loop_stop()
    assert set(told) == {f"base-{ROOT}", f"pv-{file.site.pv[0].id}"}
    load = told[f"base-{ROOT}"]
    assert load.start <= now < load.start + timedelta(minutes=30)
    assert load.values == pytest.approx(120 * [60.0])
    assert len(load.low) == len(load.high) == 120
    document = json.loads(capsys.readouterr().out)
    assert document["series"][f"base-{ROOT}"]["values_kw"] == pytest.approx(120 * [60.0])


def test_the_load_keeps_the_holidays_of_the_sites_tariff_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Method] = []

    def told(*_: Any, load: Method, **__: Any) -> dict[str, Any]:
        chosen.append(load)
        return {}

    monkeypatch.setattr("adapters.forecast.from_store.series_told", told)
    site = tmp_path / "site.toml"
    site.write_text(FILE, encoding="utf-8")
    for more in ([], ["--method", "regression"], ["--country", "none"]):
        assert main(["forecast", str(site), "--dry", "--json", *more]) == 0
    # Five weeks of work days until the evening before National Day 2026, a Thursday.
    days = [date(2026, 8, 27) + timedelta(days=d) for d in range(35)]
    kept = PublicHolidays("CN")
    by_day = [100.0 if kept.day(d).is_workday else 20.0 for d in days]
    past = Measured(
        epoch_s(datetime.combine(days[0], time(), ZONE)), 900, np.repeat(by_day, 96), ZONE
    )
    noons = [method.expect(past, 96)[48] for method in chosen]
    assert noons[:2] == pytest.approx([20.0, 20.0], abs=10.0)
    assert noons[2] > 70.0


def mqtt(port: int) -> str:
    """The broker's table."""
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\ntls = false\n'


def recent(store: Path, root: str, plant: str) -> None:
    """Nine days until now of 60 kW and 10 kW of sun."""
    end = epoch_s(datetime.now(UTC)) // 900 * 900
    flows = []
    for at in range(end - 9 * 86_400, end + 900, 900):
        flows.append(Flow("base", root, at, 60.0, 900.0))
        flows.append(Flow("asset", plant, at, -10.0, 900.0))
    with closing(open_store(store)) as base:
        write_flows(base, flows)
        base.commit()
