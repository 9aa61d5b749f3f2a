"""The dispatcher's view: who will be ready when, what is short, what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from typing import Literal

from adapters.web.models import PileLook, PileRow
from adapters.web.parts import Frame, card, event_list, power_chart
from adapters.web.picture import Picture
from adapters.web.piles import Glance
from adapters.web.words import alert_word, energy_of
from models.horizon import epoch_s, instant_of, midnight_of

Show = Literal["all"] | PileLook
Sort = Literal["pile", "departure", "short", "power"]

SHOWS: tuple[Show, ...] = (
    "all",
    "charging",
    "giving",
    "waiting",
    "short",
    "full",
    "free",
    "vehicle",
    "announced",
    "fault",
    "silent",
)
SORTS: tuple[Sort, ...] = ("pile", "departure", "short", "power")
LANE_H = 16
TODO_AT_MOST = 4
_FAR = float("inf")

_MARKS: dict[PileLook, str] = {
    "charging": "▲",
    "giving": "▼",
    "waiting": "◷",
    "short": "!",
    "full": "✓",
    "free": "○",
    "vehicle": "●",
    "announced": "…",
    "fault": "✕",
    "silent": "?",
}


def cards(f: Frame) -> str:
    """The figures on top."""
    o = f.overview
    share = None if not o.limit_kw else o.power_kw / o.limit_kw
    tone = "bad" if share is not None and share > 1.0 else ""
    limit = "" if o.limit_kw is None else f.say("of_limit", o.limit_kw)
    # Who is announced is short or in time as well.
    sessions = o.vehicles + o.announced
    in_time = sessions - o.short_sessions - o.unheard_sessions
    spare = f.say("ready_sub", o.tight_sessions)
    if o.unheard_sessions:
        spare += f.say("ready_unheard", o.unheard_sessions)
    return "".join(
        [
            card(f.say("power_now"), f"{o.power_kw:.0f}", "kW", limit, tone),
            card(
                f.say("charging_now"),
                f"{o.charging_kw:.0f}",
                "kW",
                f.say("piles_charging", o.charging, o.piles),
            ),
            card(
                f.say("ready"),
                f"{max(in_time, 0)}",
                f"/ {sessions}",
                spare,
            ),
            card(
                f.say("short"),
                str(o.short_sessions),
                "",
                f.say("short_sub", o.short_kwh),
                "bad" if o.short_sessions else "good",
            ),
            card(f.say("alerts"), str(o.alerts), "", "", "bad" if o.alerts else "good"),
        ]
    )


def todo(f: Frame) -> str:
    """Short sessions with their way out, and alerts that stand, worst first."""
    rows = sorted(
        (g for g in f.picture.piles.values() if g.short_kwh > 0), key=lambda g: -g.short_kwh
    )
    items = []
    for row in rows[:TODO_AT_MOST]:
        text, text_zh = f.picture.why(row.session)
        said = text_zh if f.lang == "zh" else text
        items.append(
            f'<li class="bad"><strong>{escape(row.pile)}</strong> '
            f'<span class="where">{escape(row.session)}</span><br>{escape(said)}</li>'
        )
    if len(rows) > TODO_AT_MOST:
        items.append(f"<li>{f.say('more_short', len(rows) - TODO_AT_MOST)}</li>")
    stands = [e for e in f.picture.events if e.open and e.kind != "starvation"]
    for e in stands[:TODO_AT_MOST]:
        text = e.text_zh if f.lang == "zh" else e.text
        items.append(
            f'<li class="warn"><strong>{escape(alert_word(f.lang, e.kind))}</strong> '
            f'<span class="where">{escape(e.about)}</span><br>{escape(text)}</li>'
        )
    if not items:
        return f'<p class="quiet good">✓ {f.say("nothing")}</p>'
    return f'<ul class="todo">{"".join(items)}</ul>'


def chosen(picture: Picture, *, search: str, show: Show, sort: Sort) -> list[str]:
    """The piles that are asked for, in order."""
    word = search.strip().lower()
    if not word and show == "all" and sort == "pile":
        return sorted(picture.piles)
    found = [
        g
        for g in picture.piles.values()
        if (show == "all" or g.look == show)
        and (not word or any(word in x.lower() for x in (g.pile, g.node, g.session)))
    ]
    keys: dict[Sort, Callable[[Glance], object]] = {
        "pile": lambda g: g.pile,
        "departure": lambda g: (g.departure_s or _FAR, g.pile),
        "short": lambda g: (-g.short_kwh, g.pile),
        "power": lambda g: (-g.power_kw, g.pile),
    }
    key = keys[sort]
    return [g.pile for g in sorted(found, key=lambda g: (key(g),))]


def table_rows(f: Frame, piles: Sequence[str], offset: int) -> str:
    """Rows of the list, whole."""
    lane = Lane(f)
    return "".join(_row(f, lane, f.picture.whole(p), offset + k) for k, p in enumerate(piles))


def _row(f: Frame, lane: Lane, r: PileRow, index: int) -> str:
    why = r.why_zh if f.lang == "zh" else r.why
    energy = ""
    if r.asked_kwh is not None and r.delivered_kwh is not None:
        energy = escape(energy_of(f.lang, r.delivered_kwh, r.asked_kwh))
    session = f'<span class="where">{escape(r.session)}</span>' if r.session else ""
    power = f"{r.power_kw:.1f} kW" if r.power_kw > 0.05 else ""
    outlook = "" if r.outlook in ("none", "done") else f.say(r.outlook)
    if r.outlook in ("ok", "tight") and r.ready_at is not None:
        outlook = f.say("ready_at", f.clock(r.ready_at, beside=r.departure))
    return (
        f'<tr aria-rowindex="{index + 2}" class="{r.look}">'
        f'<th scope="row"><strong>{escape(r.pile)}</strong>{session}</th>'
        f'<td class="st"><span class="look"><span aria-hidden="true">{_MARKS[r.look]}</span> '
        f"{f.say(r.look)}</span><span>{power}</span></td>"
        f'<td class="lane">{lane.svg(r)}</td>'
        f'<td class="en">{energy}</td>'
        f'<td class="lv">{"" if r.departure is None else f.clock(r.departure)}'
        f'<span class="out {r.outlook}">{outlook}</span></td>'
        f'<td class="why" title="{escape(why, quote=True)}">{escape(why)}</td></tr>'
    )


class Lane:
    """One row of the Gantt: planned blocks, the departure's flag, from an hour ago on."""

    BACK_S = 3_600
    AHEAD_S = 15 * 3_600

    def __init__(self, f: Frame) -> None:
        self._f = f
        now = f.picture.series.now_s
        self._lo, self._hi = now - self.BACK_S, now + self.AHEAD_S
        self._now = self._x(now)

    def _x(self, seconds: float) -> float:
        return 1000.0 * min(max((seconds - self._lo) / (self._hi - self._lo), 0.0), 1.0)

    def svg(self, r: PileRow) -> str:
        """The lane of a pile."""
        out = []
        if r.arrival is not None and r.departure is not None:
            lo, hi = self._x(r.arrival.timestamp()), self._x(r.departure.timestamp())
            out.append(f'<rect class="stay" x="{lo:.0f}" y="5" width="{hi - lo:.0f}" height="6"/>')
        for b in r.blocks:
            lo, hi = self._x(b.start_s), self._x(b.end_s)
            if hi <= lo:
                continue
            high = LANE_H * max(min(abs(b.power_kw) / r.max_kw, 1.0), 0.2)
            css = r.outlook if b.power_kw > 0 else "give"
            out.append(
                f'<rect class="block {css}" x="{lo:.0f}" y="{LANE_H - high:.1f}" '
                f'width="{max(hi - lo, 2):.0f}" height="{high:.1f}"/>'
            )
        if r.departure is not None and r.departure.timestamp() < self._hi:
            at = self._x(r.departure.timestamp())
            out.append(f'<path class="flag {r.outlook}" d="M{at:.0f} 0V{LANE_H}"/>')
        out.append(f'<path class="now" d="M{self._now:.0f} 0V{LANE_H}"/>')
        return (
            f'<svg viewBox="0 0 1000 {LANE_H}" preserveAspectRatio="none" aria-hidden="true">'
            f"{''.join(out)}</svg>"
        )

    def scale(self) -> str:
        """The hours over the lanes."""
        zone = self._f.picture.site.zone
        hour = self._now_hour(3)
        words = []
        while hour < self._hi:
            if hour > self._lo:
                at = 100 * (hour - self._lo) / (self._hi - self._lo)
                label = f"{datetime.fromtimestamp(hour, zone):%H}"
                words.append(f'<span style="left:{at:.1f}%">{label}</span>')
            hour += 3 * 3_600
        return f'<span class="scale">{"".join(words)}</span>'

    def _now_hour(self, step: int) -> int:
        first = epoch_s(midnight_of(instant_of(self._lo), self._f.picture.site.zone))
        return first + (self._lo - first) // (step * 3_600) * step * 3_600


def parts(f: Frame) -> dict[str, str]:
    """What is renewed on this view, but for the list."""
    return {
        "cards": cards(f),
        "todo": todo(f),
        "power": power_chart(f),
        "events": event_list(f, f.picture.events, 12),
    }
