"""Pieces of the page that several views show: cards, the power chart, alerts, events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby

from adapters.plot_style import legend
from adapters.plots import Area, Band, Line, Span, TimePlot
from adapters.web.models import EventRow, Overview, Savings, Series
from adapters.web.picture import Picture
from adapters.web.words import Lang, alert_word, say

SHOWN_EVENTS = 40
GIVERS = ("v2g", "storage", "pv")
"""Parts of the series that may go below zero, each with a colour of its own."""


@dataclass(frozen=True)
class Frame:
    """What a view is made for.

    Parameters
    ----------
    picture : Picture
    overview : Overview
    savings : Savings
    lang : Lang
    width : int
        Of the chart's place, CSS pixels.
    """

    picture: Picture
    overview: Overview
    savings: Savings
    lang: Lang
    width: int

    def say(self, key: str, *values: object) -> str:
        """A word of the page, safe in HTML."""
        return escape(say(self.lang, key, *values))

    def clock(self, at: datetime | None, *, beside: datetime | None = None) -> str:
        """A clock time at the site; with its day where it is not today, nor that of ``beside``."""
        if at is None:
            return "–"
        zone = self.picture.site.zone
        local = at.astimezone(zone)
        today = self.overview.at.date() if beside is None else beside.astimezone(zone).date()
        return f"{local:%H:%M}" if local.date() == today else f"{local:%m-%d %H:%M}"


def card(label: str, value: str, unit: str = "", sub: str = "", tone: str = "") -> str:
    """One figure."""
    unit = f' <span class="unit">{unit}</span>' if unit else ""
    sub = f'<span class="sub">{sub}</span>' if sub else ""
    return (
        f'<div class="card {tone}"><span class="label">{label}</span>'
        f'<span class="value">{value}{unit}</span>{sub}</div>'
    )


def head(f: Frame) -> str:
    """Health, time and price: the same above every view."""
    o = f.overview
    live = o.daemon == "live"
    word = f.say("live") if live else f.say("silent_daemon", o.news_age_s)
    price = ""
    if o.price_per_kwh is not None:
        period = f.say(o.period) if o.period else ""
        price = (
            f'<span class="chip {escape(o.period)}">{period} {o.price_per_kwh:.4f} '
            f"{escape(o.currency)}/kWh</span>"
        )
    lost = "" if o.solver == "ok" else f'<span class="chip bad">{f.say("solver_lost")}</span>'
    return (
        f'<span class="chip {"good" if live else "bad"}">{word}</span>'
        f'<time datetime="{o.at.isoformat()}">{o.at:%Y-%m-%d %H:%M:%S}</time>{price}{lost}'
    )


def power_chart(f: Frame) -> str:
    """Stacked power against the limit, measured and planned, over the tariff's periods."""
    series, o = f.picture.series, f.overview
    areas = [Area(say(f.lang, "base"), "c0", series.base_kw)]
    for k, (name, values) in enumerate(series.parts.items()):
        css = name if name in GIVERS else f"c{k % 7 + 1}"
        areas.append(Area(_part(f, name), css, values))
    totals = [sum(a.values[k] for a in areas) for k in range(len(series.base_kw))]
    lines = [Line(say(f.lang, "limit"), "limit", series.limit_kw)]
    if any(v < 0 for a in areas for v in a.values):
        lines.append(Line(say(f.lang, "net"), "net", totals))
    spans = []
    if any(v is not None for v in series.high_kw):
        spans.append(Span(say(f.lang, "span"), "span", series.low_kw, series.high_kw))
    ahead = [t for t, s in zip(totals, series.edges_s[:-1], strict=True) if s >= series.now_s]
    limit = "–" if o.limit_kw is None else f"{o.limit_kw:.0f} kW"
    title = say(f.lang, "power_sum", o.power_kw, limit, max(ahead, default=0.0))
    plot = TimePlot(
        title=title,
        unit="kW",
        edges_s=series.edges_s,
        zone=f.picture.site.zone,
        areas=areas,
        lines=lines,
        spans=spans,
        bands=list(_bands(f, series)),
        now_s=series.now_s,
        width=max(min(f.width, 1600), 300),
        height=340 if f.width > 640 else 260,
    )
    keys = [*((line.css, line.label) for line in lines), *((a.css, a.label) for a in areas)]
    keys += [(s.css, s.label) for s in spans]
    keys += [(p, say(f.lang, p)) for p in dict.fromkeys(series.period) if p and p != "price"]
    return f"{plot.svg()}{legend(keys)}{_table(f, areas)}"


def _part(f: Frame, name: str) -> str:
    return say(f.lang, name) if name in ("charging", *GIVERS) else name


def _bands(f: Frame, series: Series) -> Iterable[Band]:
    slots = range(len(series.period))
    for period, run in groupby(slots, key=lambda k: series.period[k]):
        own = list(run)
        if period:
            start, end = series.edges_s[own[0]], series.edges_s[own[-1] + 1]
            yield Band(say(f.lang, period), period, start, end)


def _table(f: Frame, areas: Sequence[Area]) -> str:
    """The chart's numbers, hour by hour, for those who do not see it."""
    series, rows, last = f.picture.series, [], ""
    zone = f.picture.site.zone
    for k, at in enumerate(series.edges_s[:-1]):
        word = f"{datetime.fromtimestamp(at, zone):%m-%d %H}"
        if word == last:
            continue
        last = word
        limit = series.limit_kw[k]
        cells = "".join(f"<td>{a.values[k]:.0f}</td>" for a in areas)
        rows.append(
            f'<tr><th scope="row">{word}:00</th>{cells}'
            f"<td>{'–' if limit is None else f'{limit:.0f}'}</td></tr>"
        )
    heads = "".join(f'<th scope="col">{escape(a.label)}</th>' for a in areas)
    return (
        f'<details class="numbers"><summary>{f.say("numbers")}</summary><div class="scroll" '
        f'tabindex="0" role="region" aria-label="{f.say("numbers")}"><table><thead><tr>'
        f'<th scope="col">{f.say("from")}</th>{heads}<th scope="col">{f.say("limit")}</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def event_list(f: Frame, rows: Iterable[EventRow], most: int = SHOWN_EVENTS) -> str:
    """What was told, newest first."""
    items = []
    for e in list(rows)[:most]:
        tag = f'<span class="chip bad">{f.say("open")}</span>' if e.open else ""
        text = e.text_zh if f.lang == "zh" else e.text
        items.append(
            f"<li><time>{f.clock(e.at)}</time><div><strong>"
            f'{escape(alert_word(f.lang, e.kind))}</strong> <span class="where">'
            f"{escape(e.about)}</span> {tag}<br>{escape(text)}</div></li>"
        )
    if not items:
        return f'<p class="quiet">{f.say("no_events")}</p>'
    return f'<ul class="events">{"".join(items)}</ul>'


def section(key: str, title: str, body: str, css: str = "") -> str:
    """A titled part of the page that is renewed as one; a ``tall`` one scrolls by keyboard too."""
    reach = f' tabindex="0" role="region" aria-label="{title}"' if css == "tall" else ""
    return (
        f'<section class="panel {css}" aria-labelledby="h-{key}"><h2 id="h-{key}">{title}</h2>'
        f'<div data-part="{key}"{reach}>{body}</div></section>'
    )
