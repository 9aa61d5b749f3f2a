"""The books that messages name: a shipped one, or tariff periods written out in the message."""

from __future__ import annotations

import json
from dataclasses import replace

from adapters.books import load_book
from models.errors import TariffError
from tariffs.build import build_tariff
from tariffs.calendar import NoHolidays
from tariffs.settings import TariffSettings
from tariffs.tariff import PERIODS, Tariff

_NAME = "pushed periods"


def pushed_book(text: str, *, settings: TariffSettings, currency: str) -> Tariff:
    """The tariff that a message means: a shipped book by name, or periods in their text.

    Parameters
    ----------
    text : str
        A name, or what :func:`adapters.wire.book_text.book_text` wrote.
    settings : TariffSettings
        The site's; of a book written out, what names the site's own book is left aside.
    currency : str
        Of the site: prices in a message are in it.

    Raises
    ------
    TariffError
        If there is no such book, it leaves a gap, or lacks a number. A path is no name: nobody
        reads files by message.
    """
    if not text.startswith("{"):
        if text.endswith(".toml") or "/" in text or "\\" in text:
            raise TariffError(f"'{text}' is a path, no name of a book", where="book")
        return load_book(text, settings=settings)
    head = {
        "name": _NAME,
        "kind": "time_of_use",
        "currency": currency,
        "method": "absolute",
        "sell": "nothing",
        "periods": list(PERIODS),
    }
    own = replace(
        settings,
        customer_class="",
        options=frozenset(),
        opt_ins=(),
        components=(),
        ratios={},
        seasons=(),
    )
    return build_tariff({**head, **json.loads(text)}, own, NoHolidays())
