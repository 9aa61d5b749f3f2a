"""A study's answer as one self-contained page with its curve."""

from __future__ import annotations

from html import escape

from adapters.curve_plot import CurvePlot
from adapters.plot_style import COLOURS, STYLE, legend
from adapters.plots import Line
from adapters.study.hosting import Hosting


def hosting_page(found: Hosting) -> str:
    """The page as text."""
    q = found.question
    x = [float(p.piles) for p in found.points]
    lines = [
        Line("ordered charging", "c2", [100 * p.ordered for p in found.points]),
        Line("first come, first served", "c4", [100 * p.first_come for p in found.points]),
    ]
    served = CurvePlot(
        title=f"Vehicles served by the number of piles behind {q.transformer_kva:g} kVA",
        x_label="piles",
        y_label="%",
        x=x,
        lines=lines,
        marks=[(float(found.ordered), f"{found.ordered}")] if found.ordered else [],
        level=(100 * q.punctuality, f"{100 * q.punctuality:g} % asked"),
        top=100.0,
    )
    peak = CurvePlot(
        title="Highest quarter hour by the number of piles",
        x_label="piles",
        y_label="kW",
        x=x,
        lines=[
            Line("charging at once", "c7", [p.uncontrolled_peak_kw for p in found.points]),
            Line("ordered charging", "c2", [p.ordered_peak_kw for p in found.points]),
        ],
        marks=[(float(found.uncontrolled), f"{found.uncontrolled}")] if found.uncontrolled else [],
        level=(q.limit_kw, f"{q.limit_kw:.0f} kW may be drawn"),
    )
    facts = (
        f"{q.transformer_kva:g} kVA at power factor {q.power_factor:g}, "
        f"{100 * q.ceiling_share:g} % usable; base load up to {100 * q.base_share:g} % of that in "
        f"the evening; {q.pile_kw:g} kW piles, {q.visits:g} vehicles a night each, "
        f"{q.energy_kwh:g} kWh on average; "
        f"{q.nights} nights, seed {q.seed}"
    )
    keys = [("c2", "ordered charging"), ("c4", "first come, first served")]
    keys.append(("c7", "charging at once"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hosting</title>'
        f"<style>{COLOURS}{STYLE}body{{background:var(--bg);color:var(--text);font:15px/1.5 "
        "system-ui,sans-serif;max-width:820px;margin:1.5rem auto;padding:0 1rem}"
        "section{background:var(--card);border:1px solid var(--rule);border-radius:12px;"
        "padding:1rem;margin:1rem 0}b{font-size:1.5rem}</style></head><body>"
        f"<h1>How many piles fit behind {q.transformer_kva:g} kVA</h1><p>{escape(facts)}.</p>"
        f"<section><p><b>{found.ordered}</b> with ordered charging, "
        f"<b>{found.first_come}</b> first come first served, "
        f"<b>{found.uncontrolled}</b> charging at once.</p></section>"
        f"<section>{served.svg()}{legend(keys[:2])}</section>"
        f"<section>{peak.svg()}{legend([keys[2], keys[0]])}</section></body></html>"
    )
