"""From a stored state to what people are shown: the site now, its tree, its piles, its limits."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from adapters.web.models import (
    AssetRow,
    EventRow,
    LimitRow,
    NodeRow,
    Overview,
    PileRow,
    Series,
    Today,
)
from adapters.web.piles import NEVER, Glance, whole
from adapters.web.planned import Planned
from adapters.web.snapshot import Event
from adapters.web.told import event_rows, in_force, limit_rows
from adapters.web.tree import node_rows
from adapters.web.whys import Whys
from models.horizon import epoch_s
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.at_rest import behind_silence, pile_at_rest, session_at_rest
from scheduler.draft import Draft
from scheduler.state import SiteState
from scheduler.view import Picture as Sums
from scheduler.view import limit_now_kw
from scheduler.why import Why


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
    sums : Sums
        Who talks and who is silent, and what they draw.
    piles : dict of str to Glance
        Every pile at a glance.
    planned : Planned or None
        The running plan.
    packed_plan : bytes
        The same as it is stored.
    whys : Whys or None
        The sentences of the newest step record.
    told : tuple of Event
        Newest first.
    price : PriceAhead
    series : Series
    today : Today
    """

    version: int
    site: Site
    seen: SiteState
    sums: Sums
    piles: dict[str, Glance]
    planned: Planned | None
    packed_plan: bytes
    whys: Whys | None
    told: tuple[Event, ...]
    price: PriceAhead
    series: Series
    today: Today

    @cached_property
    def nodes(self) -> tuple[NodeRow, ...]:
        """The tree in preorder, with load and headroom."""
        return tuple(node_rows(self.site, self.seen, self.sums))

    def whole(self, pile: str) -> PileRow:
        """A pile with its sentence and its planned blocks."""
        glance = self.piles[pile]
        return whole(glance, self.site, self.seen, self.planned, self._why_of(glance))

    def why(self, session: str) -> tuple[str, str]:
        """The sentence of a session in both languages; empty where there is none of that name.

        It is the newest plan's; of a session that this plan need not serve, what its state says;
        after that of its pile where that has fallen silent.
        """
        record = self.seen.sessions.get(session)
        if record is None:
            return "", ""
        known = self.seen.piles.get(record.request.pile, NEVER)
        own = ("", "") if self.whys is None else self.whys.of(session, record.short_kwh)
        said = Why(*own) if own[0] else session_at_rest(record, known, self.site.zone)
        silent_kw = self.sums.silent.get(record.request.pile)
        if silent_kw is not None and record.state != "announced":
            now, mono_s = self.seen.now.astimezone(self.site.zone), self.seen.mono_s
            said = behind_silence(said, known, now=now, mono_s=mono_s, silent_kw=silent_kw)
        return said.text, said.text_zh

    def _why_of(self, glance: Glance) -> tuple[str, str]:
        if glance.session:
            return self.why(glance.session)
        rest = pile_at_rest(
            self.site.pile_by_id[glance.pile],
            self.seen.piles.get(glance.pile, NEVER),
            now=self.seen.now.astimezone(self.site.zone),
            mono_s=self.seen.mono_s,
            silent_kw=self.sums.silent.get(glance.pile),
        )
        return rest.text, rest.text_zh

    @cached_property
    def overview(self) -> Overview:
        """The site at a glance, as if the daemon had just spoken."""
        seen, rows = self.seen, self.piles.values()
        root = self.nodes[0]
        powers = [r.power_kw for r in rows]
        charging_kw = sum(powers)
        looks, outlooks = Counter([r.look for r in rows]), Counter([r.outlook for r in rows])
        limit, source = root.limit_kw, self._limit_source()
        shorts = [r.short_kwh for r in rows if r.short_kwh > 0]
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
            vehicles=len([r for r in rows if r.session and r.look != "announced"]),
            charging=len([kw for kw in powers if kw > POWER_EPSILON_KW]),
            waiting=looks["waiting"],
            announced=looks["announced"],
            short_sessions=len(shorts),
            short_kwh=sum(shorts),
            tight_sessions=outlooks["tight"],
            unheard_sessions=outlooks["unheard"],
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
        pushed = [r for r in self.limits if r.node == root.id and in_force(r, seen.now)]
        if any(r.import_kw is not None and r.import_kw <= limit + 1e-9 for r in pushed):
            return "grid"
        if root.contract_kw is not None and abs(limit - root.contract_kw) < 1e-9:
            return "contract"
        return "rating"

    @cached_property
    def limits(self) -> tuple[LimitRow, ...]:
        """Pushed limits, the newest first."""
        return limit_rows(self.seen)

    @cached_property
    def events(self) -> tuple[EventRow, ...]:
        """What was told, newest first; an alert that still stands is open."""
        return event_rows(self.seen, self.told)

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


def now_s(seen: SiteState) -> int:
    """The state's instant, epoch seconds."""
    return epoch_s(seen.now.astimezone(UTC))
