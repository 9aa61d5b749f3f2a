"""Sites from recorded data: piles found, the limit as given, buses chained by the rule."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.data.blocks import Block
from adapters.data.chaining import bus_battery, chain_blocks
from adapters.data.samples import sample_path
from adapters.site_writers import block_sessions, site_from_blocks, site_from_sessions
from models.errors import ConfigurationError, DataError
from models.limits import effective_import_kw

NEW_YORK = ZoneInfo("America/New_York")
TUESDAY = date(2026, 9, 15)


def sessions_file(where: Path) -> Path:
    file = where / "lot.csv"
    file.write_text(
        "session,pile,arrival,departure,delivered_kwh\n"
        "s1,B 2,2026-07-01T08:00Z,2026-07-01T10:00Z,5\n"
        "s2,A-1,2026-07-01T09:00Z,2026-07-01T12:00Z,6\n"
        "s3,A-1,2026-07-01T13:00Z,2026-07-01T15:00Z,7\n"
    )
    return file


def test_the_given_kw_is_the_effective_limit_itself(tmp_path: Path) -> None:
    made, sessions = site_from_sessions(
        sessions_file(tmp_path),
        transformer_kw=150,
        zone=ZoneInfo("America/Los_Angeles"),
        tariff="zhejiang-2026",
        currency="CNY",
    )
    site = parse_site(site_to_toml(made)).site
    assert [p.id for p in site.piles] == ["A-1", "B-2"]
    assert {s.pile for s in sessions} == {"A-1", "B-2"}
    assert all(p.max_kw == pytest.approx(6.656) for p in site.piles), "208 V x 32 A"
    (root,) = site.network.nodes
    at = datetime(2026, 7, 1, tzinfo=UTC)
    assert root.id == "transformer"
    assert effective_import_kw(root, [], at, stale=False) == 150
    assert (root.ceiling_share, site.margin_kw, site.voltage_tolerance) == (1, 0, 0)
    assert site.base_load == "none"
    assert all(p.count_factor(site.voltage_tolerance) == 1 for p in site.piles)
    assert (site.lease_s, site.telemetry_period_s) == (900, 60)


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no limit"):
        site_from_sessions(
            sessions_file(tmp_path),
            transformer_kw=0,
            zone=NEW_YORK,
            tariff="flat",
            currency="CNY",
        )


def block(id: str, start: float, end: float, kwh: float = 100, **changes: str) -> Block:
    values = {"depot": "CH", "vehicle_type": "STD", "day": "d", "origin": "CH"}
    return Block(
        id=id,
        start_min=start,
        end_min=end,
        energy_kwh=kwh,
        **(values | {"destination": "CH"} | changes),
    )


def chain(*blocks: Block, **changes: float):  # type: ignore[no-untyped-def]
    numbers = {"battery_kwh": 400.0, "pile_kw": 120.0} | changes
    return chain_blocks(blocks, [TUESDAY], zone=NEW_YORK, **numbers)


def runs(depot, bus: str) -> list[str]:  # type: ignore[no-untyped-def]
    """Blocks that follow a bus's sessions, in order."""
    return [s.source_id for s in depot.sessions if s.pile == bus]


def test_the_first_returned_bus_takes_the_next_block() -> None:
    depot = chain(
        block("a", 300, 400, 250),
        block("b", 300, 420, 250),
        block("c", 600, 700, 200),
        block("d", 610, 700, 200),
    )
    assert depot.buses == ("STD-001", "STD-002")
    assert runs(depot, "STD-001")[0] == "c", "a returned before b"
    assert runs(depot, "STD-002")[0] == "d"


@pytest.mark.parametrize(
    ("returns", "buffer"),
    [(6 * 60, 5), (12 * 60, 15), (18 * 60, 30)],
    ids=["morning", "day", "night"],
)
def test_a_bus_leaves_again_only_after_its_buffer(returns: int, buffer: int) -> None:
    first = block("a", returns - 60, returns)
    ready = chain(first, block("b", returns + buffer, returns + buffer + 60))
    early = chain(first, block("b", returns + buffer - 1, returns + buffer + 60))
    assert len(ready.buses) == 1
    assert len(early.buses) == 2


def test_a_bus_of_another_type_does_not_serve() -> None:
    depot = chain(block("a", 300, 400), block("b", 600, 700, vehicle_type="EXP"))
    assert depot.buses == ("EXP-001", "STD-001")


def test_by_day_a_bus_asks_for_its_next_block_and_overnight_to_be_full() -> None:
    depot = chain(block("a", 300, 400, 250), block("b", 700, 800, 200))
    midday, night = depot.sessions
    assert midday.stated_kwh == pytest.approx(50), "holds 150, the next block takes 200"
    assert night.stated_kwh == pytest.approx(400), "empty after both, full again by morning"
    assert night.source_id == "a"
    local = night.departure.astimezone(NEW_YORK)
    assert (local.date(), local.hour) == (TUESDAY + timedelta(days=1), 5)


def test_a_bus_that_holds_enough_asks_for_nothing() -> None:
    depot = chain(block("a", 300, 400, 50), block("b", 700, 800, 200))
    assert depot.no_need == 1
    assert len(depot.sessions) == 1


def test_blocks_of_another_depot_are_left_out_and_counted() -> None:
    depot = chain(block("a", 300, 400), block("x", 300, 400, origin="MQ"))
    assert (depot.blocks, depot.left_out) == (1, 1)
    with pytest.raises(DataError, match="own depot"):
        chain(block("x", 300, 400, destination="MQ"))


def test_a_block_beyond_one_battery_is_named_as_such() -> None:
    depot = chain(block("long", 300, 900, 450))
    assert depot.beyond_battery == ("long",)
    (unready,) = depot.unready
    assert (unready.reason, unready.lacks_kwh) == ("beyond one battery", pytest.approx(50))


def test_a_stay_too_short_is_named_and_the_truth_is_what_fits_it() -> None:
    depot = chain(block("a", 300, 400, 400), block("b", 430, 500, 300))
    (unready,) = depot.unready
    assert unready.reason == "the stay is too short"
    first = depot.sessions[0]
    assert first.stated_kwh == pytest.approx(300)
    assert first.delivered_kwh == pytest.approx(60), "half an hour at 120 kW"


def test_full_is_reached_in_finite_time() -> None:
    battery = bus_battery(400, 120)
    assert battery.capacity_kwh > 400
    assert battery.accepts_kw(400) == pytest.approx(20, rel=0.05), "C/20 when full"
    assert 3.5 < battery.hours_until(0, 120, 400) < 4.5


def test_no_bus_is_in_two_places() -> None:
    sessions = block_sessions(
        sample_path("nyc_ch_blocks.csv"), depot="CH", first=TUESDAY, zone=NEW_YORK
    )
    of_pile: dict[str, list[tuple[datetime, datetime]]] = {}
    for s in sessions:
        of_pile.setdefault(s.pile, []).append((s.arrival, s.departure))
    for stays in of_pile.values():
        stays.sort()
        assert all(a[1] < b[0] for a, b in itertools.pairwise(stays))


def test_the_depot_of_the_issue_has_its_transformer_at_a_third() -> None:
    made = site_from_blocks(
        sample_path("nyc_ch_blocks.csv"),
        depot="CH",
        first=TUESDAY,
        battery_kwh=400,
        zone=NEW_YORK,
        tariff="zhejiang-2026",
        currency="CNY",
    )
    site = made.file.site
    assert len(site.piles) == len(made.depot.buses) == 148
    assert site.network.root.own_limit_kw == pytest.approx(148 * 120 / 3)
    assert (made.depot.blocks, made.depot.left_out) == (820, 168)
    assert len(made.depot.beyond_battery) == 25
    assert made.depot.no_next == 0
    evening = datetime(2026, 9, 15, 22, tzinfo=NEW_YORK)
    present = [s for s in made.depot.sessions if s.arrival <= evening < s.departure]
    assert len(present) > 50, "the demo wants at least 50 piles in use"
    assert parse_site(site_to_toml(made.file)).site.piles == site.piles
