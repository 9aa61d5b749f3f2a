"""Reports, the hosting study and the terminal view, as commands."""

from __future__ import annotations

import csv
import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adapters.cli import main
from adapters.config_writer import site_to_toml
from adapters.plot_scale import nice_ticks
from adapters.plots import Area, Line, TimePlot
from adapters.report.policy import INDICATORS
from adapters.study.hosting import Question, hosting
from adapters.study.page import hosting_page
from benchmarks.stage_microgrid import BASE_KW
from models.errors import InvalidValueError
from tests.web.browser import Served


@pytest.fixture
def site_file(depot: Served, tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(site_to_toml(replace(depot.stage.file)), encoding="utf-8")
    return path


def test_a_report_tells_what_the_registers_tell(
    depot: Served, site_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["--from", "2026-09-01", "--to", "2026-09-02"]
    out = tmp_path / "out"
    assert main(["report", str(site_file), *days, "--out", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    drawn = sum(depot.stage.registers.values())
    assert figures["energy"] == pytest.approx(drawn, rel=0.1)
    assert figures["sessions"] == 45
    assert figures["pile_faults"] == 1
    assert (figures["piles"], figures["slow_piles"], figures["fast_piles"]) == (54, 54, 0)
    # One pile of 54 is faulty when the stretch ends; it has been for no more than minutes.
    assert 99.0 < figures["available"] <= 100.0
    assert figures["cost"] == pytest.approx(figures["energy"] * figures["price"], rel=1e-6)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 1
    assert "<script" not in page
    assert "http" not in page
    with (out / "sessions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(float(r["delivered_kwh"]) for r in rows) == pytest.approx(
        figures["energy"], rel=1e-6
    )


def test_a_report_in_chinese_with_parquet_tables(
    site_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["--from", "2026-09-01", "--to", "2026-09-02"]
    out = ["--out", str(tmp_path / "zh"), "--lang", "zh", "--tables", "parquet"]
    assert main(["report", str(site_file), *days, *out]) == 0
    page = (tmp_path / "zh" / "report.html").read_text(encoding="utf-8")
    assert "准时率" in page
    # Each item of the policy's part E stands there with its number, or with why it has none.
    for item in range(56, 71):
        assert f'<th scope="row">{item}</th>' in page
    for one in INDICATORS:
        assert one.keys or one.apart[0].startswith("missing: ")
        assert set(one.keys) <= set(pd.read_parquet(tmp_path / "zh" / "figures.parquet")["key"])
    assert 'lang="zh-CN"' in page
    piles = pd.read_parquet(tmp_path / "zh" / "piles.parquet")
    assert len(piles) == 54
    assert int(piles["sessions"].sum()) == 45
    capsys.readouterr()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_tables_agree_with_the_page(
    kind: str, depot: Served, site_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    days = ["--from", "2026-09-01", "--to", "2026-09-02", "--out", str(out), "--tables", kind]
    assert main(["report", str(site_file), *days]) == 0
    read = pd.read_csv if kind == "csv" else pd.read_parquet
    figures, sessions, piles = (read(out / f"{n}.{kind}") for n in ("figures", "sessions", "piles"))
    page = (out / "report.html").read_text(encoding="utf-8")
    shown = dict(
        re.findall(
            r'<tr><th scope="row">([^<]+)</th><td class="n">([^<]*)</td><td>[^<]*</td>', page
        )
    )
    for name, value in zip(figures["name"], figures["value"], strict=True):
        text = shown[html.escape(name)]
        if pd.isna(value):
            assert text == "not known"
            continue
        number = text.replace(",", "")
        digits = len(number.partition(".")[2])
        assert float(number) == pytest.approx(value, abs=0.5001 * 10.0**-digits), name
    listed = dict(
        re.findall(
            r'<tr><th scope="row">(ev-\d+)</th>(?:<td>[^<]*</td>){3}<td class="n">[^<]*</td>'
            r'<td class="n">([^<]*)</td>',
            page,
        )
    )
    assert len(listed) == len(sessions) == 45
    for name, kwh in zip(sessions["session"], sessions["delivered_kwh"], strict=True):
        assert float(listed[name]) == pytest.approx(kwh, abs=0.0501)
    by_key = dict(zip(figures["key"], figures["value"], strict=True))
    assert piles["energy_kwh"].sum() == pytest.approx(sessions["delivered_kwh"].sum())
    assert sessions["cost"].sum() == pytest.approx(by_key["cost"])
    assert (sessions["pile"].nunique(), len(piles)) == (45, by_key["piles"])
    assert "is a lower bound" in page


def test_days_the_wrong_way_round_are_refused(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for end in ("2026-09-01", "2026-08-31"):
        assert main(["report", str(site_file), "--from", "2026-09-01", "--to", end]) != 0
        assert "is not after --from 2026-09-01" in " ".join(capsys.readouterr().err.split())


def test_a_tariff_in_another_currency_is_refused(
    site_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["--from", "2026-09-01", "--to", "2026-09-02", "--out", str(tmp_path / "out")]
    assert main(["report", str(site_file), *days, "--tariff", "pge-bev-2"]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "is in USD, the site counts in CNY (name a book in CNY)" in said
    assert not (tmp_path / "out").exists()


def test_a_microgrids_report_draws_sun_storage_and_base_load(
    microgrid: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(site_to_toml(microgrid.stage.file), encoding="utf-8")
    days = ["--from", "2026-09-01", "--to", "2026-09-02", "--out", str(tmp_path), "--json"]
    assert main(["report", str(site), *days]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    # An hour and three quarters of a high sun of some 107 kW.
    assert figures["pv"] == pytest.approx(1.755 * 107.0, rel=0.02)
    assert figures["stored"] + figures["discharged"] > 0.0
    drawn = sum(microgrid.stage.registers.values()) + figures["stored"] - figures["discharged"]
    used = figures["pv"] / (1.755 * BASE_KW + drawn)
    assert figures["green_share"] == pytest.approx(100 * used, rel=0.05)
    quarters = pd.read_csv(tmp_path / "quarters.csv")
    assert quarters["start"].str.startswith("2026-09-01T1").all()
    # The first begins at the stage's clock: all but its first 20 s is there.
    assert -quarters["asset_roof_kw"].sum() / 4 == pytest.approx(figures["pv"], rel=0.01)
    assert quarters["limit_kw"].unique().tolist() == [160.0]
    whole = quarters[["base_kw", "piles_kw", "v2g_kw", "asset_roof_kw", "asset_bess_kw"]].sum(
        axis=1
    )
    assert whole.to_numpy() == pytest.approx(quarters["node_kw"].to_numpy())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for css in ("c0", "c1", "pv", "storage"):
        assert f'<path class="area {css}"' in page
    assert '<path class="line net"' in page


def test_a_stretch_without_sessions_is_refused(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(site_file), "--from", "2026-08-01", "--to", "2026-08-02"]) == 65
    told = capsys.readouterr().err
    assert "no session was metered from 2026-08-01" in told
    assert "(readings are kept from 2026-09-01 18:15 to 2026-09-01 20:" in told


def test_top_shows_what_is_short_first_and_why(
    site_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", str(site_file), "--once"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert "kWh short: " in next(line for line in lines if "P-" in line)
    assert "Pile fault P-0006" in shown
    assert main(["top", str(site_file), "--once", "--lang", "zh"]) == 0
    assert "桩故障" in capsys.readouterr().out


def test_top_into_a_pipe_ends_and_a_language_that_is_none_is_refused(
    site_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", str(site_file)]) == 0
    assert "P-0027" in capsys.readouterr().out
    days = ["--from", "2026-09-01", "--to", "2026-09-02", "--out", str(tmp_path)]
    for command in (
        *(["top", str(site_file)], ["report", str(site_file), *days]),
        *(["explain", "ev-0001"], ["study", "hosting", "--transformer", "60"]),
    ):
        assert main([*command, "--lang", "de"]) == 2, command
        assert "'de' is not to be had: say en" in capsys.readouterr().err.replace("\n", " ")


def test_ordered_charging_hosts_more_piles_and_never_exceeds_the_limit() -> None:
    found = hosting(Question(transformer_kva=100, nights=3))
    assert 0 < found.uncontrolled < found.first_come <= found.ordered
    for p in found.points:
        assert p.ordered_peak_kw <= found.question.limit_kw + 1e-6
        if p.piles <= found.ordered:
            assert p.ordered >= 0.97
    served = [p.ordered for p in found.points]
    assert served[-1] < 0.98
    again = hosting(Question(transformer_kva=100, nights=3))
    assert again == found


def test_where_ordered_charging_serves_fewer_vehicles_it_says_why_and_gives_more_energy() -> None:
    found = hosting(Question(transformer_kva=100, nights=3))
    at = found.crossing
    assert at is not None
    assert at.piles > found.ordered
    for p in found.points:
        assert p.ordered_energy >= p.first_come_energy - 1e-6
        if p.piles < at.piles:
            assert p.ordered >= p.first_come
    told = f"{at.piles} piles on ordered charging serves fewer vehicles than first come"
    assert told in hosting_page(found)
    assert f"自 {at.piles} 桩起" in hosting_page(found, "zh")
    few = replace(found, points=found.points[:3])
    assert "serves fewer" not in hosting_page(few)


def test_more_base_load_leaves_room_for_fewer_piles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = hosting(Question(transformer_kva=100, nights=2, base_share=0.8)).ordered
    many = hosting(Question(transformer_kva=100, nights=2, base_share=0.2)).ordered
    assert few < many
    page = tmp_path / "study.html"
    asked = ["study", "hosting", "--transformer", "60", "--nights", "1", "--out", str(page)]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert f"<b>{told['piles_ordered']}</b>" in page.read_text(encoding="utf-8")
    with pytest.raises(InvalidValueError, match="positive"):
        Question(transformer_kva=0)
    for wrong in ("power_factor", "ceiling_share", "base_share", "punctuality"):
        with pytest.raises(InvalidValueError, match=f"^{wrong}: 2 is no share"):
            Question(transformer_kva=60, **{wrong: 2.0})


def test_a_plot_stacks_what_is_given_and_escapes_its_words() -> None:
    from zoneinfo import ZoneInfo

    plot = TimePlot(
        title="<power>",
        unit="kW",
        edges_s=[0, 900, 1800],
        zone=ZoneInfo("UTC"),
        areas=[Area("a", "c0", [10.0, 20.0]), Area("v2g", "c1", [-5.0, 0.0])],
        lines=[Line("limit", "limit", [30.0, None])],
    ).svg()
    assert "&lt;power&gt;" in plot
    assert plot.count('class="area') == 2
    assert plot.count("<title>") == 2
    assert "v2g -5.0" in plot
    ticks = nice_ticks(-7.0, 93.0)
    assert ticks[0] <= -7.0
    assert ticks[-1] >= 93.0
    assert len(set(np.round(np.diff(ticks), 9))) == 1
