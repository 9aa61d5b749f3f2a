"""One word per thing: the words that the glossary rules out do not appear as our identifiers."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("models", "tariffs", "scheduler", "adapters", "benchmarks")

RULED_OUT = {
    "charger": "pile",
    "chargers": "piles",
    "station": "pile",
    "stations": "piles",
    "loadpoint": "pile",
    "loadpoints": "piles",
    "evse": "pile",
    "evses": "piles",
    "job": "session",
    "jobs": "sessions",
    "schedule": "plan",
    "schedules": "plans",
    "timestep": "slot",
    "timesteps": "slots",
    "circuit": "feeder",
    "circuits": "feeders",
}
"""Word and what to say. Words with a second, honest meaning (zone, order, rate, demand, step) are
left to the reader; a library's own words (``add_job``) are its own."""

OWN_MEANING = {
    "adapters/ticker.py": {"jobs"},
    "adapters/daemon.py": {"jobs"},
    "adapters/parts.py": {"jobs"},
}
"""Calendar jobs (tariff refresh, month end) are jobs: the word is ruled out for sessions alone."""


def defined(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that a source defines: classes, functions, arguments, variables, fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield (node.id if isinstance(node, ast.Name) else node.attr), node.lineno


def words(identifier: str) -> list[str]:
    """snake_case and CamelCase taken apart."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier)
    return [w.lower() for w in spaced.split("_") if w]


def ruled_out(text: str, meant: Collection[str] = ()) -> list[str]:
    found = []
    for name, line in defined(ast.parse(text)):
        found += [
            f"line {line}: {name} (say {RULED_OUT[w]})"
            for w in words(name)
            if w in RULED_OUT and w not in meant
        ]
    return found


def test_identifiers_use_the_glossary() -> None:
    found = {
        str(path.relative_to(ROOT)): ruled_out(
            path.read_text(), OWN_MEANING.get(str(path.relative_to(ROOT)), ())
        )
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
    }
    assert {k: v for k, v in found.items() if v} == {}


def test_file_names_use_the_glossary() -> None:
    stems = [p for floor in FLOORS for p in (ROOT / floor).rglob("*.py")]
    assert [str(p) for p in stems if set(words(p.stem)) & set(RULED_OUT)] == []


@pytest.mark.parametrize(
    "line",
    [
        "class ChargerState: ...",
        "def assign_job(): ...",
        "station_id = 1",
        "def plan(schedule): ...",
    ],
)
def test_a_planted_word_is_caught(line: str) -> None:
    assert ruled_out(line)
    assert ruled_out("import scheduler\nrescheduled = 1\nx.add_job(f)\n") == []


def test_the_glossary_lists_every_term() -> None:
    import models

    for term in ("pile", "session", "setpoint", "plan", "horizon, slot", "laxity", "lease"):
        assert term in (models.__doc__ or "")
