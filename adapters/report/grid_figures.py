"""What the grid asked of a site and how it was answered, as figures."""

from __future__ import annotations

from datetime import datetime

from adapters.report.figure import Figure
from adapters.report.gather import Stretch


def grid_figures(stretch: Stretch) -> list[Figure]:
    """Limits received and reached, seconds above them, calls answered."""
    answers = [t for t in stretch.told if t["kind"] == "answer/limit"]
    last = {(t["about"], t["received_at"]): t for t in answers}
    reached = [t for t in last.values() if t.get("reached_at")]
    seconds = [
        (
            datetime.fromisoformat(t["reached_at"]) - datetime.fromisoformat(t["received_at"])
        ).total_seconds()
        for t in reached
    ]
    calls = [t for t in stretch.told if t["kind"] == "answer/event"]
    return [
        Figure("limits", "Limits received", "收到的限值", len(last), "", "17"),
        Figure("limits_reached", "Limits reached", "已达到的限值", len(reached), "", "17"),
        Figure(
            "reach_s",
            "From receipt to reach, longest",
            "达到限值最长用时",
            max(seconds, default=None),
            "s",
            "17",
            "" if seconds else "no limit was reached in this stretch",
            "" if seconds else "本期无达到的限值",
        ),
        Figure(
            "above_s",
            "Meter above the limit",
            "超限时长",
            stretch.exceeded_s,
            "s",
            "17",
            "by alerts, each node for itself; what still stands at the end is in it",
            "按告警统计，各节点分别计；期末未恢复的计入",
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
            len({t["about"] for t in calls}),
            "",
            "14",
        ),
    ]
