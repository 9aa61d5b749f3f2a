"""A simulated run kept in a store: the report, the reasons and the replays are those of the run."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.books import load_book
from adapters.cli import main
from adapters.config_writer import site_to_toml
from adapters.replaying import replay
from adapters.simulator.demo import TARIFF, bus_night
from adapters.simulator.simulate import closed_loop
from adapters.store.flows import read_flows
from adapters.store.steps import read_steps, reading_store
from models.errors import StoreError
from models.horizon import epoch_s


def test_a_night_of_buses_is_kept_as_the_daemon_would_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night, store = bus_night(8), tmp_path / "night.db"
    tariff = load_book(TARIFF, holidays="none")
    asked = (night.file.site, tariff, night.sessions, night.start, night.end)
    outcome = closed_loop(*asked, requests="stated", store=store)
    site = tmp_path / "site.toml"
    site.write_text(site_to_toml(replace(night.file, store_path=store)), encoding="utf-8")

    base = reading_store(store)
    steps = list(read_steps(base, newest=1_000))
    base.close()
    assert len(steps) == sum(outcome.trace.rungs.values())
    assert all(replay(s).identical for s in steps)

    with closing(reading_store(store)) as base:
        flows = read_flows(base, epoch_s(night.start), epoch_s(night.end) + 86_400)
    piles = flows["piles", night.file.site.network.ids[0]]
    assert piles.kwh.sum() == pytest.approx(outcome.delivered_kwh, rel=0.01)
    assert set(piles.seen_s[1:-1]) == {900.0}, "no quarter hour of the night is missed"

    days = ["--from", f"{night.start:%Y-%m-%d}", "--to", f"{night.end:%Y-%m-%d}"]
    out = tmp_path / "report"
    tariffs = ["--tariff", TARIFF]
    assert main(["report", str(site), *days, *tariffs, "--out", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["sessions"] == len(outcome.trace.sessions)
    assert figures["energy"] == pytest.approx(outcome.delivered_kwh, rel=1e-3)
    with (out / "sessions.csv").open() as file:
        told = {r["session"]: float(r["delivered_kwh"]) for r in csv.DictReader(file)}
    for one in outcome.trace.sessions:
        assert told[one.session] == pytest.approx(one.delivered_kwh, abs=0.3)

    with pytest.raises(StoreError, match="is there already"):
        closed_loop(*asked, requests="stated", store=store)
