"""Tariffs pushed over a real broker: in force at once, kept through kill -9, refused in words."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.wire import inbound as w
from adapters.wire import outbound as o
from tests.integration.field import needs_broker, request, until, yard

pytestmark = [needs_broker, pytest.mark.broker]


def test_dear_hours_pushed_while_cars_charge_stop_them_also_after_kill_9(tmp_path: Path) -> None:
    with yard(tmp_path, piles=2) as place:
        place.plug_in(2)
        place.daemon.start()
        place.ready()
        until(lambda: all(p.told for p in place.piles), "every pile has a setpoint")
        operator = place.peer("operator", "session/+/status")
        for k in range(2):
            request(operator, f"s{k}", f"P-{k}", energy_kwh=20.0, hours=6, mode="smart")
        until(lambda: place.said_kw() > 70.0, "cars charge at a flat price")
        retailer = place.peer("retailer", "rejected")
        begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        retailer.send(
            w.Tariff(
                **retailer.stamp(),
                start=begin,
                slot_minutes=60,
                buy_per_kwh=[9.0, 9.0, *[0.1] * 10],
            ),
            "market",
        )
        until(lambda: place.said_kw() == 0.0, "nobody charges in the dear hours")
        place.daemon.kill()
        told = [len(p.told) for p in place.piles]
        place.daemon.start()
        until(
            lambda: all(len(p.told) > n for p, n in zip(place.piles, told, strict=True)),
            "all are told again",
        )
        time.sleep(5.0)
        assert place.said_kw() == 0.0


def test_a_book_that_nobody_knows_is_refused_on_the_topic_with_the_nearest_names(
    tmp_path: Path,
) -> None:
    with yard(tmp_path, piles=1) as place:
        place.plug_in(1)
        place.daemon.start()
        place.ready()
        until(lambda: place.piles[0].told, "the birth is answered")
        retailer = place.peer("retailer", "rejected")
        valid_from = datetime.now(UTC) + timedelta(hours=1)
        retailer.send(
            w.Tariff(**retailer.stamp(), book="zhejiang-2062", valid_from=valid_from), "retail"
        )
        until(lambda: retailer.bodies(o.Rejected), "it is refused")
        (refusal,) = retailer.bodies(o.Rejected)
        assert refusal.code == "unknown_tariff"
        assert refusal.topic.endswith("tariff/retail")
        assert "zhejiang-2026" in refusal.reason


def test_periods_take_effect_at_their_instant_are_kept_and_refused_where_they_leave_a_gap(
    tmp_path: Path,
) -> None:
    """Until its instant the flat price is the cheapest, so cars charge; then the hours now are the
    dearest, so they wait.
    """
    zone = ZoneInfo("Asia/Shanghai")
    with yard(tmp_path, piles=2) as place:
        place.plug_in(2)
        place.daemon.start()
        place.ready()
        until(lambda: all(p.told for p in place.piles), "every pile has a setpoint")
        operator = place.peer("operator", "session/+/status")
        now = datetime.now(UTC)
        for k in range(2):
            request(operator, f"s{k}", f"P-{k}", energy_kwh=20.0, hours=8, mode="smart")
        until(lambda: place.said_kw() > 70.0, "cars charge at a flat price")
        retailer = place.peer("retailer", "rejected")
        first = now.astimezone(zone).hour
        dear = f"{first:02d}:00-{(first + 2) % 24:02d}:00"
        rest = f"{(first + 2) % 24:02d}:00-{first:02d}:00"
        late = f"{(first + 3) % 24:02d}:00-{first:02d}:00"

        def periods(cheap: str, valid_from: datetime) -> w.Tariff:
            return w.Tariff(
                **retailer.stamp(),
                valid_from=valid_from,
                periods=[
                    w.TariffPeriod(period="sharp", hours=[dear], buy_per_kwh=9.0),
                    w.TariffPeriod(period="valley", hours=[cheap], buy_per_kwh=5.0),
                ],
            )

        retailer.send(periods(late, datetime.now(UTC)), "retail")
        until(lambda: retailer.bodies(o.Rejected), "a gap of an hour is refused")
        (refusal,) = retailer.bodies(o.Rejected)
        assert (refusal.code, refusal.field) == ("tariff_gap", "periods")
        assert "has no period" in refusal.reason
        assert place.said_kw() > 70.0
        begin = datetime.now(UTC) + timedelta(seconds=10)
        retailer.send(periods(rest, begin), "retail")
        while datetime.now(UTC) < begin - timedelta(seconds=1):
            assert place.said_kw() > 70.0, "not before its instant"
            time.sleep(0.2)
        until(lambda: place.said_kw() == 0.0, "nobody charges once the hour has become dear")
        place.daemon.kill()
        told = [len(p.told) for p in place.piles]
        place.daemon.start()
        until(
            lambda: all(len(p.told) > n for p, n in zip(place.piles, told, strict=True)),
            "all are told again",
        )
        time.sleep(5.0)
        assert place.said_kw() == 0.0
