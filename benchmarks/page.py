"""The page's figures: its first paint in Chromium, and what an update each second costs.

The site's store is written each second, as a busy daemon does, by a process of its own; the page's
process serves one reader who asks each second, as a browser does.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

SETTLE_S = 5.0
UP_S = 180.0
PAINTS = 3
CUT_KW = 77.0


def run(sizes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Figures by number of piles.

    Parameters
    ----------
    sizes : tuple of int
    seconds : float
        How long updates are watched, s.
    """
    rows = []
    for piles in sizes:
        with tempfile.TemporaryDirectory(prefix="valleyfill-page-") as folder:
            rows.append(_one(Path(folder), piles, seconds))
    return {"rows": rows}


def _one(folder: Path, piles: int, seconds: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ready, stop, cut = context.Event(), context.Event(), context.Event()
    began = context.Value("d", 0.0)
    writer = context.Process(target=_write, args=(str(folder), piles, ready, stop, cut, began))
    writer.start()
    try:
        ready.wait(UP_S)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "adapters.cli", "page", str(folder / "site.toml")]
        page = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url)
            paints = [_first_paint(url) for _ in range(PAINTS)]
            cost = _cost(page.pid, url, seconds)
            seen = {"cut_seen_s": _cut_seen_s(url, cut, began)}
            return {"piles": piles, **cost, **_best(paints), **seen}
        finally:
            page.terminate()
            page.wait(10.0)
    finally:
        stop.set()
        writer.join(20.0)


def _write(folder: str, piles: int, ready: Any, stop: Any, cut: Any, began: Any) -> None:
    """A stage whose store changes every second; when told to, the limit falls to CUT_KW."""
    from adapters.config_writer import site_to_toml
    from benchmarks.stage import staged

    with staged(Path(folder), piles) as stage:
        (Path(folder) / "site.toml").write_text(site_to_toml(stage.file), encoding="utf-8")
        ready.set()
        while not stop.wait(1.0):
            stage.step(1.0)
            if cut.is_set():
                if not began.value:
                    began.value = time.monotonic()
                    stage.play([stage.limit(CUT_KW)])
                continue
            some = [p.id for p in stage.site.piles[: max(piles // 10, 1)]]
            told = [stage.telemetry(p, vehicle=stage.has_vehicle(p)) for p in some]
            stage.play([*told, stage.limit(1e6), stage.meter(70.0, told)])


def _await(url: str) -> None:
    end = time.monotonic() + UP_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/api/v1/site", timeout=5.0) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the page did not come up")


def _cost(pid: int, url: str, seconds: float) -> dict[str, float]:
    """CPU share of the page's process while one reader asks each second."""
    process = psutil.Process(pid)
    time.sleep(SETTLE_S)
    version, updates = 0, 0
    before = process.cpu_times()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        ask = f"{url}/parts/dispatcher?width=900&since={version}"
        with urllib.request.urlopen(ask, timeout=10.0) as answer:
            if answer.status == 200:
                version = json.load(answer)["version"]
                updates += 1
                with urllib.request.urlopen(f"{url}/rows?limit=40", timeout=10.0) as rows:
                    rows.read()
        time.sleep(1.0)
    after = process.cpu_times()
    spent = (after.user - before.user) + (after.system - before.system)
    took = time.perf_counter() - began
    return {
        "updates": updates,
        "cpu_share": spent / took,
        "cpu_ms_per_update": 1000 * spent / max(updates, 1),
        "memory_mb": process.memory_info().rss / 1e6,
    }


def _cut_seen_s(url: str, cut: Any, began: Any) -> float:
    """From the limit's arrival at the daemon to its figure on an open page, s."""
    window = _window()
    if window is None:
        return float("nan")
    try:
        window.get(f"{url}/grid?lang=en")
        time.sleep(2.0)
        cut.set()
        end = time.monotonic() + UP_S
        while time.monotonic() < end:
            css = '[data-part="cards"] .card .value'
            text = window.execute_script(
                "return document.querySelector(arguments[0]).innerText", css
            )
            if str(text).startswith(f"{CUT_KW:.0f} "):
                return float(time.monotonic() - began.value)
            time.sleep(0.02)
        return float("nan")
    finally:
        window.quit()


def _window() -> Any:
    """A fresh headless browser; None without Chromium."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        return None
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = browser
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(word)
    return webdriver.Chrome(options=options, service=Service(driver))


def _first_paint(url: str) -> float:
    """First contentful paint of a fresh browser, ms; nan without Chromium."""
    window = _window()
    if window is None:
        return float("nan")
    try:
        window.get(f"{url}/dispatcher?lang=en")
        time.sleep(1.0)
        found = window.execute_script(
            "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        return float(found)
    finally:
        window.quit()


def _best(paints: list[float]) -> dict[str, float]:
    ordered = sorted(paints)
    return {"first_paint_ms_p50": ordered[len(ordered) // 2], "first_paint_ms_best": ordered[0]}
