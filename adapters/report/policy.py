"""The policy's own indicators (part E, items 56 to 70): the numbers, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from adapters.report.figure import Figure
from adapters.web.words import Lang


@dataclass(frozen=True)
class Indicator:
    """One item of the policy.

    ``keys`` are the figures that answer it; ``apart`` says what no report of one site can say, or
    where else it is answered.
    """

    item: str
    asks: tuple[str, str]
    keys: tuple[str, ...] = ()
    apart: tuple[str, str] = ("", "")


INDICATORS = (
    Indicator(
        "56",
        ("Service quality and charging efficiency", "服务质量与充电效率"),
        ("of_taken", "on_time_taken", "of_asked", "on_time", "waited", "available", "use_energy"),
        ("per pile: table piles", "分桩数据见 piles 表"),
    ),
    Indicator(
        "57",
        ("Rural public piles: energy and sessions", "乡村公共桩：电量与会话"),
        ("energy", "sessions"),
        (
            "whether a site is rural is no fact of the store; the operator names it in the claim",
            "是否乡村站点不在数据库中，由运营方在申报时注明",
        ),
    ),
    Indicator(
        "58",
        ("Rent", "场地租金"),
        (),
        ("missing: rent is in no message and no tariff", "缺：报文与电价中均无租金"),
    ),
    Indicator(
        "59",
        ("Battery throughput and incidents", "电池吞吐量与事件"),
        ("energy", "v2g", "pile_faults"),
        ("per session: table sessions", "分会话数据见 sessions 表"),
    ),
    Indicator(
        "60",
        ("1,500 to 1,800 piles", "1500 至 1800 个桩"),
        ("piles",),
        ("of this site; the district is a sum over sites", "为本站数据，全区由各站汇总"),
    ),
    Indicator(
        "61",
        ("430 rural, 60 scenic piles", "乡村 430 个、景区 60 个"),
        (),
        ("missing: where a site lies is not told to it", "缺：站点不知其所在区域"),
    ),
    Indicator(
        "62",
        ("Charging circles of 1, 2 and 5 km", "1、2、5 公里充电圈"),
        (),
        ("missing: a site does not know its neighbours", "缺：站点不知其邻近站点"),
    ),
    Indicator("63", ("Slow and fast piles together", "快慢互补"), ("slow_piles", "fast_piles")),
    Indicator(
        "64",
        ("Runs unattended", "有人管、可持续"),
        ("above_s", "solver_lost", "pile_faults"),
    ),
    Indicator(
        "65",
        ("Battery-swap stations", "换电站"),
        (),
        ("missing: a swap rack is planned as storage", "缺：换电架按储能编制计划"),
    ),
    Indicator(
        "66",
        ("Petrol stations with a strict limit", "加油站（严格限值）"),
        ("limits", "limits_reached"),
    ),
    Indicator(
        "67",
        ("District dispatch", "一个平台调度"),
        (),
        ("missing: a report is of one site", "缺：报告只含一个站点"),
    ),
    Indicator(
        "68",
        ("Every target with its number", "目标、指标、考核"),
        ("sessions", "energy", "of_taken", "on_time_taken", "of_asked", "on_time"),
    ),
    Indicator(
        "69",
        ("Fast, cheap, good, to compare", "快、省、优"),
        ("waited", "price", "on_time_taken", "on_time", "available"),
    ),
    Indicator(
        "70",
        ("Vehicles that stay when they are full", "充满后占位"),
        ("idle",),
        ("notices go out as session statuses", "提示通过会话状态报文发送"),
    ),
)


def policy_table(figures: tuple[Figure, ...], lang: Lang) -> str:
    """The items as a table, each with its numbers or with what is missing."""
    zh = lang == "zh"
    known = {f.key: f for f in figures}
    rows = []
    for one in INDICATORS:
        said = [_said(known[k], lang) for k in one.keys if k in known]
        if one.apart[0]:
            said.append(f'<span class="sub">{escape(one.apart[zh])}</span>')
        rows.append(
            f'<tr><th scope="row">{one.item}</th><td>{escape(one.asks[zh])}</td>'
            f"<td>{'<br>'.join(said)}</td></tr>"
        )
    heads = ("条目", "要求", "本报告") if zh else ("Item", "Asks for", "This report")
    cells = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return (
        f'<div class="wide"><table class="policy"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _said(figure: Figure, lang: Lang) -> str:
    name = figure.name_zh if lang == "zh" else figure.name
    if figure.value is None:
        return f"{escape(name)}: –"
    return f"{escape(name)}: <strong>{figure.number}</strong> {escape(figure.unit)}"
