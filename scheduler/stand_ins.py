"""What prices are taken from when the tariff lacks one, so that a plan never fails for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tariffs.kinds.dated import Dated
from tariffs.kinds.flat import Flat
from tariffs.kinds.spot import Spot
from tariffs.tariff import Tariff
from tariffs.wrapped import Wrapped


def stand_ins(tariff: Tariff) -> Iterator[tuple[Tariff, str]]:
    """What prices are taken from when the tariff lacks one, each with its rule's name.

    The same clock time of the last day that has prices; then the last price known; then one
    price throughout, so that vehicles are served by urgency alone.
    """
    yield _with_gap_rule(tariff, "previous_day"), "the prices of the day before"
    yield _with_gap_rule(tariff, "hold"), "the last price known"
    yield Flat("stand-in", tariff.currency, 0.0, 0.0), "one price throughout"


RULES_ZH = {
    "the site's own tariff": "站点原电价",
    "the prices of the day before": "前一日同时段电价",
    "the last price known": "最近已知电价",
    "one price throughout": "统一价格",
}


def _with_gap_rule(tariff: Tariff, rule: Any) -> Tariff:
    if isinstance(tariff, Spot):
        return replace(tariff, gap=rule)
    if isinstance(tariff, Dated):
        later = tuple((at, _with_gap_rule(t, rule)) for at, t in tariff.later)
        return Dated(_with_gap_rule(tariff.first, rule), later)
    if isinstance(tariff, Wrapped):
        return replace(tariff, inner=_with_gap_rule(tariff.inner, rule))
    return tariff
