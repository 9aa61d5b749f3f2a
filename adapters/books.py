"""Books of published prices: reads the files, hands plain mappings to the tariffs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from models.errors import TariffError
from tariffs.build import build_tariff, validity
from tariffs.calendar import Fallback, HolidayCalendar, NoHolidays, PublicHolidays
from tariffs.kinds.family import Family, Version
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff


@dataclass(frozen=True)
class BookInfo:
    """What a list of books shows."""

    name: str
    family: str
    title: str
    kind: str
    currency: str
    valid_from: date | None
    valid_until: date | None
    source: str
    mark: str
    missing: tuple[str, ...]


@cache
def read_books() -> dict[str, dict[str, Any]]:
    """Every shipped book by name, as plain mappings: read once, for all to look at."""
    found: dict[str, dict[str, Any]] = {}
    for entry in sorted(resources.files("tariffs.books").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            book = tomllib.loads(entry.read_text(encoding="utf-8"))
            found[str(book["name"])] = book
    return found


def read_book_file(path: Path) -> dict[str, Any]:
    """One book from a file.

    Raises
    ------
    TariffError
        If the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TariffError(f"cannot be read: {error}", where=str(path)) from error


def list_books() -> list[BookInfo]:
    """What is shipped, by name."""
    return [book_info(book) for _, book in sorted(read_books().items())]


def book_info(book: Mapping[str, Any]) -> BookInfo:
    """The head of a book."""
    valid_from, valid_until = validity(book)
    return BookInfo(
        name=str(book["name"]),
        family=str(book.get("family", "")),
        title=str(book.get("title", "")),
        kind=str(book.get("kind", "")),
        currency=str(book.get("currency", "")),
        valid_from=valid_from,
        valid_until=valid_until,
        source=str(book.get("source", "")),
        mark=str(book.get("mark", "")),
        missing=tuple(book.get("missing", ())),
    )


def load_book(
    name: str | Path,
    *,
    holidays: str | None = None,
    fallback: Fallback | None = None,
    holiday_overrides: Mapping[date, str] | None = None,
    settings: TariffSettings | None = None,
) -> Tariff:
    """The tariff of a book, a family, or a book file.

    Parameters
    ----------
    name : str or Path
        A family (its versions are picked by civil date), a book's own name (pinned: its rules
        hold whatever the date), or the path of a TOML file.
    holidays, fallback, holiday_overrides : optional
        As in :class:`tariffs.settings.TariffSettings`; the site's settings unless given.
    settings : TariffSettings, optional
        The site's side; none: what the books give alone.

    Raises
    ------
    TariffError
        If there is no such book (the nearest names are told), or it cannot be built.
    """
    site = settings or TariffSettings()
    named = holidays or site.holidays
    if named not in ("default", "none"):
        raise TariffError(f"unknown holidays '{named}'", fix="say default or none")
    follows = fallback or site.holiday_fallback
    overrides = site.holiday_overrides if holiday_overrides is None else holiday_overrides

    def build(book: Mapping[str, Any]) -> Tariff:
        return build_tariff(book, site, calendar_of(book, named, follows, overrides))

    found, family = _books_of(name)
    if not family:
        return build(found[0])
    return Family(str(name), tuple(Version(build(book), *validity(book)) for book in found))


def _books_of(name: str | Path) -> tuple[list[dict[str, Any]], bool]:
    """The books behind a name, and whether it is a family's.

    Raises
    ------
    TariffError
        If there is none.
    """
    text = str(name)
    if text.endswith(".toml"):
        return [read_book_file(Path(name))], False
    books = read_books()
    if text in books:
        return [books[text]], False
    members = [book for book in books.values() if book.get("family") == text]
    if members:
        return members, True
    raise TariffError(f"there is no book or family '{text}'", fix=_nearest(text, books))


def calendar_of(
    book: Mapping[str, Any],
    holidays: str,
    fallback: Fallback,
    overrides: Mapping[date, str] | None,
) -> HolidayCalendar:
    """The calendar a book follows; a book without a country knows weekdays only."""
    country = book.get("country")
    if holidays == "none" or country is None:
        return NoHolidays()
    return PublicHolidays(
        str(country), str(book.get("subdivision", "")), fallback, dict(overrides or {})
    )


def holidays_of(name: str, settings: TariffSettings) -> HolidayCalendar | None:
    """The days that a site's tariff takes for holidays, also where its prices do not ask.

    Parameters
    ----------
    name : str
        As in :func:`load_book`.
    settings : TariffSettings
        The site's. A year that is not published has its days by law where they say ``refuse``:
        that is of prices.

    Returns
    -------
    HolidayCalendar or None
        None where the book names no country, the site wants none, or there is no such book.
    """
    fallback = "statutory" if settings.holiday_fallback == "refuse" else settings.holiday_fallback
    try:
        books, _ = _books_of(name)
    except TariffError:
        return None
    found = (calendar_of(b, settings.holidays, fallback, settings.holiday_overrides) for b in books)
    return next((calendar for calendar in found if not isinstance(calendar, NoHolidays)), None)


def read_holiday_overrides(path: Path) -> dict[date, str]:
    """An override file: TOML with dates as keys and a holiday's name, ``workday``, ``ordinary``.

    Raises
    ------
    TariffError
        If a key is no date or a value no word.
    """
    found: dict[date, str] = {}
    for key, value in read_book_file(path).items():
        try:
            day = date.fromisoformat(key)
        except ValueError as error:
            raise TariffError(f"'{key}' is no date", where=str(path)) from error
        if not isinstance(value, str) or not value:
            raise TariffError(f"{value!r} is no word", where=f"{path}, {key}")
        found[day] = value
    return found


def _nearest(text: str, books: Mapping[str, Mapping[str, Any]]) -> str:
    from difflib import get_close_matches

    names = sorted({*books, *(str(b["family"]) for b in books.values() if b.get("family"))})
    near = get_close_matches(text, names, n=3, cutoff=0.4)
    return f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(names)}"
