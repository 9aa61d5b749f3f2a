"""Readers of recorded sessions and of bus blocks: what is read, and what is refused by line."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.data import read_blocks, read_sessions, write_sessions
from adapters.data.files import LegalIds
from adapters.data.samples import sample_path
from models.errors import DataError
from models.ids import check_id

DATA = Path(os.environ.get("VALLEYFILL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

ACN_HEAD = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,"
    "estimated_departure,claimed\n"
)
ACN_ROWS = (
    "2019-05-01 06:33:14-07:00,2019-05-01 11:50:55-07:00,21.84,17.666,CA-314,"
    "2_39_88_24_2019-05-01 13:33:13.958599,2019-05-01 11:27:14-07:00,True\n"
    "2019-05-01 01:18:45-07:00,2019-05-01 15:52:36-07:00,44.069,44.069,CA-305,"
    "2_39_131_30_2019-05-01 08:18:44.595638,2019-05-01 15:52:36-07:00,False\n"
)


def write(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_acn_csv_keeps_the_drivers_words_and_leaves_out_what_was_filled_in(
    tmp_path: Path, name: str
) -> None:
    first, second = read_sessions(write(tmp_path / name, ACN_HEAD + ACN_ROWS))
    assert first.pile == "CA-305", "by arrival"
    assert (first.stated_kwh, first.stated_departure) == (None, None), "not claimed: no words"
    assert second.stated_kwh == 21.84
    assert second.stated_departure == datetime(2019, 5, 1, 18, 27, 14, tzinfo=UTC)
    assert second.arrival == datetime(2019, 5, 1, 13, 33, 14, tzinfo=UTC)
    assert second.source_id == "2_39_88_24_2019-05-01 13:33:13.958599"
    assert check_id(second.id, where="") == second.id


def acn_item(**changes: object) -> dict[str, object]:
    item: dict[str, object] = {
        "connectionTime": "Sat, 01 May 2021 20:42:47 GMT",
        "disconnectTime": "Sat, 01 May 2021 21:32:12 GMT",
        "doneChargingTime": None,
        "kWhDelivered": 30.936,
        "sessionID": "2_39_81_4550_2021-05-01 20:42:39.133163",
        "stationID": "2-39-81-4550",
        "userInputs": [
            {"kWhRequested": 71.5, "requestedDeparture": "Sun, 02 May 2021 08:43:47 GMT"},
            {"kWhRequested": 20.0, "requestedDeparture": "Sat, 01 May 2021 22:00:00 GMT"},
        ],
    }
    return item | changes


def test_acn_json_takes_the_words_known_at_plug_in(tmp_path: Path) -> None:
    items = [acn_item(), acn_item(sessionID="x", userInputs=None, stationID="CA-1")]
    first, second = read_sessions(write(tmp_path / "a.json", json.dumps(items)))
    assert first.stated_kwh == 71.5, "later edits were not known when the car came"
    assert first.stated_departure == datetime(2021, 5, 2, 8, 43, 47, tzinfo=UTC)
    assert (second.id, second.stated_kwh) == ("x", None)
    wrapped = json.dumps({"_items": items})
    assert read_sessions(write(tmp_path / "b.json.gz", wrapped)) == [first, second]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"connectionTime": "2021-05-01T20:42:47Z"}, "no instant of the portal"),
        ({"disconnectTime": "Sat, 01 May 2021 20:00:00 GMT"}, "not after its arrival"),
        ({"kWhDelivered": None}, "is no session"),
        ({"kWhDelivered": -1}, "is no energy"),
    ],
)
def test_a_broken_json_session_is_refused_by_its_place(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    items = [acn_item(sessionID="fine"), acn_item(**changes)]
    with pytest.raises(DataError, match=says) as caught:
        read_sessions(write(tmp_path / "a.json", json.dumps(items)))
    assert "a.json session 1" in str(caught.value)


PLAIN = "session,pile,arrival,departure,delivered_kwh\n"


def test_plain_csv_reads_instants_in_the_files_zone_when_it_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", PLAIN + "s1,p 1,2026-07-01 08:00,2026-07-01 10:00,5\n")
    with pytest.raises(DataError, match=r"a\.csv line 2.*has no offset"):
        read_sessions(file)
    (session,) = read_sessions(file, zone=ZoneInfo("Asia/Shanghai"))
    assert session.arrival == datetime(2026, 7, 1, tzinfo=UTC)
    assert session.pile == "p-1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("session,pile,arival,departure,delivered_kwh\n", "is it 'arival'"),
        (PLAIN, "holds no session"),
        (PLAIN + "s1,p,2026-07-01T08:00Z,2026-07-01T10:00Z\n", "has 4 cells"),
        (PLAIN + "s1,p,2026-07-01T08:00Z,2026-07-01T10:00Z,much\n", "'much'.*no number"),
        (PLAIN + "s1,p,2026-07-01T08:00Z,2026-07-01T10:00Z,nan\n", "no energy"),
        (PLAIN + "s1,p,2026-07-01T08:00Z,2026-07-01T07:00Z,5\n", "line 2.*not after"),
        (PLAIN + "s1,p,yesterday,2026-07-01T07:00Z,5\n", "'yesterday' is no instant"),
        (PLAIN + "s1,,2026-07-01T08:00Z,2026-07-01T10:00Z,5\n", "'pile' is empty"),
        (PLAIN + "s1,p,2026-07-01T08:00Z,2026-07-01T10:00Z,5\n" * 2, "line 3.*comes twice"),
    ],
)
def test_a_broken_csv_is_refused_by_line_and_column(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_sessions(write(tmp_path / "a.csv", text))


def test_a_file_that_is_not_there_or_not_gzip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_sessions(tmp_path / "none.csv")
    (tmp_path / "b.csv.gz").write_bytes(b"plain text")
    with pytest.raises(DataError, match="cannot be read"):
        read_sessions(tmp_path / "b.csv.gz")


def test_sessions_survive_writing_unchanged(tmp_path: Path) -> None:
    sessions = read_sessions(write(tmp_path / "a.csv", ACN_HEAD + ACN_ROWS))
    again = read_sessions(write(tmp_path / "b.csv", write_sessions(sessions)))
    assert again == sessions


@given(st.lists(st.text(min_size=1, max_size=90), unique=True, max_size=30))
def test_foreign_ids_become_legal_and_never_collide(foreign: list[str]) -> None:
    ids = LegalIds()
    legal = [ids(f) for f in foreign]
    assert len(set(legal)) == len(foreign)
    assert [ids(f) for f in foreign] == legal
    for one in legal:
        check_id(one, where="")


def test_the_shipped_blocks_are_one_depots_school_day() -> None:
    blocks = read_blocks(sample_path("nyc_ch_blocks.csv"))
    assert len(blocks) == 494
    assert {b.depot for b in blocks} == {"CH"}
    assert {b.day for b in blocks} == {"Weekday (school open)"}
    assert sum(b.stays_home for b in blocks) == 410
    assert "Permission is hereby granted" in sample_path("ATTRIBUTION.md").read_text()


def test_blocks_of_an_unknown_depot_or_day_name_those_that_are_there() -> None:
    path = sample_path("nyc_ch_blocks.csv")
    with pytest.raises(DataError, match="it has: CH"):
        read_blocks(path, depot="XX")
    with pytest.raises(DataError, match="school open"):
        read_blocks(path, day="Monday")
    with pytest.raises(DataError, match="average energy gen 3"):
        read_blocks(path, energy="average energy gen 4")


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not at {DATA}")
@pytest.mark.parametrize(
    ("name", "sessions", "piles", "silent"),
    [
        ("acn_caltech_jpl_sessions/caltech_2019-05-01_2019-08-31.csv.gz", 3527, 52, 506),
        ("acn_caltech_jpl_sessions/jpl_2019-05-01_2019-08-31.csv.gz", 6026, 52, 194),
        ("acn_caltech_raw_json/acndata_sessions_2021-05-01_07-31.json.gz", 1227, 37, 112),
    ],
)
def test_real_sessions_are_read_whole(name: str, sessions: int, piles: int, silent: int) -> None:
    found = read_sessions(DATA / name)
    assert len(found) == sessions
    assert len({s.pile for s in found}) == piles
    assert sum(s.stated_kwh is None for s in found) == silent


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not at {DATA}")
def test_the_shipped_blocks_are_those_of_the_source() -> None:
    source = DATA / "nyc_bus_depots" / "blocks_originals.csv.gz"
    theirs = read_blocks(source, depot="CH", day="Weekday (school open)")
    ours = read_blocks(sample_path("nyc_ch_blocks.csv"))
    assert [(b.id, b.start_min, b.end_min) for b in ours] == [
        (b.id, b.start_min, b.end_min) for b in theirs
    ]
    assert all(abs(a.energy_kwh - b.energy_kwh) < 1e-3 for a, b in zip(ours, theirs, strict=True))
