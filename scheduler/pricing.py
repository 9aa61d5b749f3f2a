"""What the site pays: its own tariff, the books chosen since, the prices pushed over them.

What is kept does not depend on the order in which messages came. When the tariff lacks a price
inside the window the plan must not fail: stand-ins are tried in their order, and an alert says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from models.errors import InvalidValueError, TariffError, TariffGapError
from models.events import BookChosen, PricesPushed, Stamp
from models.horizon import Horizon, epoch_s, instant_of
from models.site import Site
from scheduler.draft import Draft
from scheduler.effects import Rejected
from scheduler.report import clear_alert, raise_alert
from scheduler.stand_ins import RULES_ZH, stand_ins
from tariffs.demand import DemandTerm, month_bounds
from tariffs.kinds.dated import Dated
from tariffs.push import gap_left, in_force, series_of
from tariffs.tariff import Prices, Tariff

Books = Callable[[str], Tariff]
"""Gives the tariff of a book by its name, or raises TariffError; pure for the engine."""

PRICES_KEPT = timedelta(days=8)
"""How far back pushed prices are kept: as far as the gap rule ``previous_day`` looks."""

MESSAGES_KEPT = 32
"""Messages of one tariff that are kept; more than a market publishes in so many days."""

NAMES_KEPT = 32
"""Topics that may each choose books."""

BOOKS_FOUND = 64
"""Tariffs of named or written out books that are kept ready; more are found anew."""


def no_books(name: str) -> Tariff:
    """The books of a host that has none."""
    raise TariffError(f"no books are at hand to find '{name}' in", where="book")


def kept_prices(known: tuple[PricesPushed, ...], event: PricesPushed) -> tuple[PricesPushed, ...]:
    """The messages of one tariff that still matter, one more among them, by their stamps.

    What newer ones cover whole is left out, and so is what ended ``PRICES_KEPT`` ago; the last
    price known is kept however old it is.
    """
    if any(e.stamp == event.stamp for e in known):
        return known
    oldest = event.now - PRICES_KEPT
    newest_first = sorted((*known, event), key=lambda e: e.stamp, reverse=True)
    last = max(_end(e) for e in newest_first)
    kept: list[PricesPushed] = []
    for e in newest_first[:MESSAGES_KEPT]:
        if not _covered(e, kept) and (_end(e) > oldest or _end(e) == last):
            kept.append(e)
    kept.reverse()
    return known if tuple(kept) == known else tuple(kept)


def kept_books(known: tuple[BookChosen, ...], event: BookChosen) -> tuple[BookChosen, ...]:
    """The books of one tariff and their instants: a newer word holds from its instant on."""
    if any(e.stamp == event.stamp for e in known):
        return known
    kept: list[BookChosen] = []
    for e in sorted((*known, event), key=lambda e: e.stamp, reverse=True):
        if all(e.valid_from < newer.valid_from for newer in kept):
            kept.append(e)
    kept.sort(key=lambda e: e.valid_from)
    over = [e for e in kept if e.valid_from <= event.now]
    kept = kept[max(len(over) - 1, 0) :][:MESSAGES_KEPT]
    return known if tuple(kept) == known else tuple(kept)


def _issued(event: BookChosen) -> tuple[datetime, Stamp]:
    return event.issued_at, event.stamp


def _end(event: PricesPushed) -> datetime:
    return event.start + timedelta(minutes=event.slot_minutes * len(event.buy_per_kwh))


def _covered(event: PricesPushed, newer: Iterable[PricesPushed]) -> bool:
    reached, end = event.start, _end(event)
    for e in sorted(newer, key=lambda e: e.start):
        if e.start <= reached < _end(e):
            reached = _end(e)
    return reached >= end


def repeats(draft: Draft, event: PricesPushed | BookChosen) -> bool:
    """True when a message of a tariff changes nothing any more: it or newer ones are known."""
    kept = _laid_in(draft, event)
    name = "prices" if isinstance(event, PricesPushed) else "books"
    return kept is draft.get(name).get(event.tariff)


def _laid_in(draft: Draft, event: PricesPushed | BookChosen) -> tuple[Any, ...]:
    if isinstance(event, PricesPushed):
        return kept_prices(draft.get("prices").get(event.tariff, ()), event)
    return kept_books(draft.get("books").get(event.tariff, ()), event)


def lay_in(draft: Draft, event: PricesPushed | BookChosen) -> None:
    """Keep a message of a tariff; the next limit edge is looked for anew, for its instant."""
    name = "prices" if isinstance(event, PricesPushed) else "books"
    kept = _laid_in(draft, event)
    draft.own(name)[event.tariff] = kept
    draft.put("next_limit_edge_s", 0.0)
    draft.news = True


def book_edges(draft: Draft) -> list[datetime]:
    """The instants from which a chosen book holds."""
    return [e.valid_from for kept in draft.get("books").values() for e in kept]


class Pricing:
    """The site's tariff and where books are found; what it keeps besides can be made anew.

    Parameters
    ----------
    site : Site
        Its zone and name are used.
    tariff : Tariff
        Holds until a book is chosen.
    books : callable
        See :data:`Books`.
    """

    def __init__(self, site: Site, tariff: Tariff, books: Books) -> None:
        self._site = site
        self._own = tariff
        self._books = books
        self._found: dict[str, Tariff] = {}
        self._known: tuple[Any, Any] = (None, None)
        self._held: tuple[Tariff, str] = (tariff, "")
        self._days: tuple[object, ...] = ()
        self._unpublished = ""
        self._last: tuple[Tariff, Horizon, Prices] | None = None
        self._month: tuple[Tariff, int, int, tuple[DemandTerm, ...]] | None = None

    def refusal(self, draft: Draft, event: PricesPushed | BookChosen) -> Rejected | None:
        """Why a message cannot be taken: a gap before it, an unknown book, prices that are none."""
        topic = f"tariff/{event.tariff}"
        known = draft.get("books")
        if isinstance(event, BookChosen) and event.tariff not in known and len(known) >= NAMES_KEPT:
            reason = f"the site keeps books of {NAMES_KEPT} tariffs, this would be one more"
            return Rejected(topic=topic, code="out_of_range", field="tariff", reason=reason)
        try:
            if isinstance(event, BookChosen):
                book = self._book(event.book)
                Dated(self._own, ((event.valid_from, book),))
                begin = epoch_s(event.valid_from)
                written_out = event.book.startswith("{")
                end = begin + 86_400 * (366 if written_out else 1)
                book.steps(begin, end, self._site.zone)
                book.demand_terms(instant_of(begin), instant_of(end), zone=self._site.zone)
                return None
            series = series_of(event)
            held, _ = self.held(draft)
            gap = gap_left(held, series)
            self._of(
                draft.get("books"), {**draft.get("prices"), event.tariff: _laid_in(draft, event)}
            )
        except (TariffError, InvalidValueError) as problem:
            code, field = "contradiction", "buy_per_kwh"
            if isinstance(event, BookChosen):
                named = not event.book.startswith("{")
                code, field = ("unknown_tariff", "book") if named else (code, "periods")
            if isinstance(problem, TariffGapError):
                code = "tariff_gap"
            return Rejected(topic=topic, code=code, field=field, reason=str(problem))
        if gap is None:
            return None
        begin_at, end_at = (t.astimezone(self._site.zone).isoformat() for t in gap)
        return Rejected(
            topic=topic,
            code="tariff_gap",
            field="start",
            reason=f"leaves no price from {begin_at} to {end_at}; send a series that begins there",
        )

    def held(self, draft: Draft) -> tuple[Tariff, str]:
        """The tariff as it stands now, and what is wrong with it, empty when nothing is."""
        known = (draft.get("books"), draft.get("prices"))
        if known[0] is not self._known[0] or known[1] is not self._known[1]:
            self._known = known
            try:
                self._held = self._of(*known), ""
            except (TariffError, InvalidValueError) as problem:
                self._held = self._own, str(problem)
        return self._held

    def _of(
        self,
        books: dict[str, tuple[BookChosen, ...]],
        prices: dict[str, tuple[PricesPushed, ...]],
    ) -> Tariff:
        if not books and not prices:
            return self._own
        # Of two topics that name one instant the one issued later holds.
        chosen = sorted((e for kept in books.values() for e in kept), key=_issued)
        by_instant = {e.valid_from: self._book(e.book) for e in chosen}
        pushed = [e for kept in prices.values() for e in kept]
        return in_force(self._own, by_instant.items(), pushed)

    def _book(self, name: str) -> Tariff:
        if name not in self._found:
            if len(self._found) >= BOOKS_FOUND:
                self._found.clear()
            self._found[name] = self._books(name)
        return self._found[name]

    def window(
        self, draft: Draft, splits: Iterable[datetime], end: datetime
    ) -> tuple[Horizon, Prices]:
        """The planning window from now on, cut where prices change, and its prices.

        Where the tariff lacks one, the stand-ins of :func:`stand_ins` are tried in their order,
        and the alert ``tariff_missing`` says which one holds.
        """
        site, now = self._site, draft.get("now")
        tariff, wrong = self.held(draft)
        fixed = [*splits, *(t for t in book_edges(draft) if now < t < end)]
        rule = "the site's own tariff" if wrong else ""
        for candidate, name in ((tariff, rule), *stand_ins(tariff)):
            try:
                horizon = Horizon.rolling(
                    now,
                    hours=site.horizon.hours,
                    slot_minutes=site.horizon.slot_minutes,
                    fine_hours=site.horizon.fine_hours,
                    coarse_minutes=site.horizon.coarse_minutes,
                    zone=site.zone,
                    splits=[*fixed, *candidate.edges(now, end, zone=site.zone)],
                )
                prices = candidate.prices(horizon)
            except TariffError as problem:
                wrong = wrong or str(problem)
                continue
            self._last = (candidate, horizon, prices)
            self._tell(draft, wrong, name)
            self._tell_calendar(draft, candidate, now, end)
            return horizon, prices
        raise AssertionError("the last stand-in always has a price")

    def named(self, draft: Draft, horizon: Horizon) -> tuple[tuple[str, ...], str]:
        """The tariff period of each slot, none where it cannot be told, and the currency."""
        tariff, _ = self.held(draft)
        last = self._last
        if last is not None and last[0] is tariff and last[1] is horizon:
            return last[2].period, tariff.currency
        try:
            return tariff.prices(horizon).period, tariff.currency
        except TariffError:
            return (), tariff.currency

    def _tell(self, draft: Draft, wrong: str, rule: str) -> None:
        if not wrong:
            clear_alert(draft, "tariff_missing", self._site.name)
            return
        raise_alert(
            draft,
            "tariff_missing",
            self._site.name,
            f"{wrong}; plans go on by {rule}; send the missing prices",
            f"缺少电价：{wrong}；暂按{RULES_ZH[rule]}编制计划，请补发电价",
        )

    def _tell_calendar(self, draft: Draft, tariff: Tariff, now: datetime, end: datetime) -> None:
        """Days whose holidays nobody has published yet: looked at once a day, and said."""
        site = self._site
        days = (tariff, now.astimezone(site.zone).date(), end.astimezone(site.zone).date())
        if days != self._days:
            notes = tariff.notes(now, end, zone=site.zone)
            self._days = days
            self._unpublished = next(
                (n.text for n in notes if n.code == "unpublished_holidays"), ""
            )
        if not self._unpublished:
            clear_alert(draft, "calendar_missing", site.name)
            return
        raise_alert(
            draft,
            "calendar_missing",
            site.name,
            f"{self._unpublished}; give the days in an override file",
            f"节假日安排尚未公布，暂按备用规则执行：{self._unpublished}；请提供节假日文件",
        )

    def terms(self, draft: Draft) -> tuple[DemandTerm, ...]:
        """The demand terms of this month; none where the tariff cannot tell them."""
        tariff, _ = self.held(draft)
        now: datetime = draft.get("now")
        now_s = epoch_s(now)
        cached = self._month
        if cached is not None and cached[0] is tariff and cached[1] <= now_s < cached[2]:
            return cached[3]
        local = now.astimezone(self._site.zone)
        lo, hi = month_bounds(local.year, local.month, self._site.zone)
        try:
            found = tariff.demand_terms(now, now + timedelta(seconds=1), zone=self._site.zone)
        except TariffError:
            found = ()
        self._month = (tariff, lo, hi, found)
        return found

    def window_terms(self, draft: Draft, end: datetime) -> tuple[DemandTerm, ...]:
        """The demand terms of every month from now to ``end``; this month's come first."""
        mine = self.terms(draft)
        if self._month is None or epoch_s(end) <= self._month[2]:
            return mine
        tariff, _ = self.held(draft)
        try:
            both = tariff.demand_terms(draft.get("now"), end, zone=self._site.zone)
        except TariffError:
            return mine
        return (*mine, *(t for t in both if t.month_start_s >= self._month[2]))
