"""What was told and what was pushed, as lines: alerts, answers, limits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from adapters.web.models import EventRow, LimitRow
from adapters.web.snapshot import Event
from models.events import LimitPushed
from scheduler.state import SiteState


def event_rows(seen: SiteState, told: Iterable[Event]) -> tuple[EventRow, ...]:
    """What was told, newest first; an alert that still stands is open."""
    out = []
    for e in told:
        body = e.body
        kind = e.kind.partition("/")[2] if e.kind.startswith("alert/") else e.kind
        text, text_zh = _words_of(e)
        # One of the same kind and place may have been raised, cleared and raised again.
        since = seen.alerts.get(f"{kind}/{e.about}")
        stands = since is not None and not body.get("cleared", True)
        stands = stands and datetime.fromisoformat(body["since"]) == since
        out.append(EventRow(e.number, e.at, kind, e.about, text, text_zh, stands))
    return tuple(out)


def limit_rows(seen: SiteState) -> tuple[LimitRow, ...]:
    """Pushed limits, the newest first."""
    found = []
    for node, records in seen.limits.items():
        for name, r in records.items():
            slots = [kw for at, kw in r.pushed.slots if at <= seen.now]
            found.append(
                LimitRow(
                    node=node,
                    limit=name,
                    source=r.pushed.source,
                    import_kw=slots[-1] if slots else r.pushed.import_kw,
                    export_kw=r.pushed.export_kw,
                    valid_from=r.pushed.valid_from,
                    valid_until=r.pushed.valid_until,
                    received_at=r.received_at,
                    applied_at=r.applied_at,
                    reached_at=r.reached_at,
                    shed_kw=r.shed_kw,
                    unreachable_for_s=r.unreachable_for_s,
                )
            )
    return tuple(sorted(found, key=lambda r: r.received_at, reverse=True))


def in_force(row: LimitRow | LimitPushed, now: datetime) -> bool:
    """Whether a pushed limit holds at an instant."""
    return row.valid_from <= now and (row.valid_until is None or now < row.valid_until)


def _words_of(event: Event) -> tuple[str, str]:
    body = event.body
    if event.kind.startswith("alert/"):
        return body["text"], body["text_zh"]
    if event.kind == "answer/event":
        promised = body.get("promised_kw")
        kw = "" if promised is None else f", {promised:.1f} kW"
        return f"{body['decision']}{kw} {body.get('why', '')}".strip(), _DECISIONS_ZH.get(
            body["decision"], body["decision"]
        ) + kw
    if body.get("unreachable_for_s") is not None:
        seconds = body["unreachable_for_s"]
        return (f"cannot be reached for {seconds:.0f} s", f"{seconds:.0f} 秒内无法达到")
    stage = "reached" if body.get("reached_at") else "applied" if body.get("applied_at") else "got"
    words = {
        "reached": ("reached", "已达到"),
        "applied": ("applied", "已执行"),
        "got": ("received", "已收到"),
    }
    text, text_zh = words[stage]
    took = ""
    if body.get("reached_at"):
        reached = datetime.fromisoformat(body["reached_at"])
        received = datetime.fromisoformat(body["received_at"])
        took = f"{(reached - received).total_seconds():.1f} s"
    shed = body.get("shed_kw", 0.0)
    return (
        f"{text} {f'after {took}' if took else ''}, {shed:.1f} kW shed".replace(" ,", ","),
        f"{text_zh}{f'（用时 {took}）' if took else ''}，削减 {shed:.1f} kW",
    )


_DECISIONS_ZH = {
    "accepted": "已接受",
    "refused": "已拒绝",
    "revoked": "已撤销",
    "ended": "已结束",
}
