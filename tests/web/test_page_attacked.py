"""The page under what the world does to it: foreign words, a daemon that goes, no data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from adapters.config import SiteFile
from adapters.store.schema import open_store
from adapters.web import feed as feeds
from benchmarks.stage import Stage, site_of, staged
from tests.web.browser import Served, needs_chromium, served, shot, until, wrong_in
from tests.web.test_page import opened, text_of

pytestmark = [needs_chromium, pytest.mark.browser]


@pytest.fixture(autouse=True)
def left_blank(window: Any, phone: Any) -> Iterator[None]:
    """No window goes on asking a page that is gone, nor keeps its complaints for the next test."""

    def blank() -> None:
        for browser in (window, phone):
            browser.get("about:blank")
            wrong_in(browser)

    blank()
    yield
    blank()


EVIL = "<img src=x onerror=\"document.title='owned'\">&amp;'"
LIMIT = '[data-part="cards"] .card .value'


def test_words_of_others_are_text_and_do_nothing(own_depot: Served, window: Any) -> None:
    stage = own_depot.stage
    stage.play([stage.telemetry("P-0012", vehicle=False, fault=EVIL)])
    for lang in ("en", "zh"):
        opened(window, own_depot, f"dispatcher?lang={lang}&theme=light")
        window.find_element(By.ID, "search").send_keys("P-0012")
        until(lambda: EVIL in text_of(window, "#rows"), "the fault's word is shown as it came")
        for view in ("grid", "operator"):
            opened(window, own_depot, f"{view}?lang={lang}&theme=light")
        assert window.find_elements(By.CSS_SELECTOR, "img") == []
        assert window.title != "owned"
    assert wrong_in(window) == []


def test_two_readers_see_the_same_each_in_its_language(
    own_depot: Served, window: Any, phone: Any
) -> None:
    stage = own_depot.stage
    opened(window, own_depot, "grid?lang=en&theme=light")
    opened(phone, own_depot, "grid?lang=zh&theme=dark")
    stage.play([stage.limit(80.0)])
    for browser, word in ((window, "by grid company"), (phone, "来源：电网公司")):
        until(lambda b=browser: text_of(b, LIMIT).startswith("80"), "the limit is shown")  # type: ignore[misc]
        assert word in text_of(browser, '[data-part="cards"]')


def test_a_daemon_that_goes_and_comes_back_is_told_and_picked_up(
    tmp_path: Path, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "NO_NEWS_S", 0.5)
    with staged(tmp_path, 18) as stage, served(stage) as page:
        opened(window, page, "grid?lang=en&theme=light")
        stage.close()
        until(lambda: "no news for" in text_of(window, '[data-part="head"]'), "silence is told")
        again = Stage(tmp_path, 18)
        try:
            again.evening()
            again.play([again.limit(33.0)])
            until(lambda: text_of(window, LIMIT).startswith("33"), "the new run is shown")
        finally:
            again.close()
        # The page goes on by itself: nobody has to load it anew.
        assert "/grid" in window.current_url


def test_a_page_that_is_gone_is_pale_until_it_is_back(tmp_path: Path, window: Any) -> None:
    with staged(tmp_path, 18) as stage:
        with served(stage) as page:
            opened(window, page, "operator?lang=en&theme=light")
        until(
            lambda: "lost" in window.execute_script("return document.body.className"),
            "what is shown is marked as old",
        )


def test_before_the_daemons_first_word_the_page_says_so(tmp_path: Path, window: Any) -> None:
    site = site_of(18)
    path = tmp_path / "empty.db"
    open_store(path).close()

    class Empty:
        file = SiteFile(site=site, store_path=path)

    with served(Empty()) as page:  # type: ignore[arg-type]
        for view in ("dispatcher", "grid", "operator"):
            window.get(f"{page.url}/{view}?lang=en")
            assert "has not written anything yet" in text_of(window, "main")


def test_a_site_without_a_single_vehicle_has_all_three_views(tmp_path: Path, window: Any) -> None:
    stage = Stage(tmp_path, 18)
    try:
        stage.play([stage.limit(50.0)])
        with served(stage) as page:
            for view in ("dispatcher", "grid", "operator"):
                opened(window, page, f"{view}?lang=en&theme=light")
                shot(window, f"{view}-empty-desk-en-light")
            assert wrong_in(window) == []
            opened(window, page, "dispatcher?lang=en&theme=light")
            assert "has never been heard: counted with" in text_of(window, "#rows")
    finally:
        stage.close()
