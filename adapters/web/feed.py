"""Keeps the newest picture: one thread that reads the store, one that counts the money."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from adapters.books import load_book
from adapters.config import SiteFile
from adapters.store.flows import Flowed, read_flows
from adapters.store.readings import EVERY_S
from adapters.store.steps import Step, StepHead, list_steps, reading_store
from adapters.web.models import History, Overview, Savings
from adapters.web.money import savings_of
from adapters.web.picture import Picture
from adapters.web.piles import Glancer
from adapters.web.series import SeriesMaker
from adapters.web.snapshot import Reader, StoreFault
from adapters.web.today import TodayMaker
from adapters.web.tree import root_load_kw, sums_of
from adapters.web.whys import Whys
from models.errors import ValleyfillError
from scheduler.pricing import Pricing

log = logging.getLogger("valleyfill.page")

POLL_S = 0.5
"""Between looks at the store: what it says is on the page within two seconds."""

AT_MOST_EVERY_S = 1.0
"""A new picture is made no more often."""

MONEY_EVERY_S = 60.0

MONEY_SHARE = 0.002
"""Of one core's time at most that counting the money may take: with a month of thousands of
sessions it is counted less often."""

WHYS_EVERY_S = 3.0
"""Sentences follow a new plan no sooner than this after the plan before: where plans come each
second, making sentences anew for each would cost as much as all the rest."""

NO_NEWS_S = 30.0
"""A daemon whose store says nothing new for so long may be gone."""


class Feed:
    """The newest picture of a site, for whoever asks.

    Parameters
    ----------
    file : SiteFile
        The site; its store is read, never written.

    Raises
    ------
    StoreError
        If there is no store.
    TariffError
        If there is no such tariff.
    """

    def __init__(self, file: SiteFile) -> None:
        self.file = file
        self._tariff = load_book(file.site.tariff, settings=file.tariff_settings)
        pricing = Pricing(file.site, self._tariff, load_book)
        reading_store(file.store_path).close()
        self._series = SeriesMaker(file.site, pricing)
        self._today = TodayMaker(file.site)
        self._glancer = Glancer(file.site)
        self._picture: Picture | None = None
        self._savings = Savings(file.site.currency, None, None, None)
        self._stopping = threading.Event()
        self._heard_s = time.monotonic()
        self._whys_s = -WHYS_EVERY_S
        self._threads = [
            threading.Thread(target=self._watch, name="feed", daemon=True),
            threading.Thread(target=self._count, name="money", daemon=True),
        ]
        self.cpu_s = 0.0
        self.built = 0

    def start(self) -> None:
        """Begin to read; the first picture is there when this returns, if the store has one."""
        self._reader = Reader(self.file.store_path)
        self._look()
        self._reader.close()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(5.0)

    @property
    def picture(self) -> Picture | None:
        """The newest picture; None before the daemon has written anything."""
        return self._picture

    def overview(self, picture: Picture) -> Overview:
        """The site at a glance, with how long the store has said nothing new."""
        age_s = time.monotonic() - self._heard_s
        state: Literal["live", "silent"] = "live" if age_s < NO_NEWS_S else "silent"
        return replace(picture.overview, daemon=state, news_age_s=age_s)

    @property
    def savings(self) -> Savings:
        """As last counted."""
        return self._savings

    def steps(self, newest: int) -> list[StepHead]:
        """The newest plans that are kept."""
        with closing(reading_store(self.file.store_path)) as base:
            return list_steps(base, newest)

    def history(self, now_s: int, hours: int) -> History:
        """What flowed in so many hours until the quarter hour that runs."""
        end = now_s // EVERY_S * EVERY_S
        starts = range(end - hours * 3600, end, EVERY_S)
        with closing(reading_store(self.file.store_path)) as base:
            flows = read_flows(base, starts.start, end)
        whole = ("base", "piles", "v2g")
        return History(
            starts_s=tuple(starts),
            slot_s=EVERY_S,
            parts={
                kind if kind in whole else f"{kind}/{name}": _at(starts, flowed)
                for (kind, name), flowed in flows.items()
            },
        )

    def _watch(self) -> None:
        # A connection belongs to its thread.
        self._reader = Reader(self.file.store_path)
        due = 0.0
        while not self._stopping.wait(POLL_S):
            if time.monotonic() < due:
                continue
            try:
                if self._look():
                    due = time.monotonic() + AT_MOST_EVERY_S - POLL_S
            except (*StoreFault, ValleyfillError):
                log.exception("the store cannot be read now")
        self._reader.close()

    def _look(self) -> bool:
        began = time.thread_time()
        reader = self._reader
        news = reader.poll()
        if reader.seen is None or not (news or self._whys_late()):
            return False
        if news:
            self._heard_s = time.monotonic()
        seen = reader.seen
        if self._picture is None:
            with closing(reading_store(self.file.store_path)) as base:
                self._series.fill_in(base, seen)
                self._today.fill_in(base, seen.now)
        self._series.know(seen)
        version = 1 if self._picture is None else self._picture.version + 1
        sums = sums_of(seen, self.file.site)
        load_kw = root_load_kw(self.file.site, seen, sums)
        self._series.hear(seen, load_kw)
        self._today.hear(seen, load_kw)
        planned = reader.planned()
        series = self._series.series(seen, planned)
        self._picture = Picture(
            version=version,
            site=self.file.site,
            seen=seen,
            sums=sums,
            piles=self._glancer.look(seen, planned, sums.silent),
            planned=planned,
            packed_plan=reader.packed_plan,
            whys=self._whys_of(reader.step),
            told=reader.events,
            price=self._series.price_ahead(series),
            series=series,
            today=self._today.today(),
        )
        self.built += 1
        self.cpu_s += time.thread_time() - began
        return True

    def _whys_of(self, step: Step | None) -> Whys | None:
        before = None if self._picture is None else self._picture.whys
        if step is None or (before is not None and not self._whys_late()):
            return before
        self._whys_s = time.monotonic()
        return Whys(step, self.file.site.zone)

    def _whys_late(self) -> bool:
        """Whether a newer plan waits for its sentences, and it is time for them."""
        shown = None if self._picture is None else self._picture.whys
        newest = self._reader.step
        waits = newest is not None and (shown is None or shown.step is not newest)
        return waits and time.monotonic() - self._whys_s >= WHYS_EVERY_S

    def _count(self) -> None:
        while True:
            began = time.thread_time()
            now = datetime.now(self.file.site.zone)
            picture = self._picture
            if picture is not None:
                now = picture.seen.now.astimezone(self.file.site.zone)
            try:
                self._savings = savings_of(self.file, self._tariff, now + timedelta(seconds=1))
            except ValleyfillError as problem:
                log.debug("no savings yet: %s", problem)
            spent_s = time.thread_time() - began
            if self._stopping.wait(max(MONEY_EVERY_S, spent_s / MONEY_SHARE)):
                return


def _at(starts: range, flowed: Flowed) -> tuple[float | None, ...]:
    kw = dict(zip(flowed.at_s.tolist(), flowed.kw.tolist(), strict=True))
    return tuple(kw.get(s) for s in starts)
