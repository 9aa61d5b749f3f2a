"""A study's answer as one self-contained page with its curve, in English or Chinese."""

from __future__ import annotations

from html import escape

from adapters.curve_plot import CurvePlot
from adapters.plot_style import COLOURS, STYLE, legend
from adapters.plots import Line
from adapters.study.hosting import Hosting
from adapters.web.words import Lang

_T = {
    "title": ("How many piles fit behind {0:g} kVA", "{0:g} kVA 变压器能带多少桩"),
    "facts": (
        "{0:g} kVA at power factor {1:g}, {2:g} % usable; base load up to {3:g} % of that in the "
        "evening; {4:g} kW piles, {5:g} vehicles a night each, {6:g} kWh on average; {7} nights, "
        "seed {8}.",
        "{0:g} kVA，功率因数 {1:g}，可用 {2:g} %；傍晚基础负荷最高占其 {3:g} %；桩 {4:g} kW，"
        "每桩每晚 {5:g} 辆车，平均 {6:g} kWh；{7} 晚，随机种子 {8}。",
    ),
    "ordered": ("ordered charging", "有序充电"),
    "first_come": ("first come, first served", "先到先充"),
    "at_once": ("charging at once", "即插即充"),
    "ordered_energy": ("ordered charging, energy", "有序充电，电量"),
    "first_come_energy": ("first come, energy", "先到先充，电量"),
    "crossing": (
        "From {0} piles on ordered charging serves fewer vehicles than first come does, though it "
        "delivers more of the energy ({1:.1f} % against {2:.1f} % there): it plans for the most "
        "energy, and what is missing is spread over more vehicles.",
        "自 {0} 桩起，有序充电满足的车辆少于先到先充，但充入的电量更多（该处 {1:.1f} % 对 "
        "{2:.1f} %）：计划追求总电量最大，缺口分摊到更多车辆。",
    ),
    "asked": ("{0:g} % asked", "要求 {0:g} %"),
    "limit": ("{0:.0f} kW may be drawn", "可用 {0:.0f} kW"),
    "piles": ("piles", "桩数"),
    "served": ("Vehicles served, and energy, by the number of piles", "满足的车辆与电量占比"),
    "peak": ("Highest quarter hour by the number of piles", "最高 15 分钟功率"),
}


def hosting_page(found: Hosting, lang: Lang = "en") -> str:
    """The page as text."""

    def word(key: str, *values: object) -> str:
        return _T[key][lang == "zh"].format(*values)

    q = found.question
    x = [float(p.piles) for p in found.points]
    served = CurvePlot(
        title=word("served"),
        x_label=word("piles"),
        y_label="%",
        x=x,
        lines=[
            Line(word("ordered"), "c2", [100 * p.ordered for p in found.points]),
            Line(word("first_come"), "c4", [100 * p.first_come for p in found.points]),
            Line(word("ordered_energy"), "c1", [100 * p.ordered_energy for p in found.points]),
            Line(
                word("first_come_energy"), "c3", [100 * p.first_come_energy for p in found.points]
            ),
        ],
        marks=[(float(found.ordered), f"{found.ordered}")] if found.ordered else [],
        level=(100 * q.punctuality, word("asked", 100 * q.punctuality)),
        top=100.0,
    )
    peak = CurvePlot(
        title=word("peak"),
        x_label=word("piles"),
        y_label="kW",
        x=x,
        lines=[
            Line(word("at_once"), "c7", [p.uncontrolled_peak_kw for p in found.points]),
            Line(word("ordered"), "c2", [p.ordered_peak_kw for p in found.points]),
        ],
        marks=[(float(found.uncontrolled), f"{found.uncontrolled}")] if found.uncontrolled else [],
        level=(q.limit_kw, word("limit", q.limit_kw)),
    )
    facts = word(
        "facts",
        *(q.transformer_kva, q.power_factor, 100 * q.ceiling_share, 100 * q.base_share),
        *(q.pile_kw, q.visits, q.energy_kwh, q.nights, q.seed),
    )
    counts = (
        ("ordered", "c2", found.ordered),
        ("first_come", "c4", found.first_come),
        ("at_once", "c7", found.uncontrolled),
    )
    keys = {key: (css, word(key)) for key, css, _ in counts}
    cards = "".join(
        f'<div class="card"><b>{n}</b><span>{escape(word(key))}</span></div>'
        for key, _, n in counts
    )
    past = crossing_note(found, lang)
    note = f"<p>{escape(past)}</p>" if past else ""
    energies = [("c1", word("ordered_energy")), ("c3", word("first_come_energy"))]
    title = escape(word("title", q.transformer_kva))
    dark = COLOURS.split("data-theme=dark]{", 1)[1].split("}", 1)[0]
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{COLOURS}{STYLE}{_CSS.replace('DARK', dark)}</style></head>"
        f'<body><h1>{title}</h1><p>{escape(facts)}</p><div class="cards">{cards}</div>'
        f"<section><h2>{escape(word('served'))}</h2>{served.svg()}"
        f"{legend([keys['ordered'], keys['first_come'], *energies])}{note}</section>"
        f"<section><h2>{escape(word('peak'))}</h2>{peak.svg()}"
        f"{legend([keys['at_once'], keys['ordered']])}</section></body></html>"
    )


def crossing_note(found: Hosting, lang: Lang = "en") -> str:
    """Why the curve of ordered charging falls below that of first come; empty where it does not."""
    at = found.crossing
    if at is None:
        return ""
    return _T["crossing"][lang == "zh"].format(
        at.piles, 100 * at.ordered_energy, 100 * at.first_come_energy
    )


_CSS = """
body{background:var(--bg);color:var(--text);font:15px/1.5 system-ui,"Noto Sans SC",sans-serif}
body{max-width:860px;margin:1.5rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1rem;margin:0 0 .5rem}
section,.card{background:var(--card);border:1px solid var(--rule);border-radius:12px}
section{padding:1rem;margin:1rem 0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.7rem}
.card{padding:.7rem 1rem}.card b{display:block;font-size:1.8rem;line-height:1.2}
.card span{color:var(--muted)}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){DARK}}
"""
