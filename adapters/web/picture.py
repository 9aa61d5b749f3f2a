"""From a stored state to what people are shown: the site now, its tree, its piles, its limits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from adapters.store.steps import Step
from adapters.web.models import (
    AssetRow,
    Block,
    EventRow,
    LimitRow,
    NodeRow,
    Outlook,
    Overview,
    PileLook,
    PileRow,
    Series,
)
from adapters.web.snapshot import Event
from models.horizon import epoch_s, instant_of
from models.plan import Plan, SessionPlan
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.draft import Draft
from scheduler.reasons import SHORT_KWH, Reasons
from scheduler.state import PileState, SessionRecord, SiteState
from scheduler.view import base_now_kw, limit_now_kw, look, meter_talks
from scheduler.why import why

TIGHT_S = 1_800
"""A vehicle ready with less than this to spare is in time only just."""


@dataclass(frozen=True)
class PriceAhead:
    """The price now and the next that differs."""

    now: float | None
    period: str
    next_at: datetime | None
    next_price: float | None
    next_period: str


@dataclass(frozen=True, eq=False)
class Picture:
    """Everything that is shown of one instant; what costs time is made when first asked for.

    Parameters
    ----------
    version : int
        Rises with every new picture.
    site : Site
    seen : SiteState
        The state.
    plan : Plan or None
        The running plan.
    step : Step or None
        The newest step record.
    told : tuple of Event
        Newest first.
    price : PriceAhead
    series : Series
    """

    version: int
    site: Site
    seen: SiteState
    plan: Plan | None
    step: Step | None
    told: tuple[Event, ...]
    price: PriceAhead
    series: Series
    _whys: dict[str, tuple[str, str]] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> tuple[NodeRow, ...]:
        """The tree in preorder, with load and headroom."""
        return tuple(node_rows(self.site, self.seen))

    @cached_property
    def piles(self) -> dict[str, PileRow]:
        """Every pile, without its sentence and its planned blocks."""
        silent = set(look(Draft(self.seen), self.site).silent)
        waiting = {
            r.request.pile: name
            for name, r in self.seen.sessions.items()
            if r.state == "announced" and r.request.pile not in self.seen.pile_session
        }
        return {
            p.id: self._row(p.id, p.node, p.max_kw, p.id in silent, waiting.get(p.id))
            for p in self.site.piles
        }

    def _row(
        self, pile: str, node: str, max_kw: float, silent: bool, announced: str | None
    ) -> PileRow:
        known = self.seen.piles.get(pile, PileState())
        session = self.seen.pile_session.get(pile, announced)
        record = self.seen.sessions.get(session) if session else None
        setpoint = known.wanted_kw if known.sent else 0.0
        if record is None or session is None:
            shown = _look(known, None, silent=silent)
            return PileRow(pile, node, shown, "none", known.power_kw, setpoint, max_kw)
        request = record.request
        part = None if self.plan is None else self.plan.sessions.get(session)
        ready = _ready_at(part)
        return PileRow(
            pile=pile,
            node=node,
            look=_look(known, record, silent=silent),
            outlook=_outlook(record, ready),
            power_kw=known.power_kw,
            setpoint_kw=setpoint,
            max_kw=max_kw,
            session=session,
            asked_kwh=request.energy_kwh,
            delivered_kwh=record.delivered_kwh,
            promised_kwh=record.promised_kwh,
            short_kwh=record.short_kwh if record.short_kwh > SHORT_KWH else 0.0,
            priority=request.priority,
            arrival=request.arrival,
            departure=request.departure,
            ready_at=ready,
        )

    def whole(self, row: PileRow) -> PileRow:
        """A pile with its sentence and its planned blocks."""
        if row.session is None:
            return row
        part = None if self.plan is None else self.plan.sessions.get(row.session)
        text, text_zh = self.why(row.session)
        values = {**row.__dict__, "why": text, "why_zh": text_zh, "blocks": tuple(blocks_of(part))}
        return PileRow(**values)

    @cached_property
    def _reasons(self) -> Reasons | None:
        step = self.step
        if step is None:
            return None
        return Reasons(
            step.problem, step.energy_kwh, periods=step.periods, assets_kw=step.assets_kw
        )

    @cached_property
    def _index(self) -> dict[str, int]:
        step = self.step
        return {} if step is None else {s: i for i, s in enumerate(step.problem.fleet.ids)}

    def why(self, session: str) -> tuple[str, str]:
        """The sentence of a session in both languages, empty where no plan is kept for it."""
        if session not in self._whys:
            self._whys[session] = self._why(session)
        return self._whys[session]

    def _why(self, session: str) -> tuple[str, str]:
        step, reasons, i = self.step, self._reasons, self._index.get(session)
        if step is None or reasons is None or i is None:
            return "", ""
        record = self.seen.sessions.get(session)
        short = None if record is None else record.short_kwh
        cut = None
        if short is None or short > SHORT_KWH:
            cut = reasons.cuts.of(i)
        reason = reasons.of(i, cut, short_kwh=short)
        said = why(reason, zone=self.site.zone, currency=step.currency)
        return said.text, said.text_zh

    @cached_property
    def overview(self) -> Overview:
        """The site at a glance, as if the daemon had just spoken."""
        seen, rows = self.seen, self.piles.values()
        root = self.nodes[0]
        charging_kw = sum(r.power_kw for r in rows)
        limit, source = root.limit_kw, self._limit_source()
        shorts = [r for r in rows if r.short_kwh > 0]
        return Overview(
            site=self.site.name,
            at=seen.now.astimezone(self.site.zone),
            timezone=self.site.zone.key,
            currency=self.site.currency,
            daemon="live",
            news_age_s=0.0,
            power_kw=root.load_kw,
            base_kw=max(root.load_kw - charging_kw, 0.0),
            charging_kw=charging_kw,
            limit_kw=limit,
            headroom_kw=root.headroom_kw,
            limit_source=source,
            price_per_kwh=self.price.now,
            period=self.price.period,
            next_price_at=self.price.next_at,
            next_price_per_kwh=self.price.next_price,
            next_period=self.price.next_period,
            piles=len(self.site.piles),
            vehicles=sum(r.session is not None and r.look != "announced" for r in rows),
            charging=sum(r.power_kw > POWER_EPSILON_KW for r in rows),
            waiting=sum(r.look == "waiting" for r in rows),
            short_sessions=len(shorts),
            short_kwh=sum(r.short_kwh for r in shorts),
            tight_sessions=sum(r.outlook == "tight" for r in rows),
            alerts=len(seen.alerts),
            solver="lost" if seen.solver_lost else "ok",
        )

    def _limit_source(self) -> str:
        """Whose limit holds at the root: failsafe, grid, override, contract or rating."""
        root, seen = self.site.network.nodes[0], self.seen
        if seen.stale and root.heartbeat == "required":
            return "failsafe"
        limit = limit_now_kw(Draft(seen), self.site, 0, seen.now)
        if limit < math.inf and root.id in seen.overrides:
            return "override"
        pushed = [r for r in self.limits if r.node == root.id and _in_force(r, seen.now)]
        if any(r.import_kw is not None and r.import_kw <= limit + 1e-9 for r in pushed):
            return "grid"
        if root.contract_kw is not None and abs(limit - root.contract_kw) < 1e-9:
            return "contract"
        return "rating"

    @cached_property
    def limits(self) -> tuple[LimitRow, ...]:
        """Pushed limits, the newest first."""
        found = []
        for node, records in self.seen.limits.items():
            for name, r in records.items():
                slots = [kw for at, kw in r.pushed.slots if at <= self.seen.now]
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

    @cached_property
    def events(self) -> tuple[EventRow, ...]:
        """What was told, newest first; an alert that still stands is open."""
        out = []
        for e in self.told:
            body = e.body
            kind = e.kind.partition("/")[2] if e.kind.startswith("alert/") else e.kind
            text, text_zh = _words_of(e)
            key = f"{kind}/{e.about}"
            stands = key in self.seen.alerts and not body.get("cleared", True)
            out.append(EventRow(e.number, e.at, kind, e.about, text, text_zh, stands))
        return tuple(out)

    @cached_property
    def assets(self) -> tuple[AssetRow, ...]:
        """Storage and PV, where the site has them."""
        found = []
        kinds = [("storage", a.id) for a in self.site.storages]
        kinds += [("pv", a.id) for a in self.site.pv]
        for kind, name in kinds:
            known = self.seen.assets.get(name)
            most = next(
                (a.max_kw for a in self.site.storages if a.id == name),
                None,
            )
            found.append(
                AssetRow(
                    asset=name,
                    kind=kind,
                    power_kw=None if known is None else known.power_kw,
                    soc=None if known is None else known.soc,
                    available_kw=None if known is None else known.available_kw,
                    max_kw=most,
                )
            )
        return tuple(found)


def blocks_of(part: SessionPlan | None) -> Iterable[Block]:
    """Planned charging, neighbours of one power joined."""
    if part is None:
        return
    open_block: Block | None = None
    for k, power in enumerate(part.power_kw):
        start, end = part.starts_s[k], part.starts_s[k + 1]
        if power <= POWER_EPSILON_KW:
            continue
        if (
            open_block is not None
            and open_block.end_s == start
            and abs(open_block.power_kw - power) < 0.05
        ):
            open_block = Block(open_block.start_s, end, open_block.power_kw)
            continue
        if open_block is not None:
            yield open_block
        open_block = Block(start, end, power)
    if open_block is not None:
        yield open_block


def _ready_at(part: SessionPlan | None) -> datetime | None:
    if part is None:
        return None
    for k in range(len(part.power_kw) - 1, -1, -1):
        if part.power_kw[k] > POWER_EPSILON_KW:
            return instant_of(part.starts_s[k + 1])
    return None


def _look(pile: PileState, record: SessionRecord | None, *, silent: bool) -> PileLook:
    if pile.fault is not None:
        return "fault"
    if silent:
        return "silent"
    if record is None:
        return "free"
    if record.state == "announced":
        return "announced"
    if record.short_kwh > SHORT_KWH:
        return "short"
    if record.state == "full" or record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH:
        return "full"
    return "charging" if pile.power_kw > POWER_EPSILON_KW else "waiting"


def _outlook(record: SessionRecord, ready: datetime | None) -> Outlook:
    if record.short_kwh > SHORT_KWH:
        return "short"
    if record.state == "full" or record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH:
        return "done"
    if ready is None:
        return "none"
    spare_s = (record.request.departure - ready).total_seconds()
    return "tight" if spare_s < TIGHT_S else "ok"


def node_rows(site: Site, seen: SiteState) -> Iterable[NodeRow]:
    """The tree in preorder, with load and headroom."""
    draft = Draft(seen)
    picture = look(draft, site)
    counts = [0] * len(site.network.nodes)
    charging = [0] * len(site.network.nodes)
    for p in site.piles:
        on = seen.piles.get(p.id, PileState()).power_kw > POWER_EPSILON_KW
        for v in site.network.path[site.pile_node[p.id]]:
            counts[v] += 1
            charging[v] += on
    for v, node in enumerate(site.network.nodes):
        meter = seen.nodes.get(node.id)
        if meter is not None and meter_talks(meter, site, seen.mono_s):
            load = meter.power_kw
        else:
            base = base_now_kw(draft, site, v, seen.now, seen.mono_s)
            load = picture.talking_kw[v] + picture.silent_kw[v]
            load += base if math.isfinite(base) else 0.0
        limit = limit_now_kw(draft, site, v, seen.now)
        known = math.isfinite(limit)
        yield NodeRow(
            node=node.id,
            parent=node.parent,
            depth=len(site.network.path[v]) - 1,
            load_kw=load,
            limit_kw=limit if known else None,
            headroom_kw=limit - load if known else None,
            piles=counts[v],
            charging=charging[v],
        )


def _in_force(row: LimitRow, now: datetime) -> bool:
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
        f"{text_zh}{f'(用时 {took}）' if took else ''}，削减 {shed:.1f} kW",
    )


_DECISIONS_ZH = {
    "accepted": "已接受",
    "refused": "已拒绝",
    "revoked": "已撤销",
    "ended": "已结束",
}


def now_s(seen: SiteState) -> int:
    """The state's instant, epoch seconds."""
    return epoch_s(seen.now.astimezone(UTC))
