"""Does a book say one thing, and only one, for every minute of its validity?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import ValleyfillError
from models.horizon import IntArray, epoch_s, instant_of
from tariffs.book_shape import check_shape
from tariffs.build import build_tariff, validity
from tariffs.calendar import HolidayCalendar
from tariffs.day_rule import DayRule, clock
from tariffs.kinds.time_of_use import TimeOfUse
from tariffs.period_prices import Component
from tariffs.scope import DAY_MINUTES
from tariffs.settings import TariffSettings
from tariffs.tariff import PERIODS, Tariff
from tariffs.wrapped import Wrapped

_MAX_PROBLEMS = 20
_STAND_IN = Component(date(1970, 1, 1), 1.0, 1.0)


@dataclass(frozen=True)
class BookCheck:
    """What checking a book found.

    Parameters
    ----------
    name : str
    variants : tuple of str
        The customer classes and options it was built with.
    days : int
        Civil days looked at, over all variants.
    problems : tuple of str
        What is wrong with the book.
    needs : tuple of str
        What a site has to give before the book has prices; stood in for while checking.
    """

    name: str
    variants: tuple[str, ...]
    days: int
    problems: tuple[str, ...]
    needs: tuple[str, ...]


def check_book(
    book: Mapping[str, Any],
    calendar: HolidayCalendar,
    *,
    first: date,
    last: date,
    zones: Sequence[ZoneInfo],
) -> BookCheck:
    """Looks at every minute of every civil day in [first, last] that the book is valid for.

    Parameters
    ----------
    book : mapping
        As read from TOML.
    calendar : HolidayCalendar
    first, last : date
        Inclusive.
    zones : sequence of ZoneInfo
        On days on which one of them moves its clocks, the priced minutes are compared with the
        local clock one by one.
    """
    name = str(book.get("name", "?"))
    problems = [f"{key} is missing" for key in ("name", "source", "mark") if not book.get(key)]
    try:
        check_shape(book)
    except ValleyfillError as error:
        return BookCheck(name, (), 0, (*problems, str(error)), ())
    problems.extend(_unknown_holidays(book, calendar, first, last))
    needs = _needs(book)
    variants: list[str] = []
    days = 0
    for variant, settings in _variants(book):
        try:
            tariff = build_tariff(book, settings, calendar)
            since, until = validity(book)
            lo = max(first, since) if since else first
            hi = min(last, until - timedelta(days=1)) if until else last
            days += _check_variant(tariff, calendar, lo, hi, zones, variant, problems)
        except ValleyfillError as error:
            problems.append(f"[{variant}] {error}")
        variants.append(variant)
    unique = tuple(dict.fromkeys(problems))[:_MAX_PROBLEMS]
    return BookCheck(name, tuple(variants), days, unique, needs)


def unwrapped(tariff: Tariff) -> Tariff:
    """The energy tariff at the core of fees, tiers and demand charges."""
    while isinstance(tariff, Wrapped):
        tariff = tariff.inner
    return tariff


def _unknown_holidays(
    book: Mapping[str, Any], calendar: HolidayCalendar, first: date, last: date
) -> Iterator[str]:
    """Names that no day bears: a misspelt holiday would never be noticed otherwise."""
    rules = [r for key in ("season", "overlay", "values") for r in book.get(key, ())]
    asked = {name for rule in rules for name in rule.get("holidays", ())} - {"any"}
    if not asked:
        return
    days = (first + timedelta(days=i) for i in range((last - first).days + 1))
    known = {place.name for day in days for place in calendar.day(day).holidays}
    for name in sorted(asked - known):
        yield f"no day is called '{name}'; the calendar knows {', '.join(sorted(known))}"


def _needs(book: Mapping[str, Any]) -> tuple[str, ...]:
    needs = []
    if book.get("method", "absolute") != "absolute" and not book.get("components"):
        needs.append("components")
    lacking = _unpriced(book)
    if lacking:
        needs.append(f"ratios of {', '.join(lacking)}")
    if book.get("kind") == "time_of_use" and not any(
        "option" not in season for season in book.get("season", ())
    ):
        needs.append("seasons, or an option that assumes them")
    return tuple(needs)


def _unpriced(book: Mapping[str, Any]) -> list[str]:
    periods = book.get("periods", PERIODS)
    rules = [*book.get("season", ()), *book.get("overlay", ())]
    used = [p for p in periods if any(p in r or r.get("rest") == p for r in rules)]
    return [p for p in used if not any(p in v for v in book.get("values", ()))]


def _variants(book: Mapping[str, Any]) -> Iterator[tuple[str, TariffSettings]]:
    """Every customer class with no option, and with each option alone, as far as it can be."""
    ratio = book.get("method", "absolute") != "absolute"
    base = TariffSettings(
        installed_kva=1000.0,
        voltage_kv=10.0,
        components=(_STAND_IN,) if ratio and not book.get("components") else (),
        ratios=dict.fromkeys(_unpriced(book), 1.0),
    )
    tables = [e for key in ("season", "overlay", "values") for e in book.get(key, ())]
    options = sorted({e[key] for e in tables for key in ("option", "not_option") if key in e})
    if book.get("kind") == "time_of_use" and all("option" in s for s in book.get("season", ())):
        plain: list[frozenset[str]] = []
    else:
        plain = [frozenset()]
    for customer in book.get("classes") or [""]:
        for chosen in [*plain, *(frozenset({o}) for o in options)]:
            if not _offered(book, customer, chosen):
                continue
            label = " + ".join([customer or "every customer", *sorted(chosen)])
            yield label, replace(base, customer_class=customer, options=chosen)


def _offered(book: Mapping[str, Any], customer: str, chosen: frozenset[str]) -> bool:
    """Whether a class may choose an option: some rule holds for both."""
    return not chosen or any(
        entry.get("option") in chosen and customer in entry.get("class", [customer])
        for key in ("season", "overlay", "values")
        for entry in book.get(key, ())
    )


def _check_variant(
    tariff: Tariff,
    calendar: HolidayCalendar,
    first: date,
    last: date,
    zones: Sequence[ZoneInfo],
    variant: str,
    problems: list[str],
) -> int:
    core = unwrapped(tariff)
    day, count = first, 0
    while day <= last:
        count += 1
        if isinstance(core, TimeOfUse):
            problems.extend(f"[{variant}] {text}" for text in _day_problems(core, calendar, day))
            core.bands_of(day)
        for zone in zones:
            if _clocks_move(day, zone):
                problems.extend(f"[{variant}] {t}" for t in _minute_problems(core, day, zone))
        if len(problems) > _MAX_PROBLEMS:
            break
        day += timedelta(days=1)
    return count


def _day_problems(tariff: TimeOfUse, calendar: HolidayCalendar, day: date) -> Iterator[str]:
    """Counts, minute by minute, how many bands of the day's rules hold."""
    kind = calendar.day(day)
    max_c = tariff.temperatures_c.get(day)
    count = np.zeros(DAY_MINUTES, dtype=np.int64)
    for season in tariff.seasons:
        if season.scope.matches(kind, max_c):
            for band in season.bands:
                count[band.start_min : band.end_min] += 1
    for wrong, word in ((count == 0, "has no period"), (count > 1, "has several periods")):
        if bool(np.any(wrong)):
            minute = int(np.argmax(wrong))
            yield f"{day} {clock(minute)} {word} ({int(wrong.sum())} minutes)"
    overlays = [o for o in tariff.overlays if o.scope.matches(kind, max_c)]
    for i, first in enumerate(overlays):
        for second in overlays[i + 1 :]:
            if _contradict(first, second):
                yield f"{day}: the overlays '{first.name}' and '{second.name}' contradict"


def _contradict(first: DayRule, second: DayRule) -> bool:
    return any(
        a.period != b.period and a.start_min < b.end_min and b.start_min < a.end_min
        for a in first.bands
        for b in second.bands
    )


def _clocks_move(day: date, zone: ZoneInfo) -> bool:
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    return epoch_s(end) - epoch_s(start) != 86_400


def _minute_problems(tariff: Tariff, day: date, zone: ZoneInfo) -> Iterator[str]:
    """Every elapsed minute of a day against the band that the local clock shows."""
    following = day + timedelta(days=1)
    lo = epoch_s(datetime(day.year, day.month, day.day, tzinfo=zone))
    hi = epoch_s(datetime(following.year, following.month, following.day, tzinfo=zone))
    steps = tariff.steps(lo, hi, zone)
    if int(steps.starts_s[0]) != lo or steps.end_s != hi:
        yield f"{day} in {zone.key}: prices do not reach over the whole day"
    if not isinstance(tariff, TimeOfUse):
        return
    painted = np.empty(DAY_MINUTES, dtype=object)
    for band in tariff.bands_of(day):
        painted[band.start_min : band.end_min] = band.period
    at, minutes = _local_minutes(day, zone)
    priced = steps.period[np.searchsorted(steps.starts_s, at, side="right") - 1]
    wrong = np.flatnonzero(priced != painted[minutes])
    if wrong.size:
        k = int(wrong[0])
        local = instant_of(int(at[k])).astimezone(zone).isoformat()
        yield f"{local}: the clock says {painted[minutes[k]]}, the prices say {priced[k]}"


@lru_cache(maxsize=64)
def _local_minutes(day: date, zone: ZoneInfo) -> tuple[IntArray, IntArray]:
    """Every elapsed minute of a day, and what the local clock shows, one by one."""
    following = day + timedelta(days=1)
    lo = epoch_s(datetime(day.year, day.month, day.day, tzinfo=zone))
    hi = epoch_s(datetime(following.year, following.month, following.day, tzinfo=zone))
    at = np.arange(lo, hi, 60, dtype=np.int64)
    shown = [instant_of(int(s)).astimezone(zone) for s in at]
    return at, np.array([t.hour * 60 + t.minute for t in shown], dtype=np.int64)
