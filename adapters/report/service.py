"""How well the sessions of a report were served, by the drivers' words and by the vehicles."""

from __future__ import annotations

import numpy as np

from adapters.report.figure import Figure, per
from adapters.report.gather import Stretch

ON_TIME_SHARE = 0.98
"""A session is on time when it has got this share by its departure."""


def service_figures(stretch: Stretch) -> list[Figure]:
    """Shares delivered, punctuality, fairness and waiting."""
    sessions = stretch.sessions
    # Who is still there may yet be served in time.
    last_s = max(int(s.metered.ends_s[-1]) for s in sessions)
    over = [s for s in sessions if s.departure is None or s.departure.timestamp() <= last_s]
    known = [s for s in over if s.served is not None]
    served = np.array([s.served for s in known], dtype=np.float64)
    taken = np.array([1.0 if s.took_all else s.served for s in known], dtype=np.float64)
    asked = sum(s.asked_kwh or 0.0 for s in known)
    got = sum(min(s.delivered_kwh, s.asked_kwh or 0.0) for s in known)
    could = sum(
        min(s.delivered_kwh, s.asked_kwh or 0.0) if s.took_all else s.asked_kwh or 0.0
        for s in known
    )
    of, of_zh = "", ""
    if len(known) < len(sessions):
        of = f"; of {len(known)} sessions that are over and whose request is kept"
        of_zh = f"；按 {len(known)} 个已结束且留有请求的会话"
    full = sum(s.took_all for s in known)
    word = f"by what drivers asked, also where the vehicle could not take it{of}"
    word_zh = f"按车主申报需求计，含车辆无法接受的电量{of_zh}"
    fact = (
        f"by what vehicles could take: {full} that were full before their request was met count "
        f"as served{of}"
    )
    fact_zh = f"按车辆实际可充电量计：{full} 辆未达需求即已充满，计为已满足{of_zh}"
    jain = None
    if known and float((served**2).sum()) > 0:
        jain = float(served.sum() ** 2 / (served.size * (served**2).sum()))

    def on_time(share: object) -> float | None:
        return per(float((np.asarray(share) >= ON_TIME_SHARE).sum()), len(known), 100)

    return [
        Figure(
            "of_taken",
            "Delivered of what vehicles could take",
            "满足率（按车辆可充电量）",
            per(got, could, 100),
            "%",
            "56",
            fact,
            fact_zh,
        ),
        Figure(
            "on_time_taken",
            "On time, by what vehicles could take",
            "准时率（按车辆可充电量）",
            on_time(taken),
            "%",
            "56, 69",
            fact,
            fact_zh,
        ),
        Figure(
            "of_asked",
            "Delivered of what drivers asked",
            "满足率（按申报需求）",
            per(got, asked, 100),
            "%",
            "56",
            word,
            word_zh,
        ),
        Figure(
            "on_time",
            "On time, by what drivers asked",
            "准时率（按申报需求）",
            on_time(served),
            "%",
            "56, 69",
            word,
            word_zh,
        ),
        Figure("fairness", "Fairness (Jain)", "公平性（Jain 指数）", jain, "", "21", word, word_zh),
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
