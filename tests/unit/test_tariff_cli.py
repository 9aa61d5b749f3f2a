"""The tariff and bill commands, as an operator types them."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from adapters.cli import main
from adapters.tariff_settings import tariff_settings
from models.errors import ConfigurationError

REPO = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("Asia/Shanghai")


def document(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict:
    assert main([*argv]) == code
    return json.loads(capsys.readouterr().out)


def test_list_names_every_book_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    books = {b["name"]: b for b in document(capsys, "tariff", "list", "--json")["books"]}
    assert books["zhejiang-2026"]["valid_from"] == "2026-07-01"
    assert "112号" in books["zhejiang-2026"]["source"]


def test_show_draws_a_day_and_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "day.png"
    argv = ["tariff", "show", "zhejiang-2026", "--date", "2026-10-01", "--plot", str(picture)]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert "deep_valley" in out
    assert "█" in out
    assert "component_carried" in err
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_show_without_holidays_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["tariff", "show", "zhejiang-2026", "--date", "2026-10-01", "--json"]
    assert "deep_valley" in {b["period"] for b in document(capsys, *argv)["bands"]}
    plain = document(capsys, *argv, "--holidays", "none")["bands"]
    assert "deep_valley" not in {b["period"] for b in plain}


def test_show_of_a_book_without_base_prices_shows_its_ratios(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = document(capsys, "tariff", "show", "shandong", "--date", "2026-01-05", "--json")
    ratios = {b["period"]: b["buy_per_kwh"] for b in found["bands"]}
    assert ratios["deep_valley"] == pytest.approx(0.1)
    assert found["unit"].startswith("ratios")


def test_price_sheets_follow_from_their_components(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("jiangsu", "guangdong", "zhejiang-2026")
    assert main(["tariff", "sheet", *names, "--json"]) == 0
    jiangsu, guangdong, zhejiang = json.loads(capsys.readouterr().out)["sheets"]
    assert (jiangsu["flat"], jiangsu["base"]) == (0.6400, 0.3957)
    shown = {k: round(v, 4) for k, v in jiangsu["prices"].items()}
    assert (shown["valley"], shown["flat"], shown["peak"]) == (0.3828, 0.6400, 0.9566)
    shown = {k: round(v, 4) for k, v in guangdong["prices"].items()}
    assert shown == {"valley": 0.2635, "flat": 0.6483, "peak": 1.0827, "sharp": 1.3465}
    assert zhejiang["prices"]["sharp"] == pytest.approx(1.2315, abs=2e-4)
    assert zhejiang["ratios"]["sharp"] == 2.05
    assert main(["tariff", "sheet", *names]) == 0
    assert "1.3465" in capsys.readouterr().out


def test_check_takes_a_shipped_book_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tariff", "check", "pge-bev-2", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["books"]
    assert (found["name"], found["problems"]) == ("pge-bev-2", [])


def test_check_refuses_a_book_with_a_gap(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = (REPO / "tariffs" / "books" / "guangdong.toml").read_text(encoding="utf-8")
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace('rest = "flat"', 'flat = ["19:00-24:00"]'), encoding="utf-8")
    found = document(capsys, "tariff", "check", str(bad), "--json", code=65)
    assert "08:00-10:00, 12:00-14:00 has no period" in found["books"][0]["problems"][0]


def test_an_imported_urdb_rate_is_a_book_that_passes_the_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rate = REPO / "tests" / "unit" / "urdb" / "sce_tou_ev_4.json"
    argv = ["tariff", "import", "urdb", str(rate), "--name", "x", "--timezone"]
    assert main([*argv, "America/Los_Angeles"]) == 0
    book = tmp_path / "x.toml"
    book.write_text(capsys.readouterr().out, encoding="utf-8")
    assert document(capsys, "tariff", "check", str(book), "--json")["books"][0]["problems"] == []


def test_an_unknown_book_is_a_configuration_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tariff", "show", "zhejiang-2062"]) == 78
    assert "zhejiang-2026" in capsys.readouterr().err


def test_a_months_bill_of_a_site(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    begin = datetime(2026, 7, 1, tzinfo=ZONE)
    rows = [f"{(begin + timedelta(hours=h)).isoformat()},{h}" for h in range(745)]
    meter = tmp_path / "meter.csv"
    meter.write_text("\n".join(["at,import_kwh", *rows]), encoding="utf-8")
    out = tmp_path / "bill.csv"
    site = str(REPO / "examples" / "depot-1.toml")
    argv = ["bill", site, "--month", "2026-07", "--registers", str(meter), "--out", str(out)]
    bill = document(capsys, *argv, "--json")
    # 31 days of 10 valley, 7 flat, 3 peak and 4 sharp hours at 1 kW.
    assert bill["total"] == "518.35"
    assert pd.read_csv(out)["quantity"].sum() == 744


def test_settings_of_a_site_are_read_whole() -> None:
    settings = tariff_settings(
        {
            "customer_class": "two_part",
            "installed_kva": 400,
            "components": [{"since": date(2026, 7, 1), "flat_per_kwh": 0.7, "base_per_kwh": 0.5}],
            "temperatures_c": {"2026-07-01": 36},
            "billing": [{"since": date(2026, 7, 1), "basis": "contracted", "contracted_kw": 200}],
            "demand_per_kw": 46,
            "peaks_kw": {"2026-06": 180},
            "fees": [
                {"name": "service fee", "per_kwh": 0.4},
                {"name": "night coupon", "per_kwh": -0.1, "hours": ["22:00-06:00"]},
            ],
            "power_factor": {
                "power_factors": [0.85, 0.90],
                "shares": [0.025, 0.0],
                "below_share": 0.005,
            },
        },
        currency="CNY",
    )
    assert settings.temperatures_c == {date(2026, 7, 1): 36.0}
    assert settings.peaks_kw == {(2026, 6): 180.0}
    assert settings.power_factor is not None
    coupon = settings.fees[1].tariff
    assert coupon is not None
    night = int(datetime(2026, 7, 1, 23, tzinfo=ZONE).timestamp())
    assert coupon.steps(night, night + 1, ZONE).buy_per_kwh[0] == -0.1
    assert coupon.steps(night - 43_200, night - 43_199, ZONE).buy_per_kwh[0] == 0.0
    with pytest.raises(ConfigurationError, match=r"tariff.demand_per_kW.*demand_per_kw"):
        tariff_settings({"demand_per_kW": 46}, currency="CNY")
    with pytest.raises(ConfigurationError, match="either per_kwh or share"):
        tariff_settings({"fees": [{"name": "x"}]}, currency="CNY")
