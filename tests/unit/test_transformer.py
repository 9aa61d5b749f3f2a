"""A transformer watched by its hot spot: short overload where allowed, heavy hours counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.figures import Figures
from adapters.health import Health
from adapters.report.transformer import transformer_figures
from adapters.watching import view_of
from adapters.wire.encode import encode
from models.errors import ConfigurationError
from models.network import Node
from models.thermal import ThermalPlate, ThermalRule
from scheduler.draft import Draft
from scheduler.effects import TransformerTold
from scheduler.view import limit_now_kw
from tests.unit.test_config_microgrid import FILE
from tests.world import World, pile, site

PLATE = ThermalPlate(55.0, 23.0, 6.0)
WATCHED = ThermalRule(PLATE, ambient_c=20.0, overload_allowed=False)
ALLOWED = ThermalRule(PLATE, ambient_c=20.0, overload_allowed=True, hot_spot_most_c=120.0)


def world(rule: ThermalRule | None, **node: Any) -> World:
    """A transformer of 100 kVA at unity, of which 80 % may be used."""
    root = Node(
        "transformer", rating_kva=100.0, power_factor=1.0, ceiling_share=0.8, heartbeat="none",
        thermal=rule, **node,
    )  # fmt: skip
    return World(site((pile("A"), pile("B")), root, base_load="meter"))


def limit(w: World, minutes: float = 0.0) -> float:
    at = w.state.now + timedelta(minutes=minutes)
    return limit_now_kw(Draft(w.state), w.site, 0, at)


def stood(w: World, kw: float, quarters: int) -> list[TransformerTold]:
    """So many quarter hours of one load; what was told of the transformer in them."""
    told = []
    for _ in range(quarters * 90):
        w.wait(10)
        told += [e for e in w.say(w.meter(kw)) if isinstance(e, TransformerTold)]
    return told


def test_without_the_table_nothing_is_kept_told_or_lent() -> None:
    w = world(None)
    assert stood(w, 50.0, 2) == []
    assert w.state.transformers == {}
    assert limit(w) == 80.0


def test_a_transformer_that_is_only_watched_bears_its_ceiling() -> None:
    w = world(WATCHED)
    assert stood(w, 10.0, 2)
    assert limit(w) == 80.0


def test_a_cool_one_bears_more_for_short_and_a_hot_one_its_ceiling() -> None:
    w = world(ALLOWED)
    stood(w, 30.0, 1)
    cool = limit(w)
    assert 110.0 < cool <= 150.0
    # A plan counts on it for half an hour and no further.
    assert limit(w, 29.0) == cool
    assert limit(w, 31.0) == 80.0
    stood(w, 145.0, 20)
    assert limit(w) == 80.0
    told = stood(w, 145.0, 1)
    assert told[-1].hot_spot_c > 120.0
    # A meter that has fallen silent gives no credit.
    fresh = world(ALLOWED)
    stood(fresh, 30.0, 1)
    fresh.wait(70)
    assert limit(fresh) == 80.0


def test_what_the_grid_company_says_goes_before_any_overload() -> None:
    w = world(ALLOWED)
    stood(w, 30.0, 1)
    w.say(w.limit(70.0))
    assert limit(w) == 70.0
    contracted = world(ALLOWED, contract_kw=60.0)
    stood(contracted, 30.0, 1)
    assert limit(contracted) == 60.0
    cabled = world(ALLOWED, limit_kw=90.0)
    stood(cabled, 30.0, 1)
    assert limit(cabled) == 90.0


def test_two_hours_of_heavy_load_count_once_and_a_break_begins_anew() -> None:
    w = world(WATCHED)
    stood(w, 90.0, 6)
    assert stood(w, 50.0, 2)[-1].heavy == 0
    told = stood(w, 90.0, 13)
    assert (told[-1].heavy, told[-1].over) == (1, 0)
    told = stood(w, 110.0, 10)
    assert (told[-1].heavy, told[-1].over) == (1, 1)
    assert told[-1].load == pytest.approx(1.1, abs=0.01)


def test_rated_load_uses_rated_life() -> None:
    w = world(WATCHED)
    first = stood(w, 100.0, 1)[-1]
    last = stood(w, 100.0, 8)[-1]
    assert last.hot_spot_c == pytest.approx(98.0, abs=0.1)
    hours = (last.at - first.at).total_seconds() / 3600.0
    assert last.aged_h - first.aged_h == pytest.approx(hours, rel=0.01)


def test_it_is_told_over_mqtt_and_to_a_scrape() -> None:
    w = world(WATCHED)
    told = stood(w, 100.0, 9)[-1]
    (message,) = encode("depot-1", told)
    assert message.topic.endswith("node/transformer/thermal")
    assert message.retain
    assert b'"hot_spot_c":98.0' in message.payload.replace(b": ", b":")
    view = view_of(w.state, w.site, Health(), w.state.mono_s)
    samples = {
        s.name: s.value
        for f in Figures(look=lambda: view).registry.collect()
        for s in f.samples
        if s.labels.get("node") == "transformer"
    }
    assert samples["valleyfill_transformer_hot_spot_celsius"] == pytest.approx(98.0, abs=0.1)
    assert samples["valleyfill_transformer_over"] == 0


TABLE = """
[nodes.transformer.thermal]
oil_rise_k = 55
hot_rise_k = 23
loss_ratio = 6
winding_min = 7
ambient_c = 35
overload_allowed = true
hot_spot_most_c = 120
"""


def rated(text: str) -> str:
    """The example site with a rating at its root."""
    rating = "[nodes.transformer]\nrating_kva = 500\npower_factor = 0.95\nceiling_share = 0.8\n"
    return text.replace("[nodes.transformer]\n", rating, 1)


def test_the_table_is_read_written_and_refused_by_its_key() -> None:
    file = parse_site(rated(FILE) + TABLE)
    rule = file.site.network.root.thermal
    assert rule == ThermalRule(replace(PLATE, winding_min=7.0), 35.0, True, 120.0)
    assert parse_site(site_to_toml(file)).site.network.root.thermal == rule
    where = "nodes.transformer.thermal"
    for text, what in (
        (rated(FILE) + TABLE.replace("loss_ratio = 6\n", ""), f"{where}.loss_ratio"),
        (rated(FILE) + TABLE.replace("overload_allowed = true\n", ""), f"{where}.overload_allowed"),
        (rated(FILE) + TABLE.replace("hot_spot_most_c = 120\n", ""), f"{where}.hot_spot_most_c"),
        (rated(FILE) + TABLE.replace("= 55", "= -1"), f"{where}.oil_rise_k"),
        (rated(FILE) + TABLE.replace("ambient_c = 35", "ambient_c = 350"), f"{where}.ambient_c"),
        (rated(FILE) + TABLE.replace("loss_ratio", "los_ratio"), "loss_ratio"),
        (FILE + TABLE, "rating"),
    ):
        with pytest.raises(ConfigurationError, match=what):
            parse_site(text)


def test_a_report_tells_what_its_months_did_to_it() -> None:
    told = [
        {"kind": "node/thermal", "about": "transformer", "hot_spot_c": hot, "aged_h": aged,
         "heavy": heavy, "over": over}
        for hot, aged, heavy, over in (
            (60.0, 7.0, 3, 1), (104.0, 7.5, 4, 1), (90.0, 8.0, 4, 1), (50.0, 0.5, 1, 0)
        )
    ]  # fmt: skip
    w = world(WATCHED)
    stretch: Any = SimpleNamespace(file=SimpleNamespace(site=w.site), told=tuple(told))
    found = {f.key: f.value for f in transformer_figures(stretch)}
    # Of three quarter hours; after a restart counters begin anew.
    assert found == {
        "hot_spot_transformer": 104.0,
        "aged_transformer": pytest.approx(100.0 * 1.5 / 0.75),
        "heavy_transformer": 2,
        "over_transformer": 0,
    }
    plain: Any = SimpleNamespace(file=SimpleNamespace(site=world(None).site), told=tuple(told))
    assert transformer_figures(plain) == []
