"""A report as one self-contained page: figures, plots inside, tables; no script, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape

import numpy as np

from adapters.curve_plot import CurvePlot
from adapters.health import own_version
from adapters.plot_style import COLOURS, STYLE, legend
from adapters.plots import Area, Band, Line, TimePlot
from adapters.report.figure import Figure
from adapters.report.figures import Result
from adapters.report.gather import Stretch
from adapters.report.policy import policy_table
from adapters.saved import stays_of
from adapters.web.words import PERIOD_WORDS, Lang, alert_word
from models.horizon import FloatArray, IntArray, epoch_s
from tariffs.metered import Metered
from tariffs.savings import uncontrolled
from tariffs.tariff import Tariff

PLOT_SLOTS = 700
"""Points of the power plot at most; longer reports show means of longer slots."""

_CSS = """
body{margin:0;background:var(--bg);color:var(--text)}
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif}
main{max-width:1080px;margin:0 auto;padding:1.5rem}
h1{margin:0}h2{margin:0 0 .6rem;font-size:1.1rem}
.sub{color:var(--muted)}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:1rem 1.2rem}
section{margin:1rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--rule)}
td.n,th.n{text-align:right}
.wide{overflow-x:auto}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){DARK}}
@media print{section{break-inside:avoid}}
"""

_T = {
    "title": ("Report", "运行报告"),
    "figures": ("Figures", "指标"),
    "figure": ("Figure", "指标"),
    "value": ("Value", "数值"),
    "policy": ("Policy item", "政策条目"),
    "note": ("Note", "备注"),
    "power": ("Power of all sessions", "全部会话功率"),
    "as_charged": ("As charged", "实际"),
    "at_once": ("Charging at once", "即插即充"),
    "served": ("Served share of each session", "各会话满足率"),
    "sessions": ("Sessions", "会话"),
    "indicators": ("The policy's own indicators (part E)", "政策指标（E 部分）"),
    "limit": ("Limit", "限值"),
    "session": ("Session", "会话"),
    "pile": ("Pile", "桩"),
    "arrival": ("Arrival", "到达"),
    "departure": ("Departure", "离开"),
    "asked": ("Asked, kWh", "需求 kWh"),
    "got": ("Got, kWh", "充入 kWh"),
    "share_got": ("Served", "满足率"),
    "period": ("Period", "时段"),
    "energy": ("Energy", "电量"),
    "share_of": ("Share", "占比"),
    "money": ("Money", "金额"),
    "when": ("When", "时间"),
    "what": ("What", "告警"),
    "where": ("Where", "对象"),
    "periods": ("Energy by tariff period", "分时段电量"),
    "told": ("Alerts", "告警"),
    "unknown": ("not known", "暂无"),
    "made": (
        "Made by Valleyfill {0} from the site's own store.",
        "由 Valleyfill {0} 根据站点数据库生成。",
    ),
    "share": ("share of sessions, %", "会话占比 %"),
    "served_axis": ("served, %", "满足率 %"),
}


def report_page(stretch: Stretch, result: Result, tariff: Tariff, lang: Lang) -> str:
    """The page as text."""

    def word(key: str) -> str:
        return escape(_T[key][lang == "zh"])

    site = stretch.file.site
    last = stretch.end - timedelta(days=1)
    title = f"{site.name}: {stretch.start:%Y-%m-%d} – {last:%Y-%m-%d}"
    dark = COLOURS.split("data-theme=dark]{", 1)[1].split("}", 1)[0]
    body = [
        f'<h1>{escape(title)}</h1><p class="sub">{word("title")} · {escape(tariff.name)} · '
        f"{word('made').format(escape(own_version()))}</p>",
        f"<section><h2>{word('figures')}</h2>{_figures(result.figures, lang)}</section>",
        f"<section><h2>{word('power')}</h2>{_power(stretch, tariff, lang)}</section>",
        f"<section><h2>{word('periods')}</h2>{_periods(result, lang)}</section>",
        f"<section><h2>{word('indicators')}</h2>{policy_table(result.figures, lang)}</section>",
    ]
    if any(s.served is not None for s in stretch.sessions):
        body.append(f"<section><h2>{word('served')}</h2>{_served(stretch, lang)}</section>")
    body.append(f"<section><h2>{word('sessions')}</h2>{_sessions(stretch, lang)}</section>")
    alerts = [t for t in stretch.told if t["kind"].startswith("alert/") and not t.get("cleared")]
    if alerts:
        body.append(f"<section><h2>{word('told')}</h2>{_alerts(stretch, alerts, lang)}</section>")
    return (
        f'<!doctype html><html lang="{"zh-CN" if lang == "zh" else "en"}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{COLOURS}{STYLE}{_CSS.replace('DARK', dark)}</style>"
        f"</head><body><main>{''.join(body)}</main></body></html>"
    )


def _figures(figures: tuple[Figure, ...], lang: Lang) -> str:
    def word(key: str) -> str:
        return escape(_T[key][lang == "zh"])

    rows = "".join(
        f'<tr><th scope="row">{escape(f.name_zh if lang == "zh" else f.name)}</th>'
        f'<td class="n">{word("unknown") if f.value is None else _number(f.value)}</td>'
        f"<td>{escape(f.unit)}</td><td>{escape(f.policy)}</td>"
        f"<td>{escape(f.note_zh if lang == 'zh' else f.note)}</td></tr>"
        for f in figures
    )
    return (
        f'<div class="wide"><table><thead><tr><th>{word("figure")}</th><th class="n">'
        f"{word('value')}</th><th></th><th>{word('policy')}</th><th>{word('note')}</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"


def _power(stretch: Stretch, tariff: Tariff, lang: Lang) -> str:
    site, lo, hi = stretch.file.site, epoch_s(stretch.start), epoch_s(stretch.end)
    step = max(900, -(-(hi - lo) // PLOT_SLOTS // 900) * 900)
    edges = np.arange(lo, hi + step, step, dtype=np.int64)
    charged = mean_kw([s.metered for s in stretch.sessions], edges)
    at_once = mean_kw(uncontrolled(stays_of(site, stretch.readings)), edges)
    root = site.network.root
    limits = [v for v in (root.own_limit_kw, root.contract_kw) if v is not None and np.isfinite(v)]
    words = [_T[k][lang == "zh"] for k in ("as_charged", "at_once")]
    lines = [Line(words[1], "c4", [float(x) for x in at_once])]
    keys = [("c1", words[0]), ("c4", words[1])]
    if limits:
        name = _T["limit"][lang == "zh"]
        lines.append(Line(name, "limit", [min(limits)] * (edges.size - 1)))
        keys.append(("limit", name))
    bands = []
    if hi - lo <= 8 * 86_400:
        steps = tariff.steps(lo, hi, site.zone)
        ends = [*steps.starts_s[1:].tolist(), hi]
        bands = [
            Band("", str(p), int(a), int(b))
            for p, a, b in zip(steps.period, steps.starts_s, ends, strict=True)
        ]
        named = dict.fromkeys(b.css for b in bands)
        keys += [(p, PERIOD_WORDS[p][lang == "zh"]) for p in named if p in PERIOD_WORDS]
    plot = TimePlot(
        title=_T["power"][lang == "zh"],
        unit="kW",
        edges_s=edges.tolist(),
        zone=site.zone,
        areas=[Area(words[0], "c1", [float(x) for x in charged])],
        lines=lines,
        bands=bands,
        width=1040,
    )
    return plot.svg() + legend(keys)


def mean_kw(meters: list[Metered], edges: IntArray) -> FloatArray:
    """Mean power of several meters together in each slot, kW."""
    total = np.zeros(edges.size)
    for m in meters:
        knots = np.append(m.starts_s, m.ends_s[-1])
        # Gaps between stretches carry no energy: cumulate at both ends of each.
        x = np.stack([m.starts_s, m.ends_s], axis=1).ravel()
        done = np.cumsum(m.import_kwh)
        y = np.stack([done - m.import_kwh, done], axis=1).ravel()
        total += np.interp(edges, x, y) if knots.size else 0.0
    return np.asarray(np.diff(total) * 3600.0 / np.diff(edges), dtype=np.float64)


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
    return _table(("period", "energy", "share_of", "money"), rows, lang, figures=3)


def _served(stretch: Stretch, lang: Lang) -> str:
    served = np.sort([100 * s.served for s in stretch.sessions if s.served is not None])
    levels = np.arange(0.0, 101.0, 5.0)
    share = [float(100 * np.mean(served >= level - 1e-9)) for level in levels]
    return CurvePlot(
        title=_T["served"][lang == "zh"],
        x_label=_T["served_axis"][lang == "zh"],
        y_label="%",
        x=levels.tolist(),
        lines=[Line(_T["share"][lang == "zh"], "c1", share)],
        top=100.0,
    ).svg()


def _sessions(stretch: Stretch, lang: Lang) -> str:
    zone = stretch.file.site.zone

    def clock(at: datetime | None) -> str:
        return "–" if at is None else f"{at.astimezone(zone):%m-%d %H:%M}"

    rows = "".join(
        f'<tr><th scope="row">{escape(s.session)}</th><td>{escape(s.pile)}</td>'
        f"<td>{clock(s.arrival)}</td><td>{clock(s.departure)}</td>"
        f'<td class="n">{"–" if s.asked_kwh is None else f"{s.asked_kwh:.1f}"}</td>'
        f'<td class="n">{s.delivered_kwh:.1f}</td>'
        f'<td class="n">{"–" if s.served is None else f"{100 * s.served:.0f} %"}</td></tr>'
        for s in sorted(stretch.sessions, key=lambda s: int(s.metered.starts_s[0]))
    )
    heads = ("session", "pile", "arrival", "departure", "asked", "got", "share_got")
    return _table(heads, rows, lang, figures=3)


def _table(heads: Sequence[str], rows: str, lang: Lang, *, figures: int = 0) -> str:
    """Rows under their heads; the last ``figures`` columns are numbers."""
    cells = "".join(
        f'<th scope="col"{" class=n" if k >= len(heads) - figures else ""}>'
        f"{escape(_T[h][lang == 'zh'])}</th>"
        for k, h in enumerate(heads)
    )
    head = f"<thead><tr>{cells}</tr></thead>"
    return f'<div class="wide"><table>{head}<tbody>{rows}</tbody></table></div>'


def _alerts(stretch: Stretch, alerts: list[dict[str, object]], lang: Lang) -> str:
    zone = stretch.file.site.zone
    rows = []
    for t in alerts[:200]:
        at = t["at"]
        assert isinstance(at, datetime)
        text = str(t["text_zh" if lang == "zh" else "text"])
        rows.append(
            f"<tr><td>{at.astimezone(zone):%m-%d %H:%M}</td>"
            f"<td>{escape(alert_word(lang, str(t['kind'])[6:]))}</td>"
            f"<td>{escape(str(t['about']))}</td><td>{escape(text)}</td></tr>"
        )
    return _table(("when", "what", "where", "note"), "".join(rows), lang)
