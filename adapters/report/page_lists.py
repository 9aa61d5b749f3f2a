"""The lists of a report: sessions, limits received, demand response, alerts; each bounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from adapters.report.asked_of_grid import CallTaken, LimitTaken, calls_taken, limits_taken
from adapters.report.gather import Stretch
from adapters.report.words import T
from adapters.web.words import Lang, alert_word

ROWS_AT_MOST = 200
"""Rows of a list of limits, events or alerts; how many more there are is said below it."""


def sessions_table(stretch: Stretch, lang: Lang) -> str:
    """Each session: what was asked, what it got."""
    zone, full = stretch.file.site.zone, escape(T["full"][lang == "zh"])

    def clock(at: datetime | None) -> str:
        return "–" if at is None else f"{at.astimezone(zone):%m-%d %H:%M}"

    rows = "".join(
        f'<tr><th scope="row">{escape(s.session)}</th><td>{escape(s.pile)}</td>'
        f"<td>{clock(s.arrival)}</td><td>{clock(s.departure)}</td>"
        f'<td class="n">{"–" if s.asked_kwh is None else f"{s.asked_kwh:.1f}"}</td>'
        f'<td class="n">{s.delivered_kwh:.1f}</td>'
        f'<td class="n">{"–" if s.served is None else f"{100 * s.served:.0f} %"}'
        f"{f', {full}' if s.took_all else ''}</td></tr>"
        for s in sorted(stretch.sessions, key=lambda s: int(s.metered.starts_s[0]))
    )
    heads = ("session", "pile", "arrival", "departure", "asked", "got", "share_got")
    return table(heads, rows, lang, figures=3)


def table(heads: Sequence[str], rows: str, lang: Lang, *, figures: int = 0) -> str:
    """Rows under their heads; the last ``figures`` columns are numbers."""
    cells = "".join(
        f'<th scope="col"{" class=n" if k >= len(heads) - figures else ""}>'
        f"{escape(T[h][lang == 'zh'])}</th>"
        for k, h in enumerate(heads)
    )
    head = f"<thead><tr>{cells}</tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>{rows}</tbody></table></div>'


def alerts_table(stretch: Stretch, alerts: list[dict[str, object]], lang: Lang) -> str:
    """Alerts raised, oldest first."""
    zone = stretch.file.site.zone
    rows = []
    for t in alerts[:ROWS_AT_MOST]:
        at = t["at"]
        assert isinstance(at, datetime)
        text = str(t["text_zh" if lang == "zh" else "text"])
        rows.append(
            f"<tr><td>{at.astimezone(zone):%m-%d %H:%M}</td>"
            f"<td>{escape(alert_word(lang, str(t['kind'])[6:]))}</td>"
            f"<td>{escape(str(t['about']))}</td><td>{escape(text)}</td></tr>"
        )
    return table(("when", "what", "where", "note"), "".join(rows), lang) + _more(len(alerts), lang)


def limits_table(stretch: Stretch, lang: Lang) -> str:
    """Limits received: where, how much, from when until when, and how soon they held."""
    found = limits_taken(stretch)
    if not found:
        return f'<p class="sub">{escape(T["no_limits"][lang == "zh"])}</p>'
    rows = "".join(_limit(stretch, one, lang) for one in found[:ROWS_AT_MOST])
    heads = ("node", "import_kw", "from", "until", "received", "applied", "reached")
    return table(heads, rows, lang) + _more(len(found), lang)


def _limit(stretch: Stretch, one: LimitTaken, lang: Lang) -> str:
    zh, zone, p = lang == "zh", stretch.file.site.zone, one.pushed

    def took(at: datetime | None) -> str:
        return T["not_kept"][zh] if at is None else f"+{(at - p.now).total_seconds():.1f} s"

    levels = [kw for kw in (p.import_kw, *(kw for _, kw in p.slots)) if kw is not None]
    kw = "–" if not levels else f"{min(levels):.1f}"
    if levels and max(levels) > min(levels):
        kw = f"{min(levels):.1f}–{max(levels):.1f}"
    until = T["until_changed"][zh]
    if p.valid_until is not None:
        until = f"{p.valid_until.astimezone(zone):%m-%d %H:%M}"
    cells = (
        kw,
        f"{p.valid_from.astimezone(zone):%m-%d %H:%M}",
        until,
        f"{p.now.astimezone(zone):%m-%d %H:%M:%S}",
        took(one.applied_at),
        took(one.reached_at),
    )
    told = "".join(f"<td>{escape(c)}</td>" for c in cells)
    return f'<tr><th scope="row">{escape(p.node)} ({escape(p.limit)})</th>{told}</tr>'


def calls_table(stretch: Stretch, lang: Lang) -> str:
    """Demand response events: what was called, what the site said, what it did."""
    found = calls_taken(stretch)
    if not found:
        return f'<p class="sub">{escape(T["no_calls"][lang == "zh"])}</p>'
    rows = "".join(_call(stretch, one, lang) for one in found[:ROWS_AT_MOST])
    heads = ("event", "kind", "from", "until", "decision", "promised", "delivered", "paid")
    return table(heads, rows, lang, figures=3) + _more(len(found), lang)


def _call(stretch: Stretch, one: CallTaken, lang: Lang) -> str:
    zh, zone, c = lang == "zh", stretch.file.site.zone, one.called
    asks = T["by_series"][zh] if c.power_kw is None else f"{c.power_kw:.1f}"
    decision = T[one.decision][zh] if one.decision in T else T["not_kept"][zh]
    cells = (
        f"{T[c.kind][zh]} {asks}",
        f"{c.start.astimezone(zone):%m-%d %H:%M}",
        f"{c.end.astimezone(zone):%m-%d %H:%M}",
        decision,
    )
    numbers = ((one.promised_kw, 1), (one.delivered_kwh, 1), (one.paid, 2))
    told = "".join(f"<td>{escape(t)}</td>" for t in cells) + "".join(
        f'<td class="n">{"–" if v is None else f"{v:,.{d}f}"}</td>' for v, d in numbers
    )
    return f'<tr><th scope="row">{escape(c.event)}</th>{told}</tr>'


def _more(n: int, lang: Lang) -> str:
    if n <= ROWS_AT_MOST:
        return ""
    return f'<p class="sub">{escape(T["more"][lang == "zh"].format(n - ROWS_AT_MOST))}</p>'
