"""A report as one self-contained page: figures, plots inside, tables; no script, nothing loaded."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from itertools import groupby

import numpy as np

from adapters.curve_plot import CurvePlot
from adapters.health import own_version
from adapters.plot_style import COLOURS, STYLE
from adapters.plots import Line
from adapters.report.figure import Figure
from adapters.report.figures import Result
from adapters.report.gather import Stretch
from adapters.report.page_lists import (
    alerts_table,
    calls_table,
    limits_table,
    sessions_table,
    table,
)
from adapters.report.policy import policy_table
from adapters.report.power_plot import nodes_plots, power_plot
from adapters.report.words import T
from adapters.web.words import PERIOD_WORDS, Lang
from tariffs.tariff import Tariff

_CSS = """
body{margin:0;background:var(--bg);color:var(--text)}
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif}
main{max-width:1080px;margin:0 auto;padding:1.5rem}
h1{margin:0}h2{margin:0 0 .6rem;font-size:1.1rem}h3{margin:.8rem 0 .2rem;font-size:1rem}
.sub{color:var(--muted)}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:1rem 1.2rem}
section{margin:1rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--rule)}
td.n,th.n{text-align:right}
tr.group th{padding-top:1rem;font-size:1.05rem}
.wide{overflow-x:auto}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){DARK}}
@media print{section{break-inside:avoid}}
"""


def report_page(stretch: Stretch, result: Result, tariff: Tariff, lang: Lang) -> str:
    """The page as text."""

    def word(key: str) -> str:
        return escape(T[key][lang == "zh"])

    site = stretch.file.site
    last = stretch.end - timedelta(days=1)
    until = f" – {last:%Y-%m-%d}" if last.date() > stretch.start.date() else ""
    title = f"{site.name}: {stretch.start:%Y-%m-%d}{until}"
    dark = COLOURS.split("data-theme=dark]{", 1)[1].split("}", 1)[0]
    plots = nodes_plots(stretch, lang)
    below = [f"<section><h2>{word('nodes')}</h2>{plots}</section>"] if plots else []
    body = [
        f'<h1>{escape(title)}</h1><p class="sub">{word("title")} · {escape(tariff.name)} · '
        f"{word('made').format(escape(own_version()))}</p>",
        f"<section><h2>{word('figures')}</h2>{_figures(result.figures, lang)}"
        f'<p class="sub">{word("lower_bound")}</p></section>',
        f"<section><h2>{word('power')}</h2>{power_plot(stretch, tariff, lang)}</section>",
        f"<section><h2>{word('periods')}</h2>{_periods(result, lang)}</section>",
        f"<section><h2>{word('limits')}</h2>{limits_table(stretch, lang)}</section>",
        *below,
        f"<section><h2>{word('calls')}</h2>{calls_table(stretch, lang)}</section>",
        f"<section><h2>{word('indicators')}</h2>{policy_table(result.figures, lang)}</section>",
    ]
    if any(s.served is not None for s in stretch.sessions):
        body.append(f"<section><h2>{word('served')}</h2>{_served(stretch, lang)}</section>")
    body.append(f"<section><h2>{word('sessions')}</h2>{sessions_table(stretch, lang)}</section>")
    alerts = [t for t in stretch.told if t["kind"].startswith("alert/") and not t.get("cleared")]
    if alerts:
        body.append(
            f"<section><h2>{word('told')}</h2>{alerts_table(stretch, alerts, lang)}</section>"
        )
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{COLOURS}{STYLE}{_CSS.replace('DARK', dark)}</style>"
        f"</head><body><main>{''.join(body)}</main></body></html>"
    )


def _figures(figures: tuple[Figure, ...], lang: Lang) -> str:
    """One table, a heading row above each group of figures."""

    def word(key: str) -> str:
        return escape(T[key][lang == "zh"])

    rows = []
    for group, own in groupby(figures, key=lambda f: f.group):
        rows.append(
            f'<tr class="group"><th colspan="5" scope="rowgroup">{word(f"{group}_group")}</th></tr>'
        )
        rows += [
            f'<tr><th scope="row">{escape(f.name_zh if lang == "zh" else f.name)}</th>'
            f'<td class="n">{f.number or word("unknown")}</td>'
            f"<td>{escape(f.unit)}</td><td>{escape(f.policy)}</td>"
            f"<td>{escape(f.note_zh if lang == 'zh' else f.note)}</td></tr>"
            for f in own
        ]
    return (
        f'<div class="wide"><table><thead><tr><th>{word("figure")}</th><th class="n">'
        f"{word('value')}</th><th></th><th>{word('policy')}</th><th>{word('note')}</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _periods(result: Result, lang: Lang) -> str:
    totals: dict[str, list[float]] = {}
    for bill in result.bills:
        for line in bill.lines:
            if line.unit == "kWh" and line.rule == "energy":
                own = totals.setdefault(line.period, [0.0, 0.0])
                own[0] += float(line.quantity)
                own[1] += float(line.amount)
    whole = sum(t[0] for t in totals.values()) or 1.0
    rows = "".join(
        f'<tr><th scope="row">{escape(PERIOD_WORDS.get(p, (p, p))[lang == "zh"])}</th>'
        f'<td class="n">{kwh:,.1f} kWh</td><td class="n">{100 * kwh / whole:.1f} %</td>'
        f'<td class="n">{money:,.2f}</td></tr>'
        for p, (kwh, money) in sorted(totals.items(), key=lambda t: -t[1][0])
    )
    return table(("period", "energy", "share_of", "money"), rows, lang, figures=3)


def _served(stretch: Stretch, lang: Lang) -> str:
    served = np.sort([100 * s.served for s in stretch.sessions if s.served is not None])
    levels = np.arange(0.0, 101.0, 5.0)
    share = [float(100 * np.mean(served >= level - 1e-9)) for level in levels]
    return CurvePlot(
        title=T["served"][lang == "zh"],
        x_label=T["served_axis"][lang == "zh"],
        y_label="%",
        x=levels.tolist(),
        lines=[Line(T["share"][lang == "zh"], "c1", share)],
        top=100.0,
    ).svg()
