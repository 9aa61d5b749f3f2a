"""The page in headless Chromium, served from a staged store."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from adapters.config import SiteFile
from adapters.web.api import build_app
from adapters.web.feed import Feed
from benchmarks.stage import Stage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="Chromium and its driver are not installed"
)
SHOTS = Path(__file__).parents[2] / "artifacts" / "page"


@dataclass
class Served:
    """A page on loopback, its stage, and its feed."""

    stage: Stage
    feed: Feed
    url: str


@contextlib.contextmanager
def served(stage: Stage) -> Iterator[Served]:
    """The page of a stage on a free port."""
    with serving(stage.file) as (feed, url):
        yield Served(stage, feed, url)


@contextlib.contextmanager
def serving(file: SiteFile) -> Iterator[tuple[Feed, str]]:
    """The page of a site's store on a free port: its feed, and where it is."""
    feed = Feed(file)
    feed.start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(build_app(feed), host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server has started")
    try:
        yield feed, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10.0)
        feed.stop()


def chrome(width: int = 1400, height: int = 1000, *, phone: bool = False) -> Any:
    """A browser window."""
    options = Options()
    options.binary_location = CHROMIUM
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        f"--window-size={width},{height}",
    ):
        options.add_argument(word)
    if phone:
        screen = {"width": width, "height": height, "pixelRatio": 1}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": screen})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


def until(true: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    """Wait for something, or fail with its name."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with contextlib.suppress(Exception):
            if true():
                return
        time.sleep(0.05)
    raise AssertionError(f"not in {timeout_s:g} s: {what}")


def wrong_in(browser: Any) -> list[str]:
    """What the browser's console complains of."""
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def shot(browser: Any, name: str) -> None:
    """Keep a picture for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SHOTS / f"{name}.png"))
