"""The dispatcher's view of a real night: ``python -m tests.web.night FILE.png``.

New York's Charleston buses (MTA timetables, MIT) in one process up to half past eleven, recorded
as a daemon would record it; the page is served from that store.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from adapters.books import load_book
from adapters.simulator.demo import bus_night
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.recording import Recording
from adapters.simulator.replay import prepare
from adapters.simulator.simulate import RUNGS
from scheduler.engine import Engine
from tests.web.browser import chrome, serving, until

BUSES = 54
CLOCK = timedelta(hours=23, minutes=30)


def draw(path: Path) -> None:
    """Take the picture."""
    night = bus_night(BUSES)
    site = night.file.site
    midnight = night.start.replace(hour=0, minute=0)
    replay = prepare(site, night.sessions, night.start, night.end, words="stated")
    with tempfile.TemporaryDirectory() as folder:
        file = replace(night.file, store_path=Path(folder) / "night.db")
        with closing(
            Recording(
                Engine(site, load_book(site.tariff, settings=file.tariff_settings)),
                file.store_path,
                site,
            )
        ) as engine:
            run(
                engine,
                VirtualDepot(site, replay.vehicles, start_s=night.start.timestamp()),
                until_s=(midnight + CLOCK).timestamp(),
                solve=cascade_of(*RUNGS),
            )
        browser = chrome(1400, 1500)
        try:
            with serving(file) as (_, url):
                browser.get(f"{url}/dispatcher?lang=en&theme=light")
                until(
                    lambda: browser.execute_script("return document.body.dataset.renewed") == "yes",
                    "the page is renewed",
                )
                browser.save_screenshot(str(path))
        finally:
            browser.quit()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
