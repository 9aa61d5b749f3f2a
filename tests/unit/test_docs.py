"""The documentation's examples are run, and its tables name what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from adapters.cli import COMMANDS, build_app, main
from adapters.config import parse_site
from adapters.web.words import ALERTS, alert_word
from adapters.wire.topics import INBOUND, OUTBOUND
from models.events import PileMeasured
from scheduler.alerts import TEXTS
from scheduler.solution import Solution
from scheduler.verify import verify
from tests.problems import problem_of, session

PAGES = Path(__file__).parents[2] / "docs" / "pages"
_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.M | re.S)


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    yield from _FENCE.findall((PAGES / page).read_text(encoding="utf-8"))


def block(page: str, title: str) -> str:
    return next(body for _, name, body in blocks(page) if name == title)


@pytest.mark.parametrize("page", ["first-site.md", "first-site.zh.md"])
def test_the_first_site_is_one(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = block(page, "site.toml")
    file = parse_site(text)
    assert file.web is not None
    monkeypatch.chdir(tmp_path)
    Path("site.toml").write_text(text, encoding="utf-8")
    assert main(["check", "site.toml"]) == 0
    assert main(["tariff", "show", "zhejiang-2026", "--date", "2026-08-03"]) == 0


@pytest.mark.parametrize("page", sorted(p.name for p in PAGES.glob("*.md")))
def test_every_command_written_down_exists_with_its_options(page: str) -> None:
    for kind, _, body in blocks(page):
        if kind != "sh":
            continue
        for line in body.splitlines():
            words = line.split(" #")[0].split()
            if words[:1] != ["valleyfill"]:
                continue
            assert words[1] in COMMANDS, line
            command: Any = typer.main.get_command(build_app([words[1]])).commands[words[1]]  # type: ignore[attr-defined]
            if words[2] in getattr(command, "commands", {}):
                command = command.commands[words[2]]
            known = {o for p in command.params for o in p.opts}
            for word in words[2:]:
                if word.startswith("--"):
                    assert word in known, f"{line}: {word}"


def test_the_book_of_the_documentation_is_one(tmp_path: Path) -> None:
    from adapters.books import read_book_file
    from tariffs.build import build_tariff
    from tariffs.calendar import NoHolidays
    from tariffs.settings import TariffSettings

    path = tmp_path / "my-town.toml"
    path.write_text(block("extending.md", "book"), encoding="utf-8")
    tariff = build_tariff(read_book_file(path), calendar=NoHolidays(), settings=TariffSettings())
    from zoneinfo import ZoneInfo

    noon = int(datetime(2026, 3, 2, 4, 0, tzinfo=UTC).timestamp())
    steps = tariff.steps(noon, noon + 3600, ZoneInfo("Asia/Shanghai"))
    assert float(steps.buy_per_kwh[0]) == pytest.approx(0.70)


def test_the_solver_of_the_documentation_solves() -> None:
    space: dict[str, Any] = {}
    exec(block("extending.md", "solver"), space)
    problem = problem_of(
        [session(0, 2, 10, 12), session(0, 3, 10, 12)], price=[1.0, 0.5, 0.7], cap_kw=10.0
    )
    answer: Solution = space["solve"](problem, work_limit=1_000)
    assert verify(problem, answer).ok
    assert answer.energy_kwh.sum() == pytest.approx(24.0)


def test_the_asset_and_the_adapter_of_the_documentation_hold() -> None:
    space: dict[str, Any] = {}
    exec(block("extending.md", "asset"), space)
    assert space["HeatPump"]("hp", "transformer", 5.0, 1.0).max_kw == 5.0
    with pytest.raises(Exception, match="must be positive"):
        space["HeatPump"]("hp", "transformer", 0.0, 1.0)
    exec(block("extending.md", "adapter"), space)
    frame = {"timestamp": 1_782_000_000.0, "W": 7_000.0, "Wh": 1_500.0}
    fact = space["meter_values"]("A-01", frame, seq=3, mono_s=1.0)
    assert isinstance(fact, PileMeasured)
    assert (fact.power_kw, fact.energy_kwh, fact.vehicle) == (7.0, 1.5, True)


def test_every_alert_is_in_the_handbook_and_has_words_on_the_page() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", (PAGES / "operations.md").read_text("utf-8"), re.M))
    assert set(TEXTS) <= told
    assert set(TEXTS) <= set(ALERTS)
    for kind, named in ALERTS.items():
        assert (alert_word("en", kind), alert_word("zh", kind)) == named


def test_the_contract_page_names_every_topic() -> None:
    text = (PAGES / "contract.md").read_text(encoding="utf-8")
    for topic in (*INBOUND, *OUTBOUND):
        if not topic.pattern.startswith("sim/"):
            assert f"`{topic.pattern}`" in text, topic.pattern


def test_the_json_and_toml_of_every_page_can_be_read() -> None:
    import tomllib

    for page in PAGES.glob("*.md"):
        for kind, _, body in blocks(page.name):
            if kind == "json":
                json.loads(body)
            elif kind == "toml":
                tomllib.loads(body)


def test_the_documentation_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    config = str(PAGES.parent / "mkdocs.yml")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-f", config, "-d", str(tmp_path)],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    for page in tmp_path.glob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(http[^"]+)"', page.read_text()
        )
        assert [u for u in loaded if "canonical" not in u] == [], page.name
