"""What belongs to a person is let go in time, and exports name nobody."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.cli import main
from adapters.store.retention import forget, pseudonym, sessions_without_names
from adapters.store.schema import open_store
from models.horizon import epoch_s

NOW = datetime(2026, 7, 1, 12, 7, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def store(path: Path) -> Path:
    """Two sessions, one of them long ago, and a node's meter."""
    with closing(open_store(path)) as base:
        for age, session in ((0, "ann-smith"), (200, "bob-jones")):
            at = NOW - timedelta(days=age)
            rows = [("A-01", session, epoch_s(at) + 60 * k, 100.0 + k, None, None) for k in (0, 40)]
            rows.append(("transformer", "", epoch_s(at), 5.0, None, None))
            base.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?)", rows)
            told = (at.isoformat(), "status", session, "{}")
            base.execute("INSERT INTO told (at, kind, about, body) VALUES (?, ?, ?, ?)", told)
    return path


def test_after_its_days_a_session_is_nowhere_and_the_site_meter_stays(tmp_path: Path) -> None:
    path = store(tmp_path / "s.db")
    with closing(open_store(path)) as base:
        forget(base, NOW, days=100)
        sessions = {s for (s,) in base.execute("SELECT DISTINCT session FROM readings")}
        assert sessions == {"", "ann-smith"}
        assert base.execute("SELECT about FROM told").fetchall() == [("ann-smith",)]
        assert base.execute("SELECT count(*) FROM readings WHERE session = ''").fetchone() == (2,)
        forget(base, NOW + timedelta(days=8), days=7)
        assert base.execute("SELECT count(*) FROM readings WHERE session != ''").fetchone() == (0,)


def test_an_export_names_nobody_and_knows_the_same_session_again(tmp_path: Path) -> None:
    path = store(tmp_path / "s.db")
    rows = sessions_without_names(path)
    text = json.dumps(rows)
    assert "ann" not in text
    assert "bob" not in text
    assert [r["energy_kwh"] for r in rows] == [40.0, 40.0]
    assert rows[1]["from"].startswith("2026-07-01T12:00"), "the minute would tell who it was"
    assert sessions_without_names(path) == rows
    other = sessions_without_names(store(tmp_path / "t.db"))
    assert {r["session"] for r in rows}.isdisjoint(r["session"] for r in other)
    assert pseudonym(b"x", "ann") != pseudonym(b"y", "ann")


def test_backup_restore_and_export_are_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = store(tmp_path / "s.db")
    site = tmp_path / "site.toml"
    text = (ROOT / "examples" / "depot-1.toml").read_text()
    site.write_text(text + f'\n[store]\npath = "{path}"\nretention_days = 30\n')
    assert main(["store", "backup", str(site), "--to", "copy.db"]) == 0
    assert main(["store", "backup", str(site), "--to", "copy.db"]) == 75, "it exists"
    path.write_bytes(b"gone")
    assert main(["store", "restore", str(site), "--from", "copy.db"]) == 0
    assert main(["store", "export", str(site), "--out", "out.csv"]) == 0
    written = (tmp_path / "out.csv").read_text()
    assert written.startswith("session,pile,from,until,energy_kwh\n")
    assert len(written.splitlines()) == 3
    assert "ann" not in written
