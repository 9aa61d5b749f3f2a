"""Plots as SVG text: one module for the page, the reports, simulations and studies.

No font, no script and no file comes along; colours are CSS variables, so a plot follows its page
between light and dark, and words of any language are drawn by the reader's own fonts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

LEFT, RIGHT, TOP, BOTTOM = 46, 18, 20, 24


@dataclass(frozen=True)
class Area:
    """One part of a stack, a step function; negative values go below zero.

    Parameters
    ----------
    label : str
    css : str
        Class that gives it its colour: ``c0`` to ``c7``.
    values : sequence of float, length n
        One per slot.
    """

    label: str
    css: str
    values: Sequence[float]


@dataclass(frozen=True)
class Line:
    """A step line; None leaves a gap."""

    label: str
    css: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Band:
    """A background from one instant to another."""

    label: str
    css: str
    start_s: int
    end_s: int


@dataclass(frozen=True)
class TimePlot:
    """Stacked steps and lines over time.

    Parameters
    ----------
    title : str
        Read out in place of the picture.
    unit : str
    edges_s : sequence of int, length n + 1
        Epoch seconds.
    zone : ZoneInfo
    areas, lines, bands : sequences
        Drawn in the order bands, areas, lines.
    now_s : int or None
        Where the present is marked.
    width, height : int
        In the plot's own units; it scales with its place.
    """

    title: str
    unit: str
    edges_s: Sequence[int]
    zone: ZoneInfo
    areas: Sequence[Area] = ()
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()
    now_s: int | None = None
    width: int = 960
    height: int = 300
    marks: Sequence[tuple[int, str]] = field(default=())

    def svg(self) -> str:
        """The plot as one ``<svg>`` element."""
        n = len(self.edges_s) - 1
        low, high = self._range(n)
        ticks = nice_ticks(low, high)
        low, high = min(low, ticks[0]), max(high, ticks[-1])
        x = _Scale(self.edges_s[0], self.edges_s[-1], LEFT, self.width - RIGHT)
        y = _Scale(low, high, self.height - BOTTOM, TOP)
        out = [
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.title, quote=True)}">'
        ]
        out += [self._band(b, x) for b in self.bands]
        for value in ticks:
            at = y(value)
            out.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{self.width - RIGHT}"/>')
            out.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}">{value:g}</text>')
        out.append(f'<text class="unit" x="{LEFT - 6}" y="{TOP - 10}">{escape(self.unit)}</text>')
        out += self._clock(x)
        out += self._areas(x, y, n)
        out += [_step_line(line, self.edges_s, x, y) for line in self.lines]
        if self.now_s is not None and self.edges_s[0] <= self.now_s <= self.edges_s[-1]:
            at = x(self.now_s)
            out.append(f'<path class="now" d="M{at:.1f} {TOP}V{self.height - BOTTOM}"/>')
        out += self._hover(x, n)
        out.append("</svg>")
        return "".join(out)

    def _range(self, n: int) -> tuple[float, float]:
        above, below = [0.0] * n, [0.0] * n
        for area in self.areas:
            for k, v in enumerate(area.values):
                (above if v >= 0 else below)[k] += v
        shown = [v for line in self.lines for v in line.values if v is not None]
        top = max([*above, *shown], default=1.0)
        return min([*below, 0.0]), top * 1.06 if top > 0 else 1.0

    def _areas(self, x: _Scale, y: _Scale, n: int) -> list[str]:
        above, below = [0.0] * n, [0.0] * n
        out = []
        for area in self.areas:
            up, down = list(above), list(below)
            for k, v in enumerate(area.values):
                (above if v >= 0 else below)[k] += v
            for top, bottom in ((above, up), (below, down)):
                if any(abs(a - b) > 1e-9 for a, b in zip(top, bottom, strict=True)):
                    path = _ribbon(self.edges_s, top, bottom, x, y)
                    out.append(f'<path class="area {area.css}" d="{path}"/>')
        return out

    def _band(self, band: Band, x: _Scale) -> str:
        lo, hi = max(band.start_s, self.edges_s[0]), min(band.end_s, self.edges_s[-1])
        if hi <= lo:
            return ""
        width, height = x(hi) - x(lo), self.height - TOP - BOTTOM
        label = ""
        if width > 9 * len(band.label) + 6:
            label = (
                f'<text class="band" x="{x(lo) + 4:.1f}" y="{TOP + 11}">{escape(band.label)}</text>'
            )
        return (
            f'<rect class="band {band.css}" x="{x(lo):.1f}" y="{TOP}" width="{width:.1f}" '
            f'height="{height}"/>{label}'
        )

    def _clock(self, x: _Scale) -> list[str]:
        """Hours along the bottom, as many as fit."""
        span_h = (self.edges_s[-1] - self.edges_s[0]) / 3600
        per = max(span_h / max((self.width - LEFT - RIGHT) / 52, 1), 1e-9)
        step = next((h for h in (1, 2, 3, 4, 6, 12, 24, 48, 168) if h >= per), 336)
        at = datetime.fromtimestamp(self.edges_s[0], self.zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        out = []
        while at.timestamp() <= self.edges_s[-1]:
            if at.timestamp() >= self.edges_s[0]:
                where = x(at.timestamp())
                word = f"{at:%H:%M}" if step < 24 else f"{at:%m-%d}"
                out.append(
                    f'<path class="hour" d="M{where:.1f} {self.height - BOTTOM}v4"/>'
                    f'<text class="hour" x="{where:.1f}" y="{self.height - 6}">{word}</text>'
                )
            at += timedelta(hours=step)
        return out

    def _hover(self, x: _Scale, n: int) -> list[str]:
        """A slot's numbers, shown by the reader's own program when pointed at."""
        out = ['<g class="slots">']
        for k in range(n):
            lo, hi = self.edges_s[k], self.edges_s[k + 1]
            begin = datetime.fromtimestamp(lo, self.zone)
            words = [f"{begin:%H:%M}"]
            words += [f"{a.label} {a.values[k]:.1f}" for a in self.areas if abs(a.values[k]) > 0.05]
            for line in self.lines:
                value = line.values[k]
                if value is not None:
                    words.append(f"{line.label} {value:.1f}")
            out.append(
                f'<rect x="{x(lo):.1f}" y="{TOP}" width="{max(x(hi) - x(lo), 0.1):.1f}" '
                f'height="{self.height - TOP - BOTTOM}"><title>{escape(chr(10).join(words))}'
                "</title></rect>"
            )
        out.append("</g>")
        return out


@dataclass(frozen=True)
class CurvePlot:
    """Lines over a number: a study's curve.

    Parameters
    ----------
    title, x_label, y_label : str
    x : sequence of float
        Increasing.
    lines : sequence of Line
        One value per x.
    marks : sequence of (float, str)
        Upright lines with a word.
    level : (float, str) or None
        One level line with a word.
    top : float or None
        Where the axis ends, where that is known.
    """

    title: str
    x_label: str
    y_label: str
    x: Sequence[float]
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    level: tuple[float, str] | None = None
    top: float | None = None
    width: int = 760
    height: int = 320

    def svg(self) -> str:
        """The plot as one ``<svg>`` element."""
        shown = [v for line in self.lines for v in line.values if v is not None]
        high = max([*shown, *([self.level[0]] if self.level else [])], default=1.0)
        ticks = nice_ticks(0.0, self.top or high * 1.05)
        x = _Scale(self.x[0], self.x[-1], LEFT, self.width - RIGHT)
        y = _Scale(0.0, self.top or ticks[-1], self.height - BOTTOM - 14, TOP + 4)
        out = [
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.title, quote=True)}">'
        ]
        for value in ticks:
            out.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{self.width - RIGHT}"/>')
            out.append(f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{value:g}</text>')
        out += [
            f'<text class="hour" x="{x(value):.1f}" y="{self.height - 22}">{value:g}</text>'
            for value in nice_ticks(self.x[0], self.x[-1])
            if self.x[0] <= value <= self.x[-1]
        ]
        out.append(f'<text class="unit" x="{LEFT - 6}" y="{TOP - 8}">{escape(self.y_label)}</text>')
        middle = (LEFT + self.width - RIGHT) / 2
        under = f'x="{middle:.0f}" y="{self.height - 6}"'
        out.append(f'<text class="hour" {under}>{escape(self.x_label)}</text>')
        if self.level is not None:
            at = y(self.level[0])
            out.append(f'<path class="level" d="M{LEFT} {at:.1f}H{self.width - RIGHT}"/>')
            under = f'x="{LEFT + 4}" y="{at + 13:.1f}"'
            out.append(f'<text class="mark" {under}>{escape(self.level[1])}</text>')
        for at, word in self.marks:
            out.append(f'<path class="now" d="M{x(at):.1f} {TOP}V{self.height - BOTTOM - 14}"/>')
            out.append(
                f'<text class="mark" x="{x(at) + 4:.1f}" y="{TOP + 12}">{escape(word)}</text>'
            )
        for line in self.lines:
            dots = [(a, v) for a, v in zip(self.x, line.values, strict=True) if v is not None]
            path = "L".join(f"{x(a):.1f} {y(v):.1f}" for a, v in dots)
            out.append(f'<path class="line {line.css}" d="M{path}"/>')
            for a, v in dots:
                out.append(
                    f'<circle class="dot {line.css}" cx="{x(a):.1f}" cy="{y(v):.1f}" r="3">'
                    f"<title>{escape(line.label)}: {a:g}, {v:g}</title></circle>"
                )
        out.append("</svg>")
        return "".join(out)


def legend(items: Sequence[tuple[str, str]]) -> str:
    """Words for the colours: (css class, label) each."""
    keys = "".join(
        f'<li><span class="key {css}" aria-hidden="true"></span>{escape(label)}</li>'
        for css, label in items
    )
    return f'<ul class="legend">{keys}</ul>'


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``."""
    span = max(high - low, 1e-9)
    raw = span / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 2.5, 5, 10) if m * size >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(k * step, 9) for k in range(first, last + 1)]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    at_low: float
    at_high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.at_low + share * (self.at_high - self.at_low)


def _ribbon(
    edges: Sequence[int], top: Sequence[float], bottom: Sequence[float], x: _Scale, y: _Scale
) -> str:
    """A stack's part as a path: along the top, back along the bottom."""
    there = _steps(edges, top, x, y)
    back = _steps(edges, bottom, x, y)
    return "M" + "L".join(there) + "L" + "L".join(reversed(back)) + "Z"


def _steps(edges: Sequence[int], values: Sequence[float], x: _Scale, y: _Scale) -> list[str]:
    """Corners of a step function, equal neighbours joined."""
    out = []
    for k, v in enumerate(values):
        if k == 0 or abs(values[k - 1] - v) > 1e-9:
            out.append(f"{x(edges[k]):.1f} {y(v):.1f}")
        if k == len(values) - 1 or abs(values[k + 1] - v) > 1e-9:
            out.append(f"{x(edges[k + 1]):.1f} {y(v):.1f}")
    return out


def _step_line(line: Line, edges: Sequence[int], x: _Scale, y: _Scale) -> str:
    parts: list[str] = []
    run: list[str] = []
    for k, v in enumerate(line.values):
        if v is None:
            if run:
                parts.append("M" + "L".join(run))
            run = []
            continue
        run.append(f"{x(edges[k]):.1f} {y(v):.1f}")
        run.append(f"{x(edges[k + 1]):.1f} {y(v):.1f}")
    if run:
        parts.append("M" + "L".join(run))
    return f'<path class="line {line.css}" d="{"".join(parts)}"/>' if parts else ""


STYLE = """
.plot{width:100%;height:auto;display:block;font:12px system-ui,sans-serif}
.plot text{fill:var(--muted)}
.plot .tick,.plot .unit{text-anchor:end;font-size:12px;font-weight:400}
.plot text.hour{text-anchor:middle}
.plot text.band,.plot text.mark{fill:var(--text);font-size:11px}
.plot .grid{stroke:var(--rule);stroke-width:1;fill:none}
.plot path.hour{stroke:var(--muted);fill:none}
.plot .area{stroke:none;fill-opacity:.88}
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}
.plot .limit{stroke:var(--limit);stroke-width:2.5}
.plot .level{stroke:var(--muted);stroke-dasharray:4 4;fill:none}
.plot .now{stroke:var(--text);stroke-width:1.5;stroke-dasharray:5 3;fill:none}
.plot rect.band{fill-opacity:.5}
.plot .slots rect{fill:transparent}
.plot .slots rect:hover{fill:var(--text);fill-opacity:.08}
.area.c0,.dot.c0{fill:var(--c0)}.area.c1,.dot.c1{fill:var(--c1)}.area.c2,.dot.c2{fill:var(--c2)}
.area.c3,.dot.c3{fill:var(--c3)}.area.c4,.dot.c4{fill:var(--c4)}.area.c5,.dot.c5{fill:var(--c5)}
.area.c6,.dot.c6{fill:var(--c6)}.area.c7,.dot.c7{fill:var(--c7)}
.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}
.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}
.line.c6{stroke:var(--c6)}.line.c7{stroke:var(--c7)}
.band.sharp{fill:var(--sharp)}.band.peak{fill:var(--peak)}.band.flat,.band.price{fill:var(--flat)}
.band.valley{fill:var(--valley)}.band.deep_valley{fill:var(--deep)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0 0;padding:0;
font-size:.8rem;color:var(--muted)}
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.35rem;
vertical-align:-.1rem;background:var(--muted)}
.key.c0{background:var(--c0)}.key.c1{background:var(--c1)}.key.c2{background:var(--c2)}
.key.c3{background:var(--c3)}.key.c4{background:var(--c4)}.key.c5{background:var(--c5)}
.key.c6{background:var(--c6)}.key.c7{background:var(--c7)}
.key.limit{background:var(--limit);height:.2rem;vertical-align:.2rem}
.key.sharp{background:var(--sharp)}.key.peak{background:var(--peak)}
.key.flat,.key.price{background:var(--flat)}.key.valley{background:var(--valley)}
.key.deep_valley{background:var(--deep)}
"""
"""What a plot needs of its page."""

COLOURS = """
:root{color-scheme:light;--bg:#f5f6f8;--card:#fff;--text:#17202b;--muted:#566273;--rule:#dde2e8;
--accent:#0b62c4;--good:#157347;--warn:#8a5a00;--bad:#b3261e;--limit:#c2185b;
--c0:#8894a3;--c1:#1f77d0;--c2:#18a08b;--c3:#8057c2;--c4:#d98714;--c5:#4aa3df;--c6:#6b8e23;--c7:#b55a7c;
--sharp:#f6c6c2;--peak:#fbe3cf;--flat:#eef1f4;--valley:#d6ecd9;--deep:#bfe3d3}
:root[data-theme=dark]{color-scheme:dark;--bg:#10151b;--card:#19212a;--text:#e8edf2;--muted:#a3b0bf;
--rule:#2c3743;--accent:#6cb4ff;--good:#5bd08f;--warn:#f0b95a;--bad:#ff8a80;--limit:#ff6fa5;
--c0:#6f7d8d;--c1:#3d94ea;--c2:#27b8a1;--c3:#a283e0;--c4:#eba13a;--c5:#7cc1ee;--c6:#94b74a;--c7:#d07a9c;
--sharp:#4a2424;--peak:#3d2f22;--flat:#1f2831;--valley:#1c3526;--deep:#173b32}
"""
"""Light and dark."""
