"""Why nothing is planned: for a session that no plan serves, and for a pile without one.

And what stands before a session's sentence where its pile is not heard.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from models.pile import Pile
from scheduler.reasons import SHORT_KWH
from scheduler.state import PileState, SessionRecord
from scheduler.why import Why


def session_at_rest(record: SessionRecord, pile: PileState | None, zone: ZoneInfo) -> Why:
    """The sentence of a session that no plan serves.

    Parameters
    ----------
    record : SessionRecord
    pile : PileState or None
        Its pile; None before that has spoken.
    zone : ZoneInfo
        Clock times are given in it.
    """
    asked, got = record.request.energy_kwh, record.delivered_kwh
    leaves = f"{record.request.departure.astimezone(zone):%H:%M}"
    if record.state == "announced":
        comes = f"{record.request.arrival.astimezone(zone):%H:%M}"
        return Why(
            f"expected at {comes}; needs {asked:.1f} kWh by {leaves}",
            f"预计 {comes} 到达；{leaves} 前需 {asked:.1f} kWh",
        )
    if asked - got <= SHORT_KWH:
        return Why(
            f"has the {asked:.1f} kWh it asked for; leaves at {leaves}",
            f"已充入所需的 {asked:.1f} kWh；{leaves} 离开",
        )
    if record.state == "full":
        return Why(
            f"the vehicle takes no more: {got:.1f} of {asked:.1f} kWh; leaves at {leaves}",
            f"车辆不再接受充电：已充 {got:.1f}/{asked:.1f} kWh；{leaves} 离开",
        )
    if pile is not None and pile.fault is not None:
        return Why(
            f"{asked - got:.1f} kWh short: its pile is out of order",
            f"缺 {asked - got:.1f} kWh：充电桩故障",
        )
    return Why(
        f"{asked - got:.1f} kWh still to come; no plan serves it yet",
        f"尚需 {asked - got:.1f} kWh；尚无计划",
    )


def pile_at_rest(
    pile: Pile, known: PileState, *, now: datetime, mono_s: float, silent_kw: float | None
) -> Why:
    """The sentence of a pile without a session.

    Parameters
    ----------
    pile : Pile
    known : PileState
    now : datetime
        The state's instant, in the zone that clock times are given in.
    mono_s : float
        The same, monotonic, s.
    silent_kw : float or None
        What it is counted with where it has fallen silent, kW; None for one that talks.
    """
    if known.fault is not None:
        return Why(
            f"reports {known.fault}: gets no power until that is over",
            f"报告故障 {known.fault}，恢复前不供电",
        )
    if silent_kw is not None:
        return _silence(known, now, mono_s, silent_kw)
    if known.vehicle:
        told = known.wanted_kw if known.sent else 0.0
        return Why(
            f"a vehicle without a session: gets {told:.1f} kW",
            f"有车辆但无会话，供电 {told:.1f} kW",
        )
    return Why(f"no vehicle; {pile.max_kw:.1f} kW to give", f"无车辆，可供 {pile.max_kw:.1f} kW")


def behind_silence(
    said: Why, known: PileState, *, now: datetime, mono_s: float, silent_kw: float
) -> Why:
    """The sentence of a session after that of its pile, which has fallen silent.

    What the plan gives it holds only once the pile is heard again.

    Parameters
    ----------
    said : Why
        The session's own sentence.
    known : PileState
    now : datetime
        The state's instant, in the zone that clock times are given in.
    mono_s : float
        The same, monotonic, s.
    silent_kw : float
        What the pile is counted with, kW.
    """
    silence = _silence(known, now, mono_s, silent_kw)
    return Why(
        f"{silence.text}; planned: {said.text}",
        f"{silence.text_zh}；原计划：{said.text_zh}",
    )


def _silence(known: PileState, now: datetime, mono_s: float, silent_kw: float) -> Why:
    if known.heard_mono_s < 0:
        return Why(
            f"has never been heard: counted with {silent_kw:.1f} kW",
            f"从未上线，按 {silent_kw:.1f} kW 计入",
        )
    # An instant, not a duration: what does not change need not be said again.
    last = now - timedelta(seconds=mono_s - known.heard_mono_s)
    return Why(
        f"not heard since {last:%m-%d %H:%M}: counted with {silent_kw:.1f} kW",
        f"自 {last:%m-%d %H:%M} 起失联，按 {silent_kw:.1f} kW 计入",
    )
