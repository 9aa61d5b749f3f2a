"""The command line as a shell sees it: documents, messages, exit codes."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.cli import COMMANDS, exit_code, main
from adapters.config import load_site, parse_site
from adapters.data import read_sessions
from adapters.data.samples import sample_path
from models.errors import (
    ConfigurationError,
    DataError,
    InvalidValueError,
    StoreError,
    TariffError,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def shell(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "adapters.cli", *words],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in this process: code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_version_is_told_to_people_and_machines(run: Any) -> None:
    code, out, _ = run("version")
    assert (code, out.split()[0]) == (0, "valleyfill")
    code, out, _ = run("version", "--json")
    assert json.loads(out)["version"]


def test_a_command_loads_nothing_heavy_that_it_does_not_need() -> None:
    code = (
        "import sys; from adapters.cli import main; main(['version']); "
        "print([m for m in ('pandas', 'numpy', 'cvxpy', 'highspy', 'paho') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command(run: Any) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in (*COMMANDS, "bench"):
        assert name in out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_check_explains_every_example(run: Any, path: Path) -> None:
    code, out, err = run("check", str(path), "--json", "--at", "2026-07-15")
    assert (code, err) == (0, "")
    document = json.loads(out)
    site = load_site(path).site
    assert document["site"] == site.name
    assert [n["id"] for n in document["nodes"]] == list(site.network.ids)
    assert sum(p["count"] for p in document["piles"]) == len(site.piles)
    prices = document["tariff"]["prices"]
    assert (prices[0]["from"], prices[-1]["to"]) == ("00:00", "00:00")
    code, out, _ = run("check", str(path))
    assert code == 0
    assert site.name in out


def test_check_sums_the_fallbacks_as_the_kernel_counts_them(run: Any) -> None:
    _, out, _ = run("check", str(EXAMPLES / "depot-1.toml"), "--json")
    root = json.loads(out)["nodes"][0]
    assert root["fallbacks_kw"] == pytest.approx((3 * 1.4 + 4) * 1.07)
    assert root["holds_without_word_kw"] == 300


def test_a_wrong_site_file_exits_78_and_names_the_key(run: Any, tmp_path: Path) -> None:
    text = (EXAMPLES / "depot-1.toml").read_text().replace("offline_kw", "ofline_kw", 1)
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    for command in ("check", "run"):
        code, out, err = run(command, str(file))
        assert (code, out) == (78, "")
        assert "wrong.toml: assets.A-01.ofline_kw" in err
        assert "did you mean offline_kw?" in err
    code, out, err = run("check", str(file), "--json")
    document = json.loads(out)
    assert (code, document["exit"], document["error"]["code"]) == (78, 78, "configuration")
    assert "offline_kw" in document["error"]["fix"]


def test_an_unknown_tariff_exits_78_and_names_the_nearest(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text((EXAMPLES / "depot-1.toml").read_text().replace("zhejiang-2026", "zhejang"))
    code, _, err = run("check", str(file))
    assert code == 78
    assert "zhejiang" in err


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("check",),
        ("check", "a.toml", "--no-such-option"),
        ("site", "from-sessions", "no-such-file.csv", "--transformer", "150"),
        ("site", "from-sessions", str(sample_path("nyc_ch_blocks.csv")), "--transformer", "-1"),
    ],
    ids=lambda w: " ".join(w)[:40],
)
def test_wrong_usage_exits_2(run: Any, words: tuple[str, ...]) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err


def test_a_file_that_is_no_such_data_exits_65(run: Any) -> None:
    path = str(sample_path("nyc_ch_blocks.csv"))
    code, out, err = run("site", "from-sessions", path, "--transformer", "150")
    assert (code, out) == (65, "")
    assert "has no column 'session'" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 78),
        (TariffError("x"), 78),
        (InvalidValueError("x"), 78),
        (DataError("x"), 65),
        (StoreError("x"), 75),
        (ConnectionRefusedError("x"), 75),
        (RuntimeError("x"), 70),
    ],
)
def test_errors_map_to_sysexits(error: Exception, code: int) -> None:
    assert exit_code(error) == code


SESSIONS = (
    "session,pile,arrival,departure,delivered_kwh\n"
    "s1,A 1,2026-07-01T08:00:00+08:00,2026-07-01T12:00:00+08:00,9\n"
    "s2,A-2,2026-07-01T08:00:00+08:00,2026-07-01T12:00:00+08:00,9\n"
)


def test_from_sessions_writes_a_site_to_standard_output(tmp_path: Path) -> None:
    file = tmp_path / "lot.csv"
    file.write_text(SESSIONS)
    done = shell("site", "from-sessions", str(file), "--transformer", "12")
    assert done.returncode == 0, done.stderr
    site = parse_site(done.stdout).site
    assert [p.id for p in site.piles] == ["A-1", "A-2"]
    assert (site.tariff, site.zone.key) == ("zhejiang-2026", "America/Los_Angeles")
    assert site.network.root.own_limit_kw == 12
    assert "2 piles, 2 sessions" in done.stderr


def test_from_blocks_writes_site_and_sessions(run: Any, tmp_path: Path) -> None:
    sessions = tmp_path / "stays.csv"
    words = ("site", "from-blocks", str(sample_path("nyc_ch_blocks.csv")), "--depot", "CH")
    words += ("--battery-kwh", "400", "--sessions-out", str(sessions))
    code, out, err = run(*words)
    assert code == 0
    site = parse_site(out).site
    assert "Left out: 168 blocks" in err
    assert "beyond one battery" in err
    stays = read_sessions(sessions)
    assert {s.pile for s in stays} <= set(site.pile_by_id)
    code, out, _ = run(*words, "--json")
    document = json.loads(out)
    assert (document["buses"], document["sessions"]) == (len(site.piles), len(stays))
    assert parse_site(document["site"]).site.piles == site.piles


def test_blocks_are_known_for_blocks_packed_too(run: Any, tmp_path: Path) -> None:
    plain = sample_path("nyc_ch_blocks.csv")
    packed = tmp_path / "blocks.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    code, toml, _ = run("site", "from-blocks", str(packed), "--depot", "CH", "--battery-kwh", "400")
    assert code == 0
    site = tmp_path / "site.toml"
    site.write_text(toml)
    for file in (plain, packed):
        words = ("--sessions", str(file), "--from", "2026-09-15", "--to", "2026-09-16")
        code, _, err = run("simulate", str(site), *words)
        assert code != 0
        assert "holds blocks" in err
        assert "--depot" in err


def test_plan_gives_every_session_its_energy_within_the_limit(run: Any) -> None:
    code, out, _ = run("plan", str(EXAMPLES / "state.json"), "--json")
    assert code == 0
    document = json.loads(out)
    assert document["short_kwh"] == pytest.approx(0, abs=1e-6)
    asked = {s["session"]: s["asked_kwh"] - s["delivered_kwh"] for s in document["sessions"]}
    assert document["planned_kwh"] == pytest.approx(sum(asked.values()))
    assert asked["bus-2"] == pytest.approx(0.55 * 350)
    valley = [p["from"][11:13] for s in document["sessions"] for p in s["power"]]
    assert valley
    assert all(hour < "07" for hour in valley), "July's valley is 00 to 07"


def test_plan_reads_standard_input_and_refuses_what_cannot_be(tmp_path: Path) -> None:
    state = json.loads((EXAMPLES / "state.json").read_text())
    site = str(EXAMPLES / "depot-1.toml")
    state["sessions"][0]["pile"] = "Z-99"
    done = shell("plan", "-", "--site", site, "--json", stdin=json.dumps(state))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [r["code"] for r in document["rejected"]] == ["unknown_pile"]
    assert "Z-99" in done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sesions": []}, "did you mean sessions?"),
        ({"now": "2026-07-01T18:00:00"}, "no offset"),
        ({"now": None}, "now"),
        ({"sessions": []}, "holds no session"),
        ({"base_load_kw": {}}, "transformer"),
        ({"base_load_kw": {"transformr": 1}}, "did you mean transformer?"),
        ({"sessions": [{"session": "x", "pile": "A-01"}]}, "sessions[0]"),
    ],
    ids=lambda c: str(c)[:30],
)
def test_a_broken_state_is_refused_by_its_place(
    run: Any, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    state = json.loads((EXAMPLES / "state.json").read_text()) | change
    file = tmp_path / "state.json"
    file.write_text(json.dumps(state))
    code, out, err = run("plan", str(file), "--site", str(EXAMPLES / "depot-1.toml"))
    assert (code, out) == (65, "")
    assert says in err
