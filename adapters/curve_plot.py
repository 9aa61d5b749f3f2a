"""Lines over a number, as SVG text: the curves of studies and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from adapters.plot_scale import BOTTOM, LEFT, RIGHT, TOP, LogScale, Scale, decades, nice_ticks
from adapters.plots import Line

NAME_ROOM = 170
"""Kept on the right for the names of lines."""


@dataclass(frozen=True)
class CurvePlot:
    """Lines over a number.

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
    log : bool
        Both axes by powers of ten; all numbers are positive then.
    named : bool
        Each line bears its label beside its last point.
    """

    title: str
    x_label: str
    y_label: str
    x: Sequence[float]
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    level: tuple[float, str] | None = None
    top: float | None = None
    log: bool = False
    named: bool = False
    width: int = 760
    height: int = 320

    def _ticks(self) -> tuple[list[float], list[float]]:
        """Of the upright axis and of the other."""
        shown = [v for line in self.lines for v in line.values if v is not None]
        shown += [self.level[0]] if self.level else []
        if self.log:
            low, high = min(shown, default=1.0), max(shown, default=1.0)
            return decades(low, high), decades(self.x[0], self.x[-1])
        high = max(shown, default=1.0)
        return nice_ticks(0.0, self.top or high * 1.05), nice_ticks(self.x[0], self.x[-1])

    def svg(self) -> str:
        """The plot as one ``<svg>`` element."""
        ticks, x_ticks = self._ticks()
        scale = LogScale if self.log else Scale
        right = self.width - (NAME_ROOM if self.named else RIGHT)
        x = scale(self.x[0], self.x[-1], LEFT, right)
        y = scale(ticks[0], self.top or ticks[-1], self.height - BOTTOM - 14, TOP + 4)
        out = [
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.title, quote=True)}">'
        ]
        for value in ticks:
            out.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{self.width - RIGHT}"/>')
            out.append(f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{value:g}</text>')
        out += [
            f'<text class="hour" x="{x(value):.1f}" y="{self.height - 22}">{value:g}</text>'
            for value in x_ticks
            if self.x[0] <= value <= self.x[-1]
        ]
        out.append(f'<text class="unit" x="{LEFT - 6}" y="{TOP - 8}">{escape(self.y_label)}</text>')
        middle = (LEFT + self.width - RIGHT) / 2
        under = f'x="{middle:.0f}" y="{self.height - 6}"'
        out.append(f'<text class="hour" {under}>{escape(self.x_label)}</text>')
        if self.level is not None:
            at = y(self.level[0])
            out.append(f'<path class="level" d="M{LEFT} {at:.1f}H{self.width - RIGHT}"/>')
            # Above the line, and below it where the line is the top.
            word_at = at - 5 if at - 16 > TOP else at + 14
            place = f'x="{self.width - RIGHT - 4}" y="{word_at:.1f}" text-anchor="end"'
            out.append(f'<text class="mark" {place}>{escape(self.level[1])}</text>')
        for at, word in self.marks:
            out.append(f'<path class="now" d="M{x(at):.1f} {TOP}V{self.height - BOTTOM - 14}"/>')
            out.append(
                f'<text class="mark" x="{x(at) + 4:.1f}" y="{TOP - 4}">{escape(word)}</text>'
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
            if self.named and dots:
                a, v = dots[-1]
                place = f'x="{x(a) + 7:.1f}" y="{y(v) + 4:.1f}"'
                out.append(f'<text class="mark" {place}>{escape(line.label)}</text>')
        out.append("</svg>")
        return "".join(out)
