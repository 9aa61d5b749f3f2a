"""A report's plots of power: all that flowed against the limits in force, at the root and below."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from adapters.plot_style import legend
from adapters.plots import Area, Band, Line, TimePlot
from adapters.report.asked_of_grid import limit_in_force
from adapters.report.gather import SessionLine, Stretch
from adapters.report.words import T
from adapters.saved import stays_of
from adapters.web.words import PERIOD_WORDS, Lang
from models.horizon import FloatArray, IntArray, epoch_s
from tariffs.metered import Metered
from tariffs.savings import uncontrolled
from tariffs.tariff import Tariff

PLOT_SLOTS = 700
"""Points of a plot at most; longer reports show means of longer slots."""

NODES_AT_MOST = 8
"""Nodes below the root that get a plot of their own, the most limited first."""

LEAST_KW = 0.05
"""Less than this is nothing on a plot."""

WEEK_S = 8 * 86_400
"""Up to here the tariff's periods stand behind the plot."""


def power_plot(stretch: Stretch, tariff: Tariff, lang: Lang) -> str:
    """Base load, charging, storage, PV and what vehicles gave, against the limit in force."""

    def word(key: str) -> str:
        return T[key][lang == "zh"]

    edges = _edges(stretch)
    charged = mean_kw([s.metered for s in stretch.sessions], edges)
    at_once = mean_kw(uncontrolled(stays_of(stretch.file.site, stretch.readings)), edges) + _beside(
        stretch, edges
    )
    areas = [Area(word("as_charged"), "c1", [float(x) for x in charged])]
    kinds = _kinds(stretch, edges)
    if "base" in kinds:
        areas.insert(0, Area(word("base"), "c0", [float(x) for x in kinds.pop("base")]))
    areas += [Area(word(k), k, [float(x) for x in kw]) for k, kw in kinds.items()]
    keys = [(a.css, a.label) for a in areas]
    # Nothing was kept where nothing flowed at all: a line at zero would say more than is known.
    known = np.any([np.abs(a.values) > LEAST_KW for a in areas], axis=0)
    lines = [_where(known | (np.abs(at_once) > LEAST_KW), word("at_once"), "c4", at_once)]
    if kinds:
        net = np.sum([a.values for a in areas], axis=0)
        lines.append(_where(known, word("net"), "net", net))
    limit = _limit_line(stretch, edges, stretch.file.site.network.ids[0], lang)
    lines += limit
    keys += [(line.css, line.label) for line in lines]
    bands = _bands(stretch, tariff)
    named = dict.fromkeys(b.css for b in bands)
    keys += [(p, PERIOD_WORDS[p][lang == "zh"]) for p in named if p in PERIOD_WORDS]
    plot = _plot(stretch, edges, word("power"), areas=areas, lines=lines, bands=bands)
    said = f'<p class="sub">{escape(word("in_force"))}</p>' if limit else ""
    return plot + legend(keys) + said


def _where(known: NDArray[np.bool_], label: str, css: str, kw: FloatArray) -> Line:
    """A line with gaps where nothing is known."""
    told = [float(x) if there else None for x, there in zip(kw, known, strict=True)]
    return Line(label, css, told)


def nodes_plots(stretch: Stretch, lang: Lang) -> str:
    """Each node below the root that was held below its own limit; empty where none was."""
    edges = _edges(stretch)
    limited = []
    for v, node in enumerate(stretch.file.site.network.nodes):
        pushed = any(p.node == node.id and not p.revoked for p in stretch.pushed)
        if v and (pushed or ("limit", node.id) in stretch.flows):
            limits = _limits(stretch, edges, node.id)
            limited.append((float(np.min(limits, initial=np.inf)), v))
    found = []
    for _, v in sorted(limited)[:NODES_AT_MOST]:
        found.append(_node_plot(stretch, edges, v, lang))
    left = len(limited) - len(found)
    if left > 0:
        found.append(f'<p class="sub">{escape(T["more"][lang == "zh"].format(left))}</p>')
    return "".join(found)


def _node_plot(stretch: Stretch, edges: IntArray, v: int, lang: Lang) -> str:
    site = stretch.file.site
    name = site.network.ids[v]

    def below(s: SessionLine) -> bool:
        return v in site.network.path[site.pile_node[s.pile]]

    own = [s.metered for s in stretch.sessions if below(s)]
    areas = [Area(T["as_charged"][lang == "zh"], "c1", [float(x) for x in mean_kw(own, edges)])]
    lines = _limit_line(stretch, edges, name, lang)
    metered = stretch.flows.get(("node", name))
    if metered is not None:
        kw = metered.mean_kw(edges)
        lines.insert(0, _where(np.isfinite(kw), T["by_meter"][lang == "zh"], "net", kw))
    keys = [*((a.css, a.label) for a in areas), *((line.css, line.label) for line in lines)]
    plot = _plot(stretch, edges, name, areas=areas, lines=lines, height=180)
    return f"<h3>{escape(name)}</h3>{plot}{legend(keys)}"


def _plot(
    stretch: Stretch,
    edges: IntArray,
    title: str,
    *,
    areas: list[Area],
    lines: list[Line],
    bands: list[Band] | None = None,
    height: int = 300,
) -> str:
    return TimePlot(
        title=title,
        unit="kW",
        edges_s=edges.tolist(),
        zone=stretch.file.site.zone,
        areas=areas,
        lines=lines,
        bands=bands or [],
        width=1040,
        height=height,
    ).svg()


def _edges(stretch: Stretch) -> IntArray:
    lo, hi = epoch_s(stretch.start), epoch_s(stretch.end)
    step = max(900, -(-(hi - lo) // PLOT_SLOTS // 900) * 900)
    return np.arange(lo, hi + step, step, dtype=np.int64)


def _kinds(stretch: Stretch, edges: IntArray) -> dict[str, FloatArray]:
    """What flowed beside charging, by kind, kW; only what the store keeps."""
    plants = {p.id for p in stretch.file.site.pv}
    found: dict[str, FloatArray] = {}
    for (kind, name), flowed in stretch.flows.items():
        word = {"base": "base", "v2g": "v2g", "asset": "pv" if name in plants else "storage"}
        if kind not in word:
            continue
        kw = np.nan_to_num(flowed.mean_kw(edges))
        if kind == "base":
            # The share of a meter and of piles that were not read at one instant.
            kw = np.maximum(kw, 0.0)
        found[word[kind]] = found.get(word[kind], np.zeros(kw.size)) + kw
    order = ("base", "v2g", "storage", "pv")
    return {k: found[k] for k in order if k in found and bool(np.any(np.abs(found[k]) > LEAST_KW))}


def _beside(stretch: Stretch, edges: IntArray) -> FloatArray:
    """What would have flowed beside the vehicles had they charged at once: base load and PV, kW."""
    kinds = _kinds(stretch, edges)
    nothing = np.zeros(edges.size - 1)
    return np.asarray(kinds.get("base", nothing) + kinds.get("pv", nothing))


def _limits(stretch: Stretch, edges: IntArray, node: str) -> FloatArray:
    """The lowest limit of a node in each slot: as pushed, and as the daemon applied it, kW."""
    limits = limit_in_force(stretch, edges, node)
    applied = stretch.flows.get(("limit", node))
    return limits if applied is None else np.minimum(limits, applied.lowest_kw(edges))


def _limit_line(stretch: Stretch, edges: IntArray, node: str, lang: Lang) -> list[Line]:
    limits = _limits(stretch, edges, node)
    # What will hold is not known: a failsafe may begin, and end.
    known = np.isfinite(limits) & (edges[:-1] < stretch.known_until.timestamp())
    if not bool(known.any()):
        return []
    return [_where(known, T["limit"][lang == "zh"], "limit", limits)]


def _bands(stretch: Stretch, tariff: Tariff) -> list[Band]:
    lo, hi = epoch_s(stretch.start), epoch_s(stretch.end)
    if hi - lo > WEEK_S:
        return []
    steps = tariff.steps(lo, hi, stretch.file.site.zone)
    ends = [*steps.starts_s[1:].tolist(), hi]
    return [
        Band("", str(p), int(a), int(b))
        for p, a, b in zip(steps.period, steps.starts_s, ends, strict=True)
    ]


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
