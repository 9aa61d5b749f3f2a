"""Plots as SVG text: one module for the page, the reports, simulations and studies.

No font, no script and no file comes along; colours are CSS variables, so a plot follows its page
between light and dark, and words of any language are drawn by the reader's own fonts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from adapters.plot_scale import BOTTOM, LEFT, RIGHT, TOP, Scale, nice_ticks, ribbon, step_line


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
class Span:
    """Where something may lie: between two step functions; None leaves a gap."""

    label: str
    css: str
    low: Sequence[float | None]
    high: Sequence[float | None]


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
    areas, lines, bands, spans : sequences
        Drawn in the order bands, areas, spans, lines.
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
    spans: Sequence[Span] = ()
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
        x = Scale(self.edges_s[0], self.edges_s[-1], LEFT, self.width - RIGHT)
        y = Scale(low, high, self.height - BOTTOM, TOP)
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
        out += [self._span(span, x, y) for span in self.spans]
        if low < 0:
            out.append(f'<path class="zero" d="M{LEFT} {y(0.0):.1f}H{self.width - RIGHT}"/>')
        out += [step_line(line.values, line.css, self.edges_s, x, y) for line in self.lines]
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
        shown += [v for span in self.spans for v in span.high if v is not None]
        top = max([*above, *shown], default=1.0)
        return min([*below, 0.0]), top * 1.06 if top > 0 else 1.0

    def _areas(self, x: Scale, y: Scale, n: int) -> list[str]:
        above, below = [0.0] * n, [0.0] * n
        out = []
        for area in self.areas:
            up, down = list(above), list(below)
            for k, v in enumerate(area.values):
                (above if v >= 0 else below)[k] += v
            for top, bottom in ((above, up), (below, down)):
                if any(abs(a - b) > 1e-9 for a, b in zip(top, bottom, strict=True)):
                    path = ribbon(self.edges_s, top, bottom, x, y)
                    out.append(f'<path class="area {area.css}" d="{path}"/>')
        return out

    def _span(self, span: Span, x: Scale, y: Scale) -> str:
        """A translucent strip over every run of slots in which both ends are known."""
        paths, run = [], list[int]()
        for k in range(len(span.low) + 1):
            if k < len(span.low) and span.low[k] is not None and span.high[k] is not None:
                run.append(k)
                continue
            if run:
                edges = self.edges_s[run[0] : run[-1] + 2]
                top = [span.high[j] or 0.0 for j in run]
                bottom = [span.low[j] or 0.0 for j in run]
                paths.append(ribbon(edges, top, bottom, x, y))
            run = []
        return f'<path class="span {span.css}" d="{"".join(paths)}"/>' if paths else ""

    def _band(self, band: Band, x: Scale) -> str:
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

    def _clock(self, x: Scale) -> list[str]:
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

    def _hover(self, x: Scale, n: int) -> list[str]:
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
