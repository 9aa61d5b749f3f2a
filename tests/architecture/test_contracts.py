"""The rules of the house, and that each of them catches the violation it is there for."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("models", "tariffs", "scheduler", "adapters", "benchmarks")
PURE = ("models", "tariffs", "scheduler")
LINT = Path(sys.executable).with_name("lint-imports")

pytestmark = pytest.mark.skipif(not LINT.exists(), reason="import-linter is not installed")


def lint(where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINT), "--no-cache"], cwd=where, capture_output=True, text=True, check=False
    )


def contracts() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {c["id"]: c["name"] for c in project["tool"]["importlinter"]["contracts"]}


def sources(*floors: str) -> Iterator[Path]:
    for floor in floors:
        yield from sorted((ROOT / floor).rglob("*.py"))


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the packages, to build violations into."""
    for floor in FLOORS:
        shutil.copytree(
            ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__", "*.toml")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(house: Path, module: str, line: str) -> None:
    file = house / (module.replace(".", "/") + ".py")
    file.write_text((file.read_text() if file.exists() else "") + f"\n{line}\n")


def test_every_contract_is_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


PLANTED = {
    "floors": [
        ("models.units", "import tariffs.tariff"),
        ("scheduler.view", "import adapters.config"),
        ("adapters.config", "import benchmarks.bench_site"),
    ],
    "pure": [
        ("scheduler.engine", "import sqlite3"),
        ("models.site", "import pandas"),
        ("tariffs.tariff", "import time"),
        ("scheduler.step", "from paho.mqtt import client"),
    ],
    "solvers": [("scheduler.solvers.highs", "import scheduler.solvers.greedy")],
    "kinds": [("tariffs.kinds.flat", "import tariffs.kinds.spot")],
    "solvers-by-name": [("scheduler.cascade", "import scheduler.solvers.greedy")],
    "control": [("adapters.inbox", "import pandas"), ("adapters.daemon", "import ortools")],
    "cycles": [("models.units", "import models.site")],
}


def test_every_contract_has_a_planted_violation() -> None:
    assert set(contracts()) == set(PLANTED)


@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [(c, module, line) for c, cases in PLANTED.items() for module, line in cases],
)
def test_a_planted_violation_is_caught(house: Path, contract: str, module: str, line: str) -> None:
    plant(house, module, line)
    done = lint(house)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{contracts()[contract]} BROKEN" in " ".join(done.stdout.split())


def test_no_package_stands_outside_the_floors() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["importlinter"]["root_packages"]) == set(FLOORS)
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == set(FLOORS), "a new top-level package needs a floor"


CLOCKS = {"now", "today", "utcnow", "time", "monotonic", "perf_counter", "localtime", "sleep"}
HOLDERS = {"datetime", "date", "time"}


def clock_reads(text: str) -> list[int]:
    """Lines on which a source reads a clock or draws chance."""
    lines = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder = node.func.value
            name = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
            if node.func.attr in CLOCKS and name in HOLDERS:
                lines.append(node.lineno)
            if name == "random" and node.func.attr != "Generator":
                lines.append(node.lineno)
    return lines


def test_the_pure_floors_read_no_clock_and_draw_no_chance() -> None:
    found = {
        str(p.relative_to(ROOT)): clock_reads(p.read_text())
        for p in sources(*PURE)
        if p.stem != "flow_warm"  # a tool for the installation, not a solver
    }
    assert {k: v for k, v in found.items() if v} == {}


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "time.monotonic()",
        "np.random.default_rng()",
    ],
)
def test_a_planted_clock_is_caught(line: str) -> None:
    assert clock_reads(f"x = {line}\n") == [1]
    assert clock_reads("state.now()\ndraft.get('now')\n") == []


PURE_LIBRARIES = {"numpy", "holidays", "chinese_calendar"}
"""What a pure floor may import beside the standard library: arrays, and tables of holidays."""


def test_the_pure_floors_import_only_what_is_allowed() -> None:
    strange = []
    for path in sources(*PURE):
        if "solvers" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                top = name.split(".")[0]
                known = top in sys.stdlib_module_names or top in PURE_LIBRARIES or top in PURE
                if not known:
                    strange.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {name}")
    assert strange == []


HEAVY = ("cvxpy", "ortools", "pandas", "highspy", "numba", "scipy", "matplotlib")


def test_the_control_process_loads_no_solver_and_no_pandas() -> None:
    code = f"import sys, adapters.daemon; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
