"""A report on vehicles that took all they could, and on what the grid asked."""

from __future__ import annotations

import math
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from adapters.books import load_book
from adapters.journal import Journal
from adapters.report.asked_of_grid import limit_in_force
from adapters.report.figures import figures_of
from adapters.report.gather import Stretch, gather
from adapters.report.page import report_page
from adapters.report.page_lists import ROWS_AT_MOST
from adapters.store.flows import Flowed
from adapters.store.steps import write_told
from models.events import DemandCalled, LimitPushed
from models.horizon import epoch_s
from scheduler.effects import Alert, SessionStatus
from tests.web.browser import Served

DAY = datetime(2026, 9, 1, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)


@pytest.fixture
def stretch(depot: Served) -> Stretch:
    return gather(depot.stage.file, DAY, DAY + timedelta(days=1))


def _pushed(name: str, kw: float | None, at: datetime, **more: object) -> LimitPushed:
    first = LimitPushed(
        now=at,
        mono_s=0.0,
        stamp=(1, 1),
        issued_at=at,
        node="P",
        limit=name,
        valid_from=at,
        valid_until=None,
        import_kw=kw,
        export_kw=None,
        source="grid",
    )
    return replace(first, **more)  # type: ignore[arg-type]


def test_a_vehicle_told_full_is_known_to_the_report(depot: Served, tmp_path: Path) -> None:
    store = tmp_path / "copy.db"
    with closing(sqlite3.connect(depot.stage.file.store_path)) as old:
        old.execute("VACUUM INTO ?", (str(store),))
    file = replace(depot.stage.file, store_path=store)
    before = gather(file, DAY, DAY + timedelta(days=1))
    drawn = next(s for s in before.sessions if s.delivered_kwh > 5 and s.pile)
    idle = next(s for s in before.sessions if s.delivered_kwh == 0)
    last = datetime.fromtimestamp(int(drawn.metered.ends_s[-1]), UTC)
    half = datetime.fromtimestamp(int(drawn.metered.starts_s[0]), UTC)
    told = [
        *Journal().told(last, [SessionStatus(session=idle.session, state="full")]),
        # What draws on after it was told full was not full.
        *Journal().told(half, [SessionStatus(session=drawn.session, state="full")]),
        *Journal().told(last, [SessionStatus(session="other", state="charging")]),
    ]
    assert [t.about for t in told] == [idle.session, drawn.session]
    with closing(sqlite3.connect(store)) as base, base:
        write_told(base, told)
    after = gather(file, DAY, DAY + timedelta(days=1))
    assert [s.session for s in after.sessions if s.took_all] == [idle.session]


def test_who_was_full_counts_as_served_beside_the_drivers_word(stretch: Stretch) -> None:
    last = datetime.fromtimestamp(max(int(s.metered.ends_s[-1]) for s in stretch.sessions), UTC)
    asks = [s for s in stretch.sessions if s.delivered_kwh > 1][:4]
    words = tuple(
        replace(s, departure=last, asked_kwh=4 * s.delivered_kwh, took_all=k < 3)
        for k, s in enumerate(asks)
    )
    readings = tuple(r for r in stretch.readings if r.session in {s.session for s in asks})
    told = replace(stretch, sessions=words, readings=readings)
    tariff = load_book(told.file.site.tariff, settings=told.file.tariff_settings)
    result = figures_of(told, tariff)
    assert result["on_time"].value == 0.0
    assert result["of_asked"].value == pytest.approx(25.0)
    assert result["on_time_taken"].value == pytest.approx(75.0)
    got = [s.delivered_kwh for s in words]
    share = 100 * sum(got) / (sum(got[:3]) + 4 * got[3])
    assert result["of_taken"].value == pytest.approx(share)
    assert "3 that were full" in result["of_taken"].note
    assert "could not take it" in result["of_asked"].note
    for lang, heading in (("en", "Service to drivers"), ("zh", "服务质量")):
        page = report_page(told, result, tariff, "zh" if lang == "zh" else "en")
        assert heading in page
        assert page.count('class="group"') == 5


def test_a_pilot_tells_mwh_by_the_piles_meters_and_both_ways_of_who_consents(
    stretch: Stretch,
) -> None:
    root = stretch.file.site.network.root.id
    quarters = epoch_s(NOON) + 900 * np.arange(4, dtype=np.int64)
    # Half of the second quarter hour was not seen.
    gave = Flowed(quarters, np.array([0.0, -800.0, -400.0, 0.0]), np.array([900.0, 450, 900, 900]))
    piles = tuple(replace(p, discharge_kw=p.max_kw) for p in stretch.file.site.piles)
    file = replace(stretch.file, site=replace(stretch.file.site, piles=piles))
    drawing = replace(stretch, file=file, flows={("v2g", root): gave})
    sessions = tuple(replace(s, may_give=True) for s in stretch.sessions)
    giving = replace(drawing, sessions=sessions)
    tariff = load_book(file.site.tariff, settings=file.tariff_settings)
    result = figures_of(giving, tariff)
    assert result["discharged_mwh"].unit == "MWh"
    assert result["discharged_mwh"].value == pytest.approx(0.2)
    assert result["v2g"].value == pytest.approx(200.0)
    one_way = figures_of(drawing, tariff)["adjustable"].value
    both_ways = result["adjustable"].value
    assert one_way is not None
    assert both_ways is not None
    assert both_ways == pytest.approx(2.0 * one_way)


def test_limits_and_calls_are_listed_and_bounded(stretch: Stretch) -> None:
    root = stretch.file.site.network.root.id
    cut = _pushed("L", 60.0, NOON, node=root, valid_until=NOON + timedelta(hours=1))
    answer = {
        "at": NOON,
        "kind": "answer/limit",
        "about": f"{root}/L",
        "received_at": NOON.isoformat(),
        "applied_at": (NOON + timedelta(seconds=0.5)).isoformat(),
        "reached_at": (NOON + timedelta(seconds=4)).isoformat(),
    }
    call = DemandCalled(
        now=NOON,
        mono_s=0.0,
        stamp=(1, 2),
        issued_at=NOON,
        event="<dr-7>",
        start=NOON,
        end=NOON + timedelta(hours=2),
        kind="reduce_by",
        power_kw=25.0,
    )
    said = {
        "at": NOON,
        "kind": "answer/event",
        "about": "<dr-7>",
        "event": "<dr-7>",
        "decision": "ended",
        "promised_kw": 20.0,
        "delivered_kwh": 37.5,
        "paid": 12.0,
    }
    many = tuple(_pushed(f"M{k}", 80.0, NOON, node="P") for k in range(ROWS_AT_MOST + 4))
    told = replace(stretch, pushed=(cut, *many), calls=(call,), told=(*stretch.told, answer, said))
    tariff = load_book(told.file.site.tariff, settings=told.file.tariff_settings)
    page = report_page(told, figures_of(told, tariff), tariff, "en")
    row = page.split(f"{root} (L)", 1)[1].split("</tr>", 1)[0]
    for text in ("60.0", "+0.5 s", "+4.0 s"):
        assert text in row
    assert "and 5 more" in page
    row = page.split("&lt;dr-7&gt;", 1)[1].split("</tr>", 1)[0]
    for text in ("less by 25.0", "ended", "20.0", "37.5", "12.00"):
        assert text in row


def test_the_limit_line_follows_pushed_limits_and_their_end(stretch: Stretch) -> None:
    root = stretch.file.site.network.root.id
    edges = np.arange(epoch_s(NOON), epoch_s(NOON) + 5 * 3600, 3600, dtype=np.int64)
    own = limit_in_force(replace(stretch, pushed=()), edges, root)
    assert len(set(own)) == 1
    low, lower = own[0] / 2, own[0] / 4
    hour = timedelta(hours=1)
    pushed = (
        _pushed("A", low, NOON, node=root, slots=((NOON + hour, lower),)),
        _pushed("elsewhere", 1.0, NOON),
        _pushed("A", None, NOON + 3 * hour, node=root, revoked=True),
    )
    held = limit_in_force(replace(stretch, pushed=pushed), edges, root)
    assert held.tolist() == [low, lower, lower, own[0]]


def test_the_failsafe_and_a_node_held_below_its_own_limit_are_drawn(stretch: Stretch) -> None:
    site = stretch.file.site
    root, feeder = site.network.ids[0], site.network.ids[1]
    begin = epoch_s(stretch.start) // 900 * 900 + 900
    failsafe = Flowed(np.array([begin]), np.array([31.5]), np.array([600.0]))
    lowered = Flowed(np.array([begin]), np.array([12.5]), np.array([900.0]))
    told = replace(stretch, flows={("limit", root): failsafe, ("limit", feeder): lowered})
    tariff = load_book(site.tariff, settings=told.file.tariff_settings)
    page = report_page(told, figures_of(told, tariff), tariff, "en")
    plot = page.split("<h2>Power</h2>", 1)[1].split("</section>", 1)[0]
    assert plot.count("Limit 31.5</title>") == 1, "in the quarter hour in which it held"
    below = page.split("<h2>Nodes below that were limited</h2>", 1)[1].split("</section>", 1)[0]
    assert f"<h3>{feeder}</h3>" in below
    assert below.count("Limit 12.5</title>") == 1
    plain = replace(stretch, flows={}, pushed=())
    page = report_page(plain, figures_of(plain, tariff), tariff, "en")
    assert "Nodes below that were limited" not in page


def test_an_excess_that_stands_is_counted_and_no_limit_is_drawn_beyond_what_is_known(
    depot: Served, tmp_path: Path
) -> None:
    store = tmp_path / "copy.db"
    with closing(sqlite3.connect(depot.stage.file.store_path)) as old:
        old.execute("VACUUM INTO ?", (str(store),))
    file = replace(depot.stage.file, store_path=store)
    before = gather(file, DAY, DAY + timedelta(days=1))
    assert before.known_until == depot.stage.host.state.now
    assert before.exceeded_s == 0
    alert = Alert(
        kind="limit_exceeded",
        where="transformer",
        since=before.known_until - timedelta(seconds=75),
        text="above",
        text_zh="",
    )
    with closing(sqlite3.connect(store)) as base, base:
        write_told(base, Journal().told(alert.since, [alert]))
    after = gather(file, DAY, DAY + timedelta(days=1))
    tariff = load_book(file.site.tariff, settings=file.tariff_settings)
    found = figures_of(after, tariff)
    assert {f.key: f.value for f in found.figures}["above_s"] == 75.0
    plot = report_page(after, found, tariff, "en").split("<h2>Power</h2>", 1)[1]
    limits = re.findall(r"Limit [\d.]+</title>", plot.split("</section>", 1)[0])
    quarters = (before.known_until - DAY).total_seconds() / 900
    assert len(limits) == math.ceil(quarters) < 96
