"""The HTTP API: what it says of the staged evening, what it refuses, and its own document."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings

from adapters.cli import main
from adapters.config import parse_site
from adapters.config_web import WebSettings
from adapters.config_writer import site_to_toml
from adapters.replaying import replay
from adapters.store.steps import list_steps, read_steps, reading_store
from adapters.web.api import build_app
from adapters.web.serve import check_reach
from adapters.web.snapshot import Event
from adapters.web.today import TodayMaker
from adapters.web.told import event_rows
from benchmarks.stage_microgrid import microgrid_site
from models.errors import ConfigurationError
from models.events import SessionRequested
from models.network import Network
from scheduler.state import AssetState, PileState, SiteState
from tests.web.browser import Served, serving, until


def client(page: Served, **other: object) -> TestClient:
    return TestClient(build_app(page.feed, **other))  # type: ignore[arg-type]


def await_newest_plan(page: Served) -> None:
    """Sentences follow a new plan some seconds later."""
    newest = list_steps(reading_store(page.stage.path), 1)[0].number

    def seen() -> bool:
        picture = page.feed.picture
        whys = None if picture is None else picture.whys
        return whys is not None and whys.step.number == newest

    until(seen, "the page knows the newest plan")


def test_the_api_and_the_state_say_the_same(depot: Served) -> None:
    api, state = client(depot), depot.stage.host.state
    site = api.get("/api/v1/site").json()
    drawn = sum(p.power_kw for p in state.piles.values())
    assert site["charging_kw"] == pytest.approx(drawn)
    assert site["power_kw"] == pytest.approx(drawn + 70.0, abs=0.5)
    assert site["period"] == "peak"
    assert site["next_period"] == "flat"
    piles = api.get("/api/v1/piles", params={"limit": 500}).json()
    assert piles["total"] == 54
    by_pile = {r["pile"]: r for r in piles["rows"]}
    assert by_pile["P-0006"]["look"] == "fault"
    assert by_pile["P-0012"]["look"] == "free"
    for session, record in state.sessions.items():
        row = by_pile[record.request.pile]
        assert row["session"] == session
        assert row["short_kwh"] == pytest.approx(max(record.short_kwh, 0.0), abs=0.1)
    waiting = [r for r in piles["rows"] if r["look"] == "waiting"]
    assert all(r["why"].startswith("waits ") and r["why_zh"] for r in waiting)
    ok = [r for r in piles["rows"] if r["outlook"] == "ok"]
    assert ok
    assert all(r["ready_at"] < r["departure"] for r in ok)


def test_status_page_and_explain_say_the_same(
    own_depot: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage, api = own_depot.stage, client(own_depot)
    site = tmp_path / "site.toml"
    site.write_text(site_to_toml(stage.file), encoding="utf-8")
    stage.play([stage.limit(75.0)])
    await_newest_plan(own_depot)
    asked = {"limit": 500, "show": "short"}
    rows = api.get("/api/v1/piles", params=asked).json()["rows"]
    cut = [r for r in rows if "; shared with " in r["why"]]
    assert cut
    ready = api.get("/api/v1/piles", params={"limit": 500, "show": "full"}).json()["rows"]
    assert ready
    assert all("kWh it asked for; leaves at " in r["why"] for r in ready)
    for row in (*cut[:5], *rows[:3], *ready[:2]):
        status = json.loads(stage.said[f"valleyfill/v1/depot-1/session/{row['session']}/status"])
        assert main(["explain", row["session"], "--site", str(site), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["why"] == row["why"] == status["why"]
        assert told["why_zh"] == row["why_zh"] == status["why_zh"]


def test_a_vehicle_whose_pile_is_not_heard_is_not_called_ready(
    own_depot: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the plan gave it is worth nothing until the pile speaks again: nobody may rely on it."""
    stage, api = own_depot.stage, client(own_depot)
    before = api.get("/api/v1/site").json()
    assert before["unheard_sessions"] == 0
    stage.step(3_000.0)
    heard = ["P-0001", "P-0012"]
    stage.play([*(stage.telemetry(p, vehicle=True) for p in heard), stage.meter(70.0)])

    def rows() -> dict[str, Any]:
        found = api.get("/api/v1/piles", params={"limit": 500}).json()["rows"]
        return {r["pile"]: r for r in found}

    until(lambda: rows()["P-0002"]["look"] == "silent", "the silence is seen")
    await_newest_plan(own_depot)
    by_pile = rows()
    silent = by_pile["P-0002"]
    assert silent["outlook"] == "unheard"
    assert silent["why"].startswith("not heard since 09-01 20:05: counted with 0.0 kW; planned: ")
    assert silent["why_zh"].startswith("自 09-01 20:05 起失联，按 0.0 kW 计入；原计划：")
    assert by_pile["P-0001"]["outlook"] == "ok"
    assert by_pile["P-0001"]["why"].startswith("waits for the valley at ")
    assert by_pile["P-0012"]["look"] == "vehicle"
    unheard = sum(r["outlook"] == "unheard" for r in by_pile.values())
    assert unheard > 30
    assert api.get("/api/v1/site").json()["unheard_sessions"] == unheard
    page = api.get("/dispatcher?lang=en").text
    assert f"; {unheard} on piles that are not heard" in page
    site = tmp_path / "site.toml"
    site.write_text(site_to_toml(stage.file), encoding="utf-8")
    assert main(["explain", silent["session"], "--site", str(site), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["why"], told["why_zh"]) == (silent["why"], silent["why_zh"])


def test_ready_in_time_counts_who_is_announced_on_both_sides(own_depot: Served) -> None:
    """Short ones that are still to come were taken from the vehicles that are there."""
    stage, api = own_depot.stage, client(own_depot)
    free = api.get("/api/v1/piles", params={"show": "free"}).json()["rows"][0]["pile"]
    coming = stage.request(free, 999)
    assert isinstance(coming, SessionRequested)
    now = stage.clock.now()
    late = replace(
        coming.request,
        arrival=now + timedelta(hours=1),
        departure=now + timedelta(hours=2),
        energy_kwh=40.0,
    )
    stage.play([replace(coming, request=late)])
    until(lambda: api.get("/api/v1/site").json()["announced"] == 1, "it is announced")
    site = api.get("/api/v1/site").json()
    rows = api.get("/api/v1/piles", params={"limit": 500}).json()["rows"]
    known = [r for r in rows if r["session"]]
    assert next(r for r in known if r["pile"] == free)["short_kwh"] > 30
    good = len(known) - sum(r["short_kwh"] > 0 for r in known)
    page = api.get("/dispatcher?lang=en").text
    assert f'{good} <span class="unit">/ {len(known)}</span>' in page
    assert site["vehicles"] + site["announced"] == len(known)


def test_every_pile_says_why_in_both_languages(depot: Served) -> None:
    rows = client(depot).get("/api/v1/piles", params={"limit": 500}).json()["rows"]
    assert all(r["why"] and r["why_zh"] for r in rows)
    said = {r["look"]: r["why"] for r in rows}
    assert said["fault"].startswith("reports GroundFault: gets no power")
    assert said["free"] == "no vehicle; 7.0 kW to give"


def test_a_limit_is_told_with_its_source_and_its_answer(own_depot: Served) -> None:
    stage = own_depot.stage
    stage.play([stage.limit(90.0)])
    until(
        lambda: client(own_depot).get("/api/v1/limits").json()[0]["applied_at"] is not None,
        "the limit is seen, and that it holds",
    )
    site = client(own_depot).get("/api/v1/site").json()
    assert (site["limit_kw"], site["limit_source"]) == (90.0, "grid")
    (limit,) = client(own_depot).get("/api/v1/limits").json()
    assert (limit["node"], limit["limit"], limit["import_kw"]) == ("transformer", "dr-1", 90.0)
    until(
        lambda: any(
            e["kind"] == "answer/limit" for e in client(own_depot).get("/api/v1/events").json()
        ),
        "its answer is listed",
    )
    series = client(own_depot).get("/api/v1/series").json()
    assert min(v for v in series["limit_kw"] if v is not None) == 90.0


def test_an_alert_raised_again_stands_once() -> None:
    since = [datetime(2026, 9, 1, 12, 0, tzinfo=UTC), datetime(2026, 9, 1, 12, 30, tzinfo=UTC)]
    body = {"text": "silent", "text_zh": "失联", "cleared": False}
    told = [
        Event(3 - k, at, "alert/pile_silent", "P-1", {**body, "since": at.isoformat()})
        for k, at in enumerate(reversed(since))
    ]
    seen = SiteState(
        now=since[1], mono_s=0.0, epoch=1, seq=0, started_mono_s=0.0, hold_until_mono_s=0.0,
        piles={}, alerts={"pile_silent/P-1": since[1]},
    )  # fmt: skip
    assert [(e.at, e.open) for e in event_rows(seen, told)] == [
        (since[1], True),
        (since[0], False),
    ]


def test_the_series_ends_its_measured_part_where_the_plan_begins(depot: Served) -> None:
    series = client(depot).get("/api/v1/series").json()
    edges, now = series["edges_s"], series["now_s"]
    assert edges == sorted(set(edges))
    assert edges[0] < now < edges[-1]
    n = len(edges) - 1
    assert all(len(v) == n for v in series["parts"].values())
    assert len(series["limit_kw"]) == len(series["base_kw"]) == len(series["period"]) == n
    planned = sum(
        v[k] * (edges[k + 1] - edges[k]) / 3600
        for v in series["parts"].values()
        for k in range(n)
        if edges[k] >= now
    )
    plan = depot.stage.host.state.plan
    assert plan is not None
    whole = sum(p.energy_between(now, edges[-1]) for p in plan.sessions.values())
    assert planned == pytest.approx(whole, rel=0.02)


def test_a_microgrid_shows_its_sun_its_storage_and_what_vehicles_give(microgrid: Served) -> None:
    api, stage = client(microgrid), microgrid.stage
    series = api.get("/api/v1/series").json()
    ahead = [k for k, s in enumerate(series["edges_s"][:-1]) if s >= series["now_s"]]
    parts = series["parts"]
    assert list(parts)[-3:] == ["v2g", "storage", "pv"]
    for name in ("v2g", "storage", "pv"):
        assert min(parts[name][k] for k in ahead) < -1.0
    assert max(parts["v2g"]) <= 0.0
    assert all(parts[n][k] >= 0 for n in parts if n.startswith("feeder") for k in ahead)
    for k in ahead[:20]:
        net = series["base_kw"][k] + sum(v[k] for v in parts.values())
        assert series["low_kw"][k] <= net <= series["high_kw"][k]
    assert series["high_kw"][ahead[3]] - series["low_kw"][ahead[3]] > 5.0
    page = api.get("/operator?lang=en").text
    for word in ("Green share", "Given back (V2G)", "Storage and PV", "Forecast band"):
        assert word in page
    base = reading_store(stage.path)
    steps = list(read_steps(base, newest=50))
    base.close()
    assert any(s.start for s in steps)
    assert all(s.rung == "general" and replay(s).identical for s in steps)


def test_a_page_that_begins_later_shows_the_hours_before(microgrid: Served) -> None:
    """Sun, storage and base load of the past come from the store, not from this page's memory."""
    with serving(microgrid.stage.file) as (feed, _):
        api = TestClient(build_app(feed))
        series, history = api.get("/api/v1/series").json(), api.get("/api/v1/history").json()
        today = api.get("/api/v1/today").json()
    past = [k for k, s in enumerate(series["edges_s"][:-1]) if s < series["now_s"] - 900]
    sun = [series["parts"]["pv"][k] for k in past]
    assert len(past) >= 7
    assert min(sun) < -90.0
    assert [series["base_kw"][k] for k in past] == pytest.approx([60.0] * len(past), abs=3.0)
    assert [series["limit_kw"][k] for k in past] == [160.0] * len(past)
    told = {k: [v for v in values if v is not None] for k, values in history["parts"].items()}
    assert told["asset/roof"][-len(past) :] == pytest.approx(sun)
    assert {"base", "piles", "v2g", "asset/bess", "limit/transformer"} <= set(told)
    assert today["pv_kwh"] == pytest.approx(-sum(told["asset/roof"]) / 4, rel=0.05)
    assert 0.3 < today["green_share"] < 0.5
    assert today["since"].startswith("2026-09-01T11:00")
    drawn = microgrid.stage.registers.values()
    assert sum(told["piles"]) / 4 == pytest.approx(sum(d for d in drawn if d > 0), rel=0.1)


def test_green_share_and_the_running_demand_are_summed_from_what_states_tell() -> None:
    site = microgrid_site()
    maker = TodayMaker(site)
    begin = datetime(2026, 9, 1, 4, 0, tzinfo=UTC)
    for k, (pv_kw, net_kw) in enumerate([(60.0, 20.0), (60.0, 20.0), (30.0, -10.0), (0.0, 50.0)]):
        seen = SiteState(
            now=begin + timedelta(minutes=9 * k), mono_s=0.0, epoch=1, seq=0, started_mono_s=0.0,
            hold_until_mono_s=0.0, piles={"P-0001": PileState(power_kw=-6.0)},
            assets={"roof": AssetState(power_kw=-pv_kw)},
        )  # fmt: skip
        maker.hear(seen, net_kw)
    today = maker.today()
    assert today.pv_kwh == pytest.approx((60 + 60 + 30) * 0.15)
    assert today.import_kwh == pytest.approx((20 + 20) * 0.15)
    assert today.export_kwh == pytest.approx(10 * 0.15)
    assert today.given_back_kwh == pytest.approx(3 * 6 * 0.15)
    assert today.green_share == pytest.approx((150 - 10) / (150 - 10 + 40))
    # The quarter hour began three minutes before the third state.
    assert today.interval_kw == pytest.approx((3 * 20 - 9 * 10) / 12)


def test_what_is_not_there_is_refused_with_its_name(depot: Served) -> None:
    api = client(depot)
    assert api.get("/api/v1/sessions/nobody").status_code == 404
    assert "nobody" in api.get("/api/v1/sessions/nobody").json()["detail"]
    assert api.get("/api/v1/piles", params={"limit": 0}).status_code == 422
    assert api.post("/api/v1/site").status_code == 405


def test_a_password_is_asked_of_every_call(depot: Served) -> None:
    api = client(depot, password=("eve", "s3cret"))
    for path in ("/api/v1/site", "/dispatcher", "/static/page.js"):
        assert api.get(path).status_code == 401
    good = b64encode(b"eve:s3cret").decode()
    bad = b64encode(b"eve:guess").decode()
    assert api.get("/api/v1/site", headers={"Authorization": f"Basic {good}"}).status_code == 200
    assert api.get("/api/v1/site", headers={"Authorization": f"Basic {bad}"}).status_code == 401


def test_no_page_is_open_to_others_without_password_and_tls(tmp_path: Path) -> None:
    assert check_reach(WebSettings()) is None
    with pytest.raises(ConfigurationError, match="open to others"):
        check_reach(WebSettings(host="0.0.0.0"))
    file = tmp_path / "password"
    file.write_text("eve:s3cret\n")
    with pytest.raises(ConfigurationError, match="open to others"):
        check_reach(WebSettings(host="0.0.0.0", password_file=file))
    pem = tmp_path / "x.pem"
    settings = WebSettings(host="0.0.0.0", password_file=file, certificate=pem, key=pem)
    assert check_reach(settings) == ("eve", "s3cret")


def test_nothing_is_loaded_from_elsewhere(depot: Served) -> None:
    api = client(depot)
    for path in (
        "/dispatcher",
        "/grid",
        "/operator",
        "/docs",
        "/static/page.js",
        "/static/page.css",
    ):
        text = api.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "//cdn" not in text
    policy = api.get("/dispatcher").headers["content-security-policy"]
    assert "default-src 'self'" in policy


def test_words_of_others_are_shown_and_not_obeyed(depot: Served) -> None:
    picture = depot.feed.picture
    assert picture is not None
    rows = client(depot).get("/rows", params={"search": "<script>"}).json()
    assert rows["total"] == 0
    from adapters.web.models import EventRow
    from adapters.web.parts import Frame, event_list

    evil = EventRow(1, picture.seen.now, "pile_fault", "P-1", "<img src=x onerror=y>", "<b>", True)
    shown = event_list(Frame(picture, picture.overview, depot.feed.savings, "en", 900), [evil])
    assert "<img" not in shown


def test_a_reader_never_holds_the_store_against_its_writer(depot: Served) -> None:
    base = sqlite3.connect(depot.stage.path, timeout=5.0)
    base.execute("BEGIN IMMEDIATE")
    base.execute("INSERT INTO facts VALUES ('probe', '1')")
    base.execute("ROLLBACK")
    base.close()


def test_web_settings_are_read_from_the_site_file() -> None:
    text = (Path(__file__).parents[2] / "examples" / "depot-1.toml").read_text(encoding="utf-8")
    assert parse_site(text).web is None
    found = parse_site(text + "\n[web]\nport = 9000\n").web
    assert found == WebSettings(port=9000)
    with pytest.raises(ConfigurationError, match="certificate and key"):
        parse_site(text + '\n[web]\ncertificate = "x.pem"\n')
    assert replace(WebSettings(), port=1).port == 1


def test_schemathesis_finds_no_fault(depot: Served) -> None:
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", build_app(depot.feed))
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def faultless(case: Any) -> None:
            case.call_and_validate()

        faultless()
        tried.append(operation.path)
    assert len(tried) == 13


def test_a_site_of_one_group_shows_what_is_planned(depot: Served) -> None:
    site = depot.stage.site
    root = site.network.root
    piles = tuple(replace(p, node=root.id) for p in site.piles)
    alike = replace(site, network=Network((root,)), piles=piles)
    with serving(replace(depot.stage.file, site=alike)) as (feed, _):
        found = TestClient(build_app(feed)).get("/api/v1/series").json()
    assert list(found["parts"]) == ["charging"]
    ahead = [
        kw
        for kw, at in zip(found["parts"]["charging"], found["edges_s"], strict=False)
        if at > found["now_s"]
    ]
    assert max(ahead) > 10.0
