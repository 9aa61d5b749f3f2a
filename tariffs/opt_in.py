"""Time of use by choice: who opted in, from when, and how long the choice stands.

A book says for which customer classes its periods are a choice, for how many months it is fixed,
and which period's price holds all day for who has not chosen them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from models.errors import TariffError
from tariffs.kinds.family import Family, Version
from tariffs.settings import TariffSettings
from tariffs.table import known, need, tables
from tariffs.tariff import Tariff, TariffNote

Build = Callable[[Mapping[str, Any], TariffSettings, tuple[TariffNote, ...]], Tariff]
_KEYS = {"class", "lock_months", "single_price", "source", "mark", "note"}


@dataclass(frozen=True)
class _Choice:
    """What a book leaves to a class of customers."""

    lock_months: int
    single_price: str


def opted(book: Mapping[str, Any], settings: TariffSettings, name: str, build: Build) -> Tariff:
    """The energy tariff by what the site has chosen, version by version.

    Parameters
    ----------
    book : mapping
    settings : TariffSettings
        Its ``opt_ins``.
    name : str
        Of the book, for messages.
    build : callable
        Makes a tariff of a book, settings and notes.

    Raises
    ------
    TariffError
        If the site chose where there is nothing to choose, or changed its choice too early.
    """
    choice = _choice(book, settings, name)
    made = settings.opt_ins
    if choice is None:
        if made:
            raise TariffError(
                f"leaves no choice of periods to class '{settings.customer_class or 'any'}'",
                where=f"{name}, opt_in",
                fix="leave opt_in out",
            )
        return build(book, settings, ())
    if not made:
        note = TariffNote("assumed", f"{name}: no opt_in is set, time of use is assumed chosen")
        return build(book, settings, (note,))
    for a, b in pairwise(made):
        stood = (b.since.year - a.since.year) * 12 + b.since.month - a.since.month
        stood -= b.since.day < a.since.day
        if a.time_of_use and not b.time_of_use and stood < choice.lock_months:
            raise TariffError(
                f"time of use chosen on {a.since} is left on {b.since}, after {stood} months",
                where=f"{name}, opt_in",
                fix=f"the choice is fixed for {choice.lock_months} months",
            )
    single = _without_periods(book, choice)
    plain = replace(settings, seasons=(), options=frozenset())
    chosen = [(None, False), *((c.since, c.time_of_use) for c in made)]
    until = [*(c.since for c in made), None]
    versions = [
        Version(build(book, settings, ()) if time_of_use else build(single, plain, ()), since, end)
        for (since, time_of_use), end in zip(chosen, until, strict=True)
    ]
    return Family(name, tuple(versions))


def _choice(book: Mapping[str, Any], settings: TariffSettings, name: str) -> _Choice | None:
    for i, entry in enumerate(tables(book, "opt_in", name)):
        where = f"{name}.opt_in[{i}]"
        known(entry, _KEYS, where)
        if settings.customer_class in need(entry, "class", where):
            return _Choice(
                int(entry.get("lock_months", 0)), str(need(entry, "single_price", where))
            )
    return None


def _without_periods(book: Mapping[str, Any], choice: _Choice) -> dict[str, Any]:
    season = {"name": "without time of use", choice.single_price: ["00:00-24:00"]}
    return {**book, "season": [season], "overlay": []}
