"""Stages and browsers, shared: they cost seconds each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.stage import staged
from benchmarks.stage_microgrid import staged_microgrid
from tests.web.browser import Served, chrome, served


@pytest.fixture(scope="session")
def depot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """54 piles."""
    with staged(tmp_path_factory.mktemp("depot"), 54) as stage, served(stage) as page:
        yield page


@pytest.fixture(scope="session")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """1,800 piles."""
    with staged(tmp_path_factory.mktemp("district"), 1800) as stage, served(stage) as page:
        yield page


@pytest.fixture(scope="session")
def microgrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Sun, a storage, and vehicles that give back."""
    with staged_microgrid(tmp_path_factory.mktemp("micro")) as stage, served(stage) as page:
        yield page


@pytest.fixture(scope="session")
def window() -> Iterator[Any]:
    """A desk's browser."""
    browser = chrome()
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def phone() -> Iterator[Any]:
    """A phone's."""
    browser = chrome(390, 844, phone=True)
    yield browser
    browser.quit()


@pytest.fixture
def own_depot(tmp_path: Path) -> Iterator[Served]:
    """54 piles that a test may change."""
    with staged(tmp_path, 54) as stage, served(stage) as page:
        yield page
