"""The site as a terminal shows it: one screen, renewed each second."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from adapters.web.feed import Feed
from adapters.web.models import Overview, PileRow
from adapters.web.words import Lang, alert_word, energy_of, say

_COLOURS = {
    "charging": "cyan",
    "giving": "magenta",
    "waiting": "white",
    "short": "red",
    "full": "green",
    "fault": "red",
    "silent": "red",
    "vehicle": "yellow",
    "announced": "white",
    "free": "bright_black",
}
_URGENCY = (
    *("short", "fault", "silent", "vehicle", "charging", "giving", "waiting", "announced"),
    *("full", "free"),
)


def screen(feed: Feed, lang: Lang, rows: int) -> RenderableType:
    """Power against the limit, the piles that matter most, and alerts.

    Parameters
    ----------
    feed : Feed
    lang : Lang
    rows : int
        Piles that fit.
    """
    picture = feed.picture
    if picture is None:
        return Text(say(lang, "no_daemon"))
    o = feed.overview(picture)
    piles = sorted(picture.piles.values(), key=lambda r: (_URGENCY.index(r.look), -r.short_kwh))
    table = Table(expand=True, box=None, pad_edge=False)
    for key, width in (("pile", 9), ("state", 15), ("energy", 17), ("leaves", 6)):
        table.add_column(say(lang, key), min_width=width, overflow="ellipsis", no_wrap=True)
    table.add_column(say(lang, "why"), ratio=1, overflow="ellipsis", no_wrap=True)
    for row in piles[:rows]:
        table.add_row(*_cells(picture.whole(row.pile), lang, o))
    parts: list[RenderableType] = [_head(o, lang), table]
    open_alerts = [e for e in picture.events if e.open][:5]
    if open_alerts:
        lines = Text()
        for e in open_alerts:
            text = e.text_zh if lang == "zh" else e.text
            lines.append(f"{alert_word(lang, e.kind)} {e.about}: ", style="bold red")
            lines.append(f"{text}\n")
        parts.append(lines)
    return Panel(Group(*parts), title=f"{o.site}  {o.at:%Y-%m-%d %H:%M:%S}", border_style="dim")


def _head(o: Overview, lang: Lang) -> RenderableType:
    live = say(lang, "live") if o.daemon == "live" else say(lang, "silent_daemon", o.news_age_s)
    line = Text()
    line.append(f"{live}  ", style="green" if o.daemon == "live" else "bold red")
    limit = "–" if o.limit_kw is None else f"{o.limit_kw:.0f}"
    line.append(f"{o.power_kw:.0f} / {limit} kW  ", style="bold")
    if o.price_per_kwh is not None:
        period = say(lang, o.period) if o.period else ""
        line.append(f"{period} {o.price_per_kwh:.4f} {o.currency}/kWh  ")
    line.append(say(lang, "vehicles_sub", o.charging, o.waiting) + "  ")
    line.append(
        f"{say(lang, 'short')} {o.short_sessions}", style="red" if o.short_sessions else "green"
    )
    bar = ProgressBar(total=o.limit_kw or max(o.power_kw, 1.0), completed=max(o.power_kw, 0.0))
    return Group(line, bar, Text("\n"))


def _cells(row: PileRow, lang: Lang, o: Overview) -> list[str | Text]:
    energy = ""
    if row.asked_kwh is not None and row.delivered_kwh is not None:
        energy = energy_of(lang, row.delivered_kwh, row.asked_kwh)
    leaves = "" if row.departure is None else f"{row.departure.astimezone(o.at.tzinfo):%H:%M}"
    power = f" {row.power_kw:.1f} kW" if row.power_kw > 0.05 else ""
    return [
        row.pile,
        Text(say(lang, row.look) + power, style=_COLOURS[row.look]),
        energy,
        leaves,
        row.why_zh if lang == "zh" else row.why,
    ]
