"""``make screenshots``: every view, whole, for people to look at; into artifacts/page."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.stage import staged
from benchmarks.stage_microgrid import staged_microgrid
from tests.web.browser import SHOTS, Served, chrome, served, until

VIEWS = ("dispatcher", "grid", "operator")
TALLEST = 3200


def taken(browser: Any, page: Served, name: str, device: str, views: Iterable[str]) -> None:
    """One window's pictures of one site."""
    for view, lang, theme in itertools.product(views, ("en", "zh"), ("light", "dark")):
        browser.get(f"{page.url}/{view}?lang={lang}&theme={theme}")
        until(
            lambda: browser.execute_script("return document.body.dataset.renewed") == "yes",
            "the page is renewed",
        )
        size = browser.execute_script("return [innerWidth, document.body.scrollHeight]")
        shape = {"width": size[0], "height": min(size[1], TALLEST)}
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {**shape, "deviceScaleFactor": 1, "mobile": device == "phone"},
        )
        browser.save_screenshot(str(SHOTS / f"{name}-{view}-{device}-{lang}-{theme}.png"))
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def main(only: list[str]) -> None:
    """Take them; ``only``: sites by name (54, 1800, microgrid)."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    sites = {
        "54": lambda folder: staged(folder, 54),
        "1800": lambda folder: staged(folder, 1800),
        "microgrid": staged_microgrid,
    }
    windows = {"desk": chrome(), "phone": chrome(390, 844, phone=True)}
    try:
        for name, make in sites.items():
            if only and name not in only:
                continue
            with tempfile.TemporaryDirectory() as folder, make(Path(folder)) as stage:
                stage.play([stage.limit(0.9 * stage.site.network.nodes[0].limit_kw)])
                with served(stage) as page:
                    for device, browser in windows.items():
                        taken(browser, page, name, device, VIEWS)
    finally:
        for browser in windows.values():
            browser.quit()
    print(f"pictures in {SHOTS}")


if __name__ == "__main__":
    main(sys.argv[1:])
