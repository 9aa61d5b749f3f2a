"""The figures of a report, each with the item of the policy that asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.report.figure import Figure, Group, per
from adapters.report.flow_figures import flow_figures
from adapters.report.gather import Stretch
from adapters.report.grid_figures import grid_figures
from adapters.report.pilot import pilot_figures
from adapters.report.service import service_figures
from adapters.report.transformer import transformer_figures
from adapters.saved import savings_against
from tariffs.bill import session_bills
from tariffs.bill_lines import Bill
from tariffs.savings import Saving
from tariffs.tariff import Tariff

_DOWN = ("alert/pile_fault", "alert/pile_silent")


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
    groups: dict[Group, list[Figure]] = {
        "energy": _energy(stretch, bills, savings, tariff.currency),
        "service": service_figures(stretch),
        "use": _use(stretch),
        "grid": [*grid_figures(stretch), *transformer_figures(stretch)],
        "pilot": pilot_figures(stretch, tariff),
    }
    found = tuple(replace(f, group=g) for g, own in groups.items() for f in own)
    return Result(found, tuple(bills), savings)


def _energy(
    stretch: Stretch, bills: Sequence[Bill], savings: Sequence[Saving], currency: str
) -> list[Figure]:
    kwh = float(sum(b.energy_kwh for b in bills))
    cost = float(sum(b.exact for b in bills))
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
    return [*out, *flow_figures(stretch)]


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
            per(there, len(site.piles) * hours, 100),
            "%",
            "38",
        ),
        Figure(
            "use_energy", "Utilisation by energy", "电量利用率", per(kwh, could, 100), "%", "38"
        ),
        Figure(
            "piles_used",
            "Piles that served a session",
            "有充电记录的桩",
            per(len(used), len(site.piles), 100),
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
            per(there - sum(s.charging_h for s in stretch.sessions), there, 100),
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


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
