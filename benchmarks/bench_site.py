"""The congested depot that steps are measured on, and its messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from models.events import Event, PileMeasured, SessionRequested
from models.network import Network, Node
from models.pile import ac_pile
from models.session import Request
from models.site import Site

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 9, 1, 8, 0, tzinfo=ZONE)


def bench_site(piles: int) -> Site:
    """A congested depot: single-phase piles of 7 kW behind a transformer at a third of them."""
    feeders = max(piles // 20, 1)
    nodes = [Node("transformer", limit_kw=piles * 7.04 / 3, heartbeat="none")]
    nodes += [
        Node(f"feeder-{k}", parent="transformer", limit_kw=20 * 7.04 * 0.6) for k in range(feeders)
    ]
    return Site(
        name="bench",
        zone=ZONE,
        currency="CNY",
        tariff="zhejiang-2026",
        base_load="none",
        walk_in=None,
        network=Network(tuple(nodes)),
        piles=tuple(
            ac_pile(
                id=f"P{k:05d}",
                node=f"feeder-{k % feeders}",
                phases=(k % 3 + 1,),
                volts=220,
                max_a=32,
                min_a=6,
                fallback_kw=0.0,
                offline_kw=0.0,
                response_s=5,
            )
            for k in range(piles)
        ),
        margin_kw=0.0,
        lease_s=900.0,
        telemetry_period_s=60.0,
    )


def full_house(site: Site, now: datetime, mono_s: float, *, first: bool) -> list[Event]:
    """Telemetry of every pile with a vehicle and, at first, a request for each."""
    seq = int(mono_s) + 1
    common = {"now": now, "mono_s": mono_s, "issued_at": now}
    events: list[Event] = []
    for pile in site.piles:
        events.append(
            PileMeasured(
                stamp=(1, seq),
                pile=pile.id,
                power_kw=0.0,
                energy_kwh=0.0,
                vehicle=True,
                **common,
            )
        )
        if first:
            request = Request(
                session=f"s-{pile.id}",
                pile=pile.id,
                arrival=now,
                departure=now + timedelta(hours=9),
                energy_kwh=20.0,
            )
            events.append(SessionRequested(stamp=(1, seq), request=request, **common))
    return events
