"""Why nothing is planned, for sessions and piles that no plan serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from models.pile import ac_pile
from models.session import Request
from scheduler.at_rest import pile_at_rest, session_at_rest
from scheduler.state import PileState, SessionRecord

ZONE = ZoneInfo("Asia/Shanghai")
REQUEST = Request(
    session="ev-1",
    pile="P-1",
    arrival=datetime(2026, 9, 1, 10, 0, tzinfo=UTC),
    departure=datetime(2026, 9, 1, 22, 30, tzinfo=UTC),
    energy_kwh=20.0,
)
RECORD = SessionRecord(REQUEST, "waiting", delivered_kwh=12.0)
PILE = ac_pile(
    id="P-1", node="n", phases=(1,), volts=220, max_a=32, min_a=6,
    fallback_kw=0.0, offline_kw=0.0, response_s=5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("record", "pile", "text", "text_zh"),
    [
        (
            replace(RECORD, delivered_kwh=20.0),
            None,
            "has the 20.0 kWh it asked for; leaves at 06:30",
            "已充入所需的 20.0 kWh；06:30 离开",
        ),
        (
            replace(RECORD, state="full"),
            None,
            "the vehicle takes no more: 12.0 of 20.0 kWh; leaves at 06:30",
            "车辆不再接受充电：已充 12.0/20.0 kWh；06:30 离开",
        ),
        (
            RECORD,
            PileState(fault="GroundFault"),
            "8.0 kWh short: its pile is out of order",
            "缺 8.0 kWh：充电桩故障",
        ),
        (
            RECORD,
            PileState(),
            "8.0 kWh still to come; no plan serves it yet",
            "尚需 8.0 kWh；尚无计划",
        ),
        (
            replace(RECORD, state="announced", delivered_kwh=0.0),
            None,
            "expected at 18:00; needs 20.0 kWh by 06:30",
            "预计 18:00 到达；06:30 前需 20.0 kWh",
        ),
    ],
)
def test_a_session_that_no_plan_serves(
    record: SessionRecord, pile: PileState | None, text: str, text_zh: str
) -> None:
    said = session_at_rest(record, pile, ZONE)
    assert (said.text, said.text_zh) == (text, text_zh)


@pytest.mark.parametrize(
    ("known", "silent_kw", "text"),
    [
        (PileState(), None, "no vehicle; 7.0 kW to give"),
        (PileState(fault="E1"), 3.0, "reports E1: gets no power until that is over"),
        (PileState(), 7.04, "has never been heard: counted with 7.0 kW"),
        (PileState(heard_mono_s=400.0), 3.5, "not heard since 09-01 17:50: counted with 3.5 kW"),
        (
            PileState(vehicle=True, sent=True, wanted_kw=1.4),
            None,
            "a vehicle without a session: gets 1.4 kW",
        ),
    ],
)
def test_a_pile_without_a_session(known: PileState, silent_kw: float | None, text: str) -> None:
    now = datetime(2026, 9, 1, 18, 0, tzinfo=ZONE)
    said = pile_at_rest(PILE, known, now=now, mono_s=1_000.0, silent_kw=silent_kw)
    assert said.text == text
    assert said.text_zh
