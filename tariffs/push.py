"""How pushed series and books come to stand over whatever tariff a site has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from models.events import PricesPushed
from models.horizon import instant_of
from tariffs.kinds.dated import Dated
from tariffs.kinds.family import Family
from tariffs.kinds.overlay import Overlay
from tariffs.kinds.spot import Spot
from tariffs.series import PriceSeries
from tariffs.tariff import Tariff
from tariffs.wrapped import Wrapped


def push_series(tariff: Tariff, series: PriceSeries) -> Tariff:
    """The tariff with a series over its energy price; fees, tiers and demand charges stay on.

    A spot tariff grows; any other gets an overlay. A later series wins where it has a price; an
    earlier one stays where it has none.
    """
    if isinstance(tariff, Overlay | Spot):
        return tariff.pushed(series)
    if isinstance(tariff, Wrapped):
        return replace(tariff, inner=push_series(tariff.inner, series))
    if isinstance(tariff, Dated):
        later = tuple((at, push_series(t, series)) for at, t in tariff.later)
        return Dated(push_series(tariff.first, series), later)
    if isinstance(tariff, Family):
        versions = (replace(v, tariff=push_series(v.tariff, series)) for v in tariff.versions)
        return Family(tariff.name, tuple(versions))
    return Overlay(tariff, series)


def gap_left(tariff: Tariff, series: PriceSeries) -> tuple[datetime, datetime] | None:
    """The gap that a pushed series would leave behind the prices known so far, if it must not.

    Only a spot tariff whose rule is ``refuse`` can be left with a gap: under any other the book,
    or the named rule, holds between the two.
    """
    core = tariff
    while isinstance(core, Wrapped | Dated):
        core = core.inner if isinstance(core, Wrapped) else core.at(int(series.starts_s[0]))
    if not isinstance(core, Spot) or core.gap != "refuse" or core.series is None:
        return None
    known_until, begins = int(core.series.ends_s[-1]), int(series.starts_s[0])
    if begins <= known_until:
        return None
    return instant_of(known_until), instant_of(begins)


def series_of(event: PricesPushed) -> PriceSeries:
    """The series of a message.

    Raises
    ------
    InvalidValueError
        If it has no price or one that is not finite.
    """
    return PriceSeries.regular(
        event.start, event.slot_minutes, event.buy_per_kwh, event.sell_per_kwh
    )


def in_force(
    site_tariff: Tariff,
    chosen: Iterable[tuple[datetime, Tariff]],
    pushed: Iterable[PricesPushed],
) -> Tariff:
    """The site's tariff, the books chosen since, and the pushed series over them.

    Parameters
    ----------
    site_tariff : Tariff
        Holds until the first chosen book.
    chosen : iterable of (datetime, Tariff)
        Books and the aware instants from which each holds.
    pushed : iterable of PricesPushed
        Laid on in the order in which they were issued.
    """
    books = sorted(chosen, key=lambda pair: pair[0])
    tariff = Dated(site_tariff, tuple(books)) if books else site_tariff
    for event in sorted(pushed, key=lambda e: (e.issued_at, e.stamp)):
        tariff = push_series(tariff, series_of(event))
    return tariff
