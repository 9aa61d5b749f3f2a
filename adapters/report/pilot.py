"""What a vehicle-grid pilot (车网互动试点) is asked for: valley share, MWh given, power to move."""

from __future__ import annotations

import numpy as np

from adapters.report.figure import Figure
from adapters.report.flow_figures import given_back_kwh
from adapters.report.gather import Stretch
from models.errors import TariffError
from models.horizon import epoch_s
from tariffs.tariff import Tariff

VALLEY = ("valley", "deep_valley")


def pilot_figures(stretch: Stretch, tariff: Tariff) -> list[Figure]:
    """Share of charging in valley hours, MWh given back by the piles' meters, power that can be
    moved, demand response delivered.

    Parameters
    ----------
    stretch : Stretch
    tariff : Tariff
        Its periods say what a valley hour is.
    """
    site = stretch.file.site
    hours = (stretch.end - stretch.start).total_seconds() / 3600.0
    movable = 0.0
    for s in stretch.sessions:
        pile = site.pile_by_id[s.pile]
        movable += s.there_h * (pile.max_kw + (pile.discharge_kw if s.may_give else 0.0))
    ended = {
        t["event"]: t
        for t in stretch.told
        if t["kind"] == "answer/event" and t.get("decision") == "ended"
    }
    delivered = [t["delivered_kwh"] for t in ended.values() if t.get("delivered_kwh") is not None]
    paid = [t["paid"] for t in ended.values() if t.get("paid") is not None]
    share = _valley_share(stretch, tariff)
    return [
        Figure(
            "valley_share",
            "Charged in valley hours",
            "谷段充电占比",
            None if share is None else 100.0 * share,
            "%",
            "7",
            "" if share is not None else "the tariff names no valley hours",
            "" if share is not None else "电价未划分谷段",
        ),
        Figure(
            "discharged_mwh",
            "Given back by vehicles",
            "车辆放电电量",
            given_back_kwh(stretch) / 1000.0,
            "MWh",
            "7, 59",
            "by the piles' meters",
            "按桩侧计量",
        ),
        Figure(
            "adjustable",
            "Adjustable power, mean",
            "平均可调功率",
            movable / hours if hours else None,
            "kW",
            "7, 14",
            "piles with a vehicle; both ways where its driver consents",
            "有车在桩的功率，车主同意放电的含双向",
        ),
        Figure(
            "response_kwh",
            "Demand response delivered",
            "需求响应电量",
            float(sum(delivered)) if delivered else None,
            "kWh",
            "14",
            "" if delivered else "no event ended with a reading",
            "" if delivered else "本期无可计量的响应事件",
        ),
        Figure(
            "response_paid",
            "Paid for demand response",
            "需求响应收益",
            float(sum(paid)) if paid else None,
            tariff.currency,
            "14",
        ),
    ]


def _valley_share(stretch: Stretch, tariff: Tariff) -> float | None:
    begin, end = epoch_s(stretch.start), epoch_s(stretch.end)
    for s in stretch.sessions:
        begin = min(begin, int(s.metered.starts_s[0]))
        end = max(end, int(s.metered.ends_s[-1]))
    try:
        steps = tariff.steps(begin, end, stretch.file.site.zone)
    except TariffError:
        return None
    period = np.asarray(steps.period)
    if not bool(np.isin(period, VALLEY).any()):
        return None
    starts = np.asarray(steps.starts_s)
    valley = whole = 0.0
    for s in stretch.sessions:
        middle = (s.metered.starts_s + s.metered.ends_s) / 2.0
        at = np.searchsorted(starts, middle, side="right") - 1
        inside = np.isin(period[at], VALLEY)
        valley += float(s.metered.import_kwh[inside].sum())
        whole += float(s.metered.import_kwh.sum())
    return valley / whole if whole > 0.0 else None
