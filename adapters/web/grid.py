"""The grid engineer's view: limits received, applied, reached; what is exceeded; who gave way."""

from __future__ import annotations

from datetime import datetime
from html import escape

from adapters.exceeding import KIND, exceeded_s
from adapters.web.gave_way import gave_way
from adapters.web.models import LimitRow, NodeRow
from adapters.web.parts import Frame, card, event_list, power_chart
from adapters.web.words import say
from models.units import POWER_EPSILON_KW

NODES_AT_MOST = 400
GRID_KINDS = (
    "answer/limit",
    "answer/event",
    "limit_exceeded",
    "limit_unreachable",
    "limits_full",
    "heartbeat_lost",
    "export_exceeded",
    "meter_lost",
    "meter_implausible",
    "unregistered_load",
    "pile_ignores",
    "pile_exceeds",
)


def cards(f: Frame) -> str:
    """The figures on top."""
    o = f.overview
    limit = "–" if o.limit_kw is None else f"{o.limit_kw:.0f}"
    source = "grid_source" if o.limit_source == "grid" else o.limit_source
    head = "–" if o.headroom_kw is None else _kw(o.headroom_kw)
    tone = "bad" if o.headroom_kw is not None and o.headroom_kw < -0.05 else "good"
    beat, beat_tone = _heartbeat(f)
    told = ((e.at, e.about, e.body) for e in f.picture.told if e.kind == KIND)
    above_s = exceeded_s(told, f.picture.seen.now)
    lowered = _lowered(f)
    return "".join(
        [
            card(
                f.say("limit_now"), limit, "kW", f.say("limit_from", say(f.lang, source)), "accent"
            ),
            card(f.say("power_now"), f"{o.power_kw:.0f}", "kW"),
            card(f.say("headroom"), head, "kW", "", tone),
            card(
                f.say("above"),
                f"{above_s:.0f}",
                "s",
                f.say("above_sub"),
                "bad" if above_s else "good",
            ),
            card(f.say("shed_piles"), str(lowered), "", f.say("below_plan")),
            card(f.say("heartbeat"), f'<span class="words">{beat}</span>', "", "", beat_tone),
        ]
    )


def _kw(power_kw: float) -> str:
    """A power to the kW, and to the tenth where that is what it comes to."""
    return f"{power_kw:.0f}" if abs(power_kw) >= 10 else f"{round(power_kw, 1) + 0.0:.1f}"


def _heartbeat(f: Frame) -> tuple[str, str]:
    seen = f.picture.seen
    if f.picture.site.network.heartbeat_of(0) != "required":
        return f.say("heartbeat_none"), ""
    if seen.stale:
        return f.say("heartbeat_lost"), "bad"
    if seen.heartbeat_issued_at is None:
        return f.say("heartbeat_never"), "bad"
    return f.clock(seen.heartbeat_issued_at), "good"


def _lowered(f: Frame) -> int:
    """Piles held below what the running plan gives them in this slot."""
    planned = f.picture.planned
    if planned is None:
        return 0
    now_kw = planned.now_kw(f.picture.seen.now.timestamp())
    return sum(
        g.setpoint_kw < now_kw[g.session] - 0.1 - POWER_EPSILON_KW
        for g in f.picture.piles.values()
        if g.session in now_kw
    )


def limit_table(f: Frame) -> str:
    """Every pushed limit, from receipt to reach."""
    if not f.picture.limits:
        return f'<p class="quiet">{f.say("no_limits")}</p>'
    keys = ("node", "import", "valid", "received", "applied", "reached", "shed")
    heads = "".join(f'<th scope="col">{f.say(k)}</th>' for k in keys)
    rows = "".join(_limit(f, row) for row in f.picture.limits)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{f.say("limits")}">'
        f'<table class="stack"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _limit(f: Frame, r: LimitRow) -> str:
    def took(at: datetime | None) -> str:
        if at is None:
            return f'<span class="warn">{f.say("not_yet")}</span>'
        return f"+{(at - r.received_at).total_seconds():.1f} s"

    reached = took(r.reached_at)
    if r.unreachable_for_s is not None:
        reached = f'<span class="bad">{f.say("unreachable", r.unreachable_for_s)}</span>'
    valid = f"{f.clock(r.valid_from)}–{f.clock(r.valid_until)}"
    if r.valid_until is None:
        valid = f.say("from_on", f.clock(r.valid_from))
    cells = (
        ("import", "–" if r.import_kw is None else f"{r.import_kw:.0f}"),
        ("valid", valid),
        ("received", f.clock(r.received_at)),
        ("applied", took(r.applied_at)),
        ("reached", reached),
        ("shed", f"{r.shed_kw:.1f}"),
    )
    told = "".join(f'<td data-label="{f.say(key)}">{text}</td>' for key, text in cells)
    return (
        f'<tr><th scope="row">{escape(r.node)}<span class="where">{escape(r.limit)}</span></th>'
        f"{told}</tr>"
    )


def tree(f: Frame) -> str:
    """Nodes with load and headroom, the fullest first below the root where there are many."""
    nodes = list(f.picture.nodes)
    if len(nodes) > NODES_AT_MOST:
        nodes = [nodes[0], *sorted(nodes[1:], key=_share, reverse=True)[:NODES_AT_MOST]]
    return f'<ul class="tree">{"".join(_node(f, n) for n in nodes)}</ul>'


def _share(n: NodeRow) -> float:
    return n.load_kw / n.limit_kw if n.limit_kw else 0.0


def _node(f: Frame, n: NodeRow) -> str:
    share = _share(n)
    tone = "bad" if share > 1.001 else "warn" if share > 0.95 else "good"
    limit = f.say("no_limit") if n.limit_kw is None else f"{n.load_kw:.0f} / {n.limit_kw:.0f} kW"
    return (
        f'<li style="--depth:{n.depth}"><span class="name">{escape(n.node)}</span>'
        f'<span class="bar"><span class="fill {tone}" style="width:{min(share, 1) * 100:.0f}%">'
        f'</span></span><span class="num">{limit}</span>'
        f'<span class="sub">{f.say("node_piles", n.piles, n.charging)}</span></li>'
    )


def parts(f: Frame) -> dict[str, str]:
    """What is renewed on this view."""
    return {
        "cards": cards(f),
        "power": power_chart(f),
        "limits": limit_table(f),
        "gave_way": gave_way(f),
        "tree": tree(f),
        "events": event_list(f, (e for e in f.picture.events if e.kind in GRID_KINDS)),
    }
