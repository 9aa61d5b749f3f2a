"""Lines over a number, as SVG text: a study's curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from adapters.plot_scale import BOTTOM, LEFT, RIGHT, TOP, Scale, nice_ticks
from adapters.plots import Line


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
        x = Scale(self.x[0], self.x[-1], LEFT, self.width - RIGHT)
        y = Scale(0.0, self.top or ticks[-1], self.height - BOTTOM - 14, TOP + 4)
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
        out.append("</svg>")
        return "".join(out)
