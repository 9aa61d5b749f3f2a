"""How a pushed price series comes to stand over whatever tariff a site has."""

from __future__ import annotations

from dataclasses import replace

from tariffs.kinds.overlay import Overlay
from tariffs.series import PriceSeries
from tariffs.tariff import Tariff
from tariffs.wrapped import Wrapped


def push_series(tariff: Tariff, series: PriceSeries) -> Tariff:
    """The tariff with a series over its energy price; fees, tiers and demand charges stay on.

    A later series wins where it has a price; an earlier one stays where it has none.
    """
    if isinstance(tariff, Overlay):
        return tariff.pushed(series)
    if isinstance(tariff, Wrapped):
        return replace(tariff, inner=push_series(tariff.inner, series))
    return Overlay(tariff, series)
