"""Who gave way to a limit: the piles that were lowered since it came, and what it costs them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from adapters.web.parts import Frame
from adapters.web.piles import Glance
from adapters.web.told import in_force

SHOWN = 12
LEAST_KW = 0.1
"""A pile lowered by less than this did not give way."""


class Lowered(NamedTuple):
    """A pile that draws less than it did before a limit came."""

    glance: Glance
    before_kw: float
    now_kw: float


def gave_way(f: Frame) -> str:
    """The piles that the limits in force have lowered, the most first, as a table."""
    rows = sorted(lowered(f), key=lambda r: (r.now_kw - r.before_kw, r.glance.pile))
    if not rows:
        return f'<p class="quiet">{f.say("nobody_gave_way")}</p>'
    keys = ("pile", "lowered", "leaves", "outcome")
    heads = "".join(f'<th scope="col">{f.say(k)}</th>' for k in keys)
    more = ""
    if len(rows) > SHOWN:
        more = f'<p class="quiet">{f.say("more_gave_way", len(rows) - SHOWN)}</p>'
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{f.say("gave_way")}">'
        f'<table class="stack"><thead><tr>{heads}</tr></thead><tbody>'
        f"{''.join(_row(f, r) for r in rows[:SHOWN])}</tbody></table></div>{more}"
    )


def lowered(f: Frame) -> Iterable[Lowered]:
    """Piles with a session whose last setpoint fell after a limit above them had come."""
    site, seen = f.picture.site, f.picture.seen
    came: dict[int, float] = {}
    for node, records in seen.limits.items():
        times = [r.received_mono_s for r in records.values() if in_force(r.pushed, seen.now)]
        if times and node in site.network.index:
            came[site.network.index[node]] = min(times)
    if not came:
        return
    for name, g in f.picture.piles.items():
        known = seen.piles.get(name)
        if known is None or not g.session or not known.sent:
            continue
        above = [came[v] for v in site.network.path[site.pile_node[name]] if v in came]
        if not above or known.changed_mono_s < min(above):
            continue
        if known.before_kw - known.wanted_kw > LEAST_KW:
            yield Lowered(g, known.before_kw, known.wanted_kw)


def _row(f: Frame, r: Lowered) -> str:
    record = f.picture.seen.sessions[r.glance.session]
    outcome = "" if r.glance.outlook == "none" else f.say(r.glance.outlook)
    if r.glance.short_kwh > 0:
        outcome = f.say("lacks", r.glance.short_kwh)
    return (
        f'<tr><th scope="row">{escape(r.glance.pile)}'
        f'<span class="where">{escape(r.glance.session)}</span></th>'
        f'<td data-label="{f.say("lowered")}">{r.before_kw:.1f} → {r.now_kw:.1f}</td>'
        f'<td data-label="{f.say("leaves")}">{f.clock(record.request.departure)}</td>'
        f'<td data-label="{f.say("outcome")}"><span class="out {r.glance.outlook}">{outcome}</span>'
        "</td></tr>"
    )
