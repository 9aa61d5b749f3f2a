"""The figures of a report, each with the item of the policy that asks for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from adapters.report.figure import Figure
from adapters.report.gather import Stretch
from adapters.report.pilot import pilot_figures
from adapters.saved import savings_against
from tariffs.bill import session_bills
from tariffs.bill_lines import Bill
from tariffs.savings import Saving
from tariffs.tariff import Tariff

_DOWN = ("alert/pile_fault", "alert/pile_silent")

ON_TIME_SHARE = 0.98
"""A session is on time when it has got this share of its request by its departure."""


@dataclass(frozen=True)
class Result:
    """Figures, the bills behind them, and the savings."""

    figures: tuple[Figure, ...]
    bills: tuple[Bill, ...]
    savings: tuple[Saving, ...]

    def __getitem__(self, key: str) -> Figure:
        return next(f for f in self.figures if f.key == key)


def figures_of(stretch: Stretch, tariff: Tariff) -> Result:
    """All figures of a stretch.

    Raises
    ------
    TariffError
        If the tariff lacks a price in it.
    """
    site = stretch.file.site
    bills = session_bills(tariff, [r.metered for r in stretch.readings], zone=site.zone)
    savings = tuple(savings_against(tariff, site, stretch.readings, bills))
    found = [
        *_energy(stretch, bills, savings, tariff.currency),
        *_service(stretch),
        *_use(stretch),
        *_grid(stretch),
        *pilot_figures(stretch, tariff),
    ]
    return Result(tuple(found), tuple(bills), savings)


def _energy(
    stretch: Stretch, bills: Sequence[Bill], savings: Sequence[Saving], currency: str
) -> list[Figure]:
    kwh = float(sum(b.energy_kwh for b in bills))
    cost = float(sum(b.exact for b in bills))
    back = float(sum(s.metered.export_kwh.sum() for s in stretch.sessions))
    out = [
        Figure("sessions", "Sessions", "充电会话", len(stretch.sessions), "", "57"),
        Figure("energy", "Energy delivered", "充电电量", kwh, "kWh", "57"),
        Figure("cost", "Energy cost", "电费", cost, currency),
        Figure(
            "price",
            "Mean price",
            "平均电价",
            cost / kwh if kwh else None,
            f"{currency}/kWh",
            "69",
        ),
    ]
    words = {
        "uncontrolled": ("charging at once", "即插即充"),
        "first_come": ("first come", "先到先充"),
    }
    for s in savings:
        name, name_zh = words[s.baseline]
        out.append(
            Figure(
                f"saved_{s.baseline}",
                f"Saved against {name}",
                f"较{name_zh}节省",
                None if s.saved is None else float(s.saved),
                currency,
                "3",
                "" if s.saved is not None else f"it would fall {s.short_kwh:.1f} kWh short",
                "" if s.saved is not None else f"该方式少充 {s.short_kwh:.1f} kWh",
            )
        )
    out.append(Figure("v2g", "Fed back by vehicles", "车辆反送电量", back, "kWh", "7"))
    return out


def _service(stretch: Stretch) -> list[Figure]:
    sessions = stretch.sessions
    # Who is still there may yet be served in time.
    last_s = max(int(s.metered.ends_s[-1]) for s in sessions)
    over = [s for s in sessions if s.departure is None or s.departure.timestamp() <= last_s]
    known = [s for s in over if s.served is not None]
    served = np.array([s.served for s in known], dtype=np.float64)
    asked = sum(s.asked_kwh or 0.0 for s in known)
    got = sum(min(s.delivered_kwh, s.asked_kwh or 0.0) for s in known)
    # The store does not keep when a vehicle was full: what it did not take counts as not given.
    lost, lost_zh = (
        "by what was asked, also where the vehicle took less",
        "按需求计，含车辆少取的电量",
    )
    if len(known) < len(sessions):
        lost += f"; of {len(known)} sessions that are over and whose request is kept"
        lost_zh += f"；按 {len(known)} 个已结束且留有请求的会话"
    jain = None
    if known and float((served**2).sum()) > 0:
        jain = float(served.sum() ** 2 / (served.size * (served**2).sum()))
    return [
        Figure(
            "of_asked",
            "Delivered of asked",
            "满足率",
            _per(got, asked, 100),
            "%",
            "56",
            lost,
            lost_zh,
        ),
        Figure(
            "on_time",
            "On time",
            "准时率",
            _per(float((served >= ON_TIME_SHARE).sum()), len(known), 100),
            "%",
            "56, 69",
            lost,
            lost_zh,
        ),
        Figure("fairness", "Fairness (Jain)", "公平性（Jain 指数）", jain, "", "21", lost, lost_zh),
        Figure(
            "waited",
            "Wait for the first kWh, mean",
            "首次充电平均等待",
            float(np.mean([s.waited_h for s in sessions])),
            "h",
            "56, 69",
            "with time to spare, waiting for the valley is meant",
            "停留充裕时等待谷段属正常",
        ),
    ]


def _use(stretch: Stretch) -> list[Figure]:
    site = stretch.file.site
    hours = (stretch.end - stretch.start).total_seconds() / 3600.0
    there = sum(s.there_h for s in stretch.sessions)
    kwh = sum(s.delivered_kwh for s in stretch.sessions)
    could = sum(p.max_kw for p in site.piles) * hours
    faults = Counter(
        t["about"] for t in stretch.told if t["kind"] in _DOWN and not t.get("cleared")
    )
    used = {s.pile for s in stretch.sessions}
    return [
        Figure(
            "use_time",
            "Utilisation by time",
            "时间利用率",
            _per(there, len(site.piles) * hours, 100),
            "%",
            "38",
        ),
        Figure(
            "use_energy", "Utilisation by energy", "电量利用率", _per(kwh, could, 100), "%", "38"
        ),
        Figure(
            "piles_used",
            "Piles that served a session",
            "有充电记录的桩",
            _per(len(used), len(site.piles), 100),
            "%",
            "37",
        ),
        Figure("piles", "Piles", "桩数", len(site.piles), "", "60"),
        Figure(
            "slow_piles",
            "AC piles",
            "交流（慢充）桩",
            sum(p.current == "ac" for p in site.piles),
            "",
            "63",
        ),
        Figure(
            "fast_piles",
            "DC piles",
            "直流（快充）桩",
            sum(p.current == "dc" for p in site.piles),
            "",
            "63",
        ),
        Figure(
            "available",
            "Availability of the piles",
            "桩可用率",
            100.0 * (1.0 - _down_h(stretch) / (len(site.piles) * hours)),
            "%",
            "56, 69",
            "without the time of faults and silence, by alerts",
            "按告警统计，扣除故障与失联时间",
        ),
        Figure(
            "idle",
            "Plugged in without charging",
            "插枪未充电时间占比",
            _per(there - sum(s.charging_h for s in stretch.sessions), there, 100),
            "%",
            "70",
            "waiting for the valley is in it",
            "含等待谷段的时间",
        ),
        Figure(
            "pile_faults",
            "Piles that were faulty or silent",
            "故障或离线的桩",
            len(faults),
            "",
            "37, 38",
        ),
    ]


def _down_h(stretch: Stretch) -> float:
    """Hours that piles were faulty or silent, each pile's hours counted once, h."""
    told = [t for t in stretch.told if t["kind"] in _DOWN]
    ends = {(t["kind"], t["about"], t["since"]): t["at"] for t in told if t.get("cleared")}
    # What stands is down until the last that was told of anything.
    last = max((t["at"] for t in stretch.told), default=stretch.end)
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for kind, about, since in {(t["kind"], t["about"], t["since"]) for t in told}:
        end = ends.get((kind, about, since), last)
        begin = max(_at(since), stretch.start)
        spans.setdefault(about, []).append((begin, min(end, stretch.end)))
    total = 0.0
    for own in spans.values():
        until = stretch.start
        for begin, end in sorted(own):
            total += max((end - max(begin, until)).total_seconds(), 0.0)
            until = max(until, end)
    return total / 3600.0


def _grid(stretch: Stretch) -> list[Figure]:
    answers = [t for t in stretch.told if t["kind"] == "answer/limit"]
    last = {(t["about"], t["received_at"]): t for t in answers}
    reached = [t for t in last.values() if t.get("reached_at")]
    seconds = [(_at(t["reached_at"]) - _at(t["received_at"])).total_seconds() for t in reached]
    calls = [t for t in stretch.told if t["kind"] == "answer/event"]
    above = sum(
        (t["at"] - _at(t["since"])).total_seconds()
        for t in stretch.told
        if t["kind"] == "alert/limit_exceeded" and t.get("cleared")
    )
    return [
        Figure("limits", "Limits received", "收到的限值", len(last), "", "17"),
        Figure("limits_reached", "Limits reached", "已达到的限值", len(reached), "", "17"),
        Figure(
            "reach_s",
            "From receipt to reach, longest",
            "达到限值最长用时",
            max(seconds, default=math.nan) if seconds else None,
            "s",
            "17",
            "" if seconds else "no limit was reached in this stretch",
            "" if seconds else "本期无达到的限值",
        ),
        Figure(
            "above_s",
            "Meter above the limit",
            "超限时长",
            above,
            "s",
            "17",
            "by alerts",
            "按告警统计",
        ),
        Figure(
            "solver_lost",
            "Times that planning was lost",
            "求解中断次数",
            sum(t["kind"] == "alert/solver_lost" and not t.get("cleared") for t in stretch.told),
            "",
            "64",
            "charging went on by the last plan, or by urgency",
            "期间按上一计划或紧急程度充电",
        ),
        Figure(
            "demand_response",
            "Demand response events answered",
            "需求响应应答",
            len(calls),
            "",
            "14",
        ),
    ]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _per(part: float, whole: float, times: float = 1.0) -> float | None:
    return part / whole * times if whole else None
