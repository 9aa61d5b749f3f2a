"""The page in Chromium: three views, two languages, light and dark, a phone, 1,800 piles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.browser import Served, needs_chromium, shot, until, wrong_in

pytestmark = [needs_chromium, pytest.mark.browser]

AXE_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def text_of(browser: Any, css: str) -> str:
    return str(browser.execute_script("return document.querySelector(arguments[0]).innerText", css))


def opened(browser: Any, page: Served, path: str) -> None:
    """Open a page and wait for its first renewal, which knows the window's width."""
    browser.get(f"{page.url}/{path}")
    until(
        lambda: (
            browser.execute_script("return document.readyState + document.body.dataset.renewed")
            == "completeyes"
        ),
        "the page is renewed",
    )


HEADS = {
    ("dispatcher", "en"): ("What to do", "Piles and sessions", "Ready in time"),
    ("dispatcher", "zh"): ("待处理", "充电桩与会话", "按时可用"),
    ("grid", "en"): ("Limits received", "Nodes", "Headroom"),
    ("grid", "zh"): ("已收限值", "节点树", "余量"),
    ("operator", "en"): ("Prices", "Peak this month", "Saved today"),
    ("operator", "zh"): ("电价", "本月最大需量", "今日节省"),
}


@pytest.mark.parametrize("size", ["depot", "district", "microgrid"])
@pytest.mark.parametrize("view", ["dispatcher", "grid", "operator"])
def test_each_view_in_both_languages_light_and_dark_and_on_a_phone(
    size: str, view: str, request: pytest.FixtureRequest, window: Any, phone: Any
) -> None:
    page: Served = request.getfixturevalue(size)
    for browser, device in ((window, "desk"), (phone, "phone")):
        for lang, theme in (("en", "light"), ("zh", "dark")):
            opened(browser, page, f"{view}?lang={lang}&theme={theme}")
            body = text_of(browser, "body")
            for word in HEADS[view, lang]:
                assert word in body
            assert browser.execute_script("return document.documentElement.dataset.theme") == theme
            sideways = browser.execute_script(
                "return document.documentElement.scrollWidth - innerWidth"
            )
            assert sideways <= 0, f"{device} scrolls sideways by {sideways}"
            shot(browser, f"{view}-{page.stage.count}-{device}-{lang}-{theme}")
            assert wrong_in(browser) == []


def test_a_limit_cut_is_shown_on_the_open_page(own_depot: Served, window: Any) -> None:
    """How soon is measured by ``valleyfill bench page``."""
    stage = own_depot.stage
    opened(window, own_depot, "grid?lang=en&theme=light")
    assert not text_of(window, '[data-part="cards"] .card .value').startswith("82")
    stage.play([stage.limit(82.0)])
    until(
        lambda: text_of(window, '[data-part="cards"] .card .value').startswith("82"),
        "the new limit is shown",
    )
    until(lambda: "dr-1" in text_of(window, '[data-part="limits"]'), "and listed")
    lowered = text_of(window, '[data-part="gave_way"]')
    assert "P-00" in lowered
    assert "→" in lowered
    shot(window, "limit-cut-54-desk-en-light")


def test_the_list_holds_the_rows_in_sight_only_and_finds_any_pile(
    district: Served, window: Any
) -> None:
    opened(window, district, "dispatcher?lang=en&theme=light")
    rows = window.find_element(By.ID, "rows")
    until(lambda: rows.get_attribute("data-total") == "1800", "all piles are counted")
    in_page = len(window.find_elements(By.CSS_SELECTOR, "#rows tr:not(.gap)"))
    assert 10 < in_page <= 80
    window.execute_script("const p=document.getElementById('piles'); p.scrollTop=p.scrollHeight")
    until(lambda: "P-1800" in text_of(window, "#rows"), "the last pile is in sight")
    search = window.find_element(By.ID, "search")
    search.send_keys("P-0777")
    until(lambda: rows.get_attribute("data-total") == "1", "one pile is found")
    until(lambda: "P-0777" in text_of(window, "#rows"), "and shown")
    search.clear()
    search.send_keys(Keys.BACKSPACE)
    window.find_element(By.CSS_SELECTOR, '#show option[value="short"]').click()
    until(lambda: 0 < int(rows.get_attribute("data-total")) < 1800, "the short ones are found")
    until(lambda: "kWh short: " in text_of(window, "#rows"), "and say what they are short of")


def test_views_search_and_theme_by_keyboard_alone(depot: Served, window: Any) -> None:
    opened(window, depot, "dispatcher?lang=en&theme=light")
    body = window.find_element(By.TAG_NAME, "body")
    body.send_keys("t")
    assert window.execute_script("return document.documentElement.dataset.theme") == "dark"
    body.send_keys("/")
    assert window.switch_to.active_element.get_attribute("id") == "search"
    window.switch_to.active_element.send_keys("2")
    assert "dispatcher" in window.current_url
    window.switch_to.active_element.send_keys(Keys.TAB)
    assert window.switch_to.active_element.get_attribute("id") == "show"
    window.execute_script("document.activeElement.blur()")
    window.find_element(By.TAG_NAME, "body").send_keys("2")
    until(lambda: "/grid" in window.current_url, "the grid view is opened")
    window.find_element(By.TAG_NAME, "body").send_keys("l")
    until(lambda: "lang=zh" in window.current_url, "the language is changed")
    window.execute_script("localStorage.clear()")


def test_every_row_says_why_and_the_chart_can_be_read_as_a_table(
    depot: Served, window: Any
) -> None:
    opened(window, depot, "dispatcher?lang=en&theme=light")
    assert "waits for the valley at 00:" in text_of(window, "#rows")
    label = window.find_element(By.CSS_SELECTOR, "svg.plot").get_attribute("aria-label")
    assert "kW now, limit" in label
    window.find_element(By.CSS_SELECTOR, "details.numbers summary").click()
    assert "Base load" in text_of(window, "details.numbers table")


def test_a_renewal_takes_neither_the_keyboards_place_nor_the_scrolled_one(
    own_depot: Served, window: Any
) -> None:
    stage = own_depot.stage
    opened(window, own_depot, "dispatcher?lang=en&theme=light")
    summary = "details.numbers summary"
    window.find_element(By.CSS_SELECTOR, summary).click()
    window.execute_script("document.querySelector(arguments[0]).focus()", summary)
    window.execute_script("document.querySelector('details.numbers .scroll').scrollTop = 90")
    before = text_of(window, "details.numbers table")
    stage.play([stage.limit(83.0)])
    until(lambda: text_of(window, "details.numbers table") != before, "the table is renewed")
    there = "return document.activeElement === document.querySelector(arguments[0])"
    assert window.execute_script(there, summary)
    scrolled = "return document.querySelector('details.numbers .scroll').scrollTop"
    assert window.execute_script(scrolled) == 90


def serious_faults(browser: Any) -> list[Any]:
    """What axe-core calls serious or critical on the page as it stands."""
    from axe_playwright_python.base import AXE_SCRIPT

    # The page's own policy lets no foreign script in; the driver puts axe in past it.
    browser.execute_script(AXE_SCRIPT)
    found = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        f"axe.run(document, {json.dumps(AXE_RULES)}).then(done);"
    )
    return [
        (v["id"], [n["html"][:160] for n in v["nodes"][:3]])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("device", ["window", "phone"])
@pytest.mark.parametrize("view", ["dispatcher", "grid", "operator"])
@pytest.mark.parametrize("size", ["depot", "district", "microgrid"])
def test_axe_finds_no_serious_fault(
    size: str, view: str, device: str, request: pytest.FixtureRequest
) -> None:
    page, browser = request.getfixturevalue(size), request.getfixturevalue(device)
    for lang in ("en", "zh"):
        opened(browser, page, f"{view}?lang={lang}&theme=light")
        for theme in ("light", "dark"):
            # As the reader's own button does it, without loading the page again.
            browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
            assert serious_faults(browser) == [], (lang, theme)
        sideways = browser.execute_script("return document.documentElement.scrollWidth-innerWidth")
        assert sideways <= 0, f"{lang}: scrolls sideways by {sideways}"
