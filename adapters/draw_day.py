"""A day's bands, for people: as rows in the terminal, or as a picture."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.text import Text

from models.errors import ConfigurationError
from models.horizon import epoch_s, instant_of
from tariffs.tariff import Tariff

_COLOURS = {
    "sharp": "magenta",
    "peak": "red",
    "flat": "yellow",
    "valley": "green",
    "deep_valley": "cyan",
}
_OTHERS = ("blue", "bright_green", "bright_yellow", "bright_red", "bright_cyan", "bright_magenta")
_CELLS = 96


@dataclass(frozen=True)
class DayBand:
    """One price of a day: local clock from and to, the instants behind them, period, prices."""

    begin: datetime
    end: datetime
    period: str
    buy_per_kwh: float
    sell_per_kwh: float


def day_bands(tariff: Tariff, day: date, zone: ZoneInfo) -> list[DayBand]:
    """The prices of a civil day, equal neighbours merged."""
    following = day + timedelta(days=1)
    lo = epoch_s(datetime(day.year, day.month, day.day, tzinfo=zone))
    hi = epoch_s(datetime(following.year, following.month, following.day, tzinfo=zone))
    steps = tariff.steps(lo, hi, zone)
    edges = [lo, *steps.change_s().tolist(), hi]
    found = []
    for a, b in itertools.pairwise(edges):
        k = int(steps.starts_s.searchsorted(a, side="right")) - 1
        found.append(
            DayBand(
                instant_of(a).astimezone(zone),
                instant_of(b).astimezone(zone),
                str(steps.period[k]),
                float(steps.buy_per_kwh[k]),
                float(steps.sell_per_kwh[k]),
            )
        )
    return found


def bar_chart(bands: list[DayBand], height: int = 8) -> list[Text]:
    """Lines of a bar chart: 96 cells for the day, as high as the price, coloured by period."""
    names = list(dict.fromkeys(b.period for b in bands))
    unknown = [n for n in names if n not in _COLOURS]
    colours = _COLOURS | {n: _OTHERS[i % len(_OTHERS)] for i, n in enumerate(unknown)}
    lo = epoch_s(bands[0].begin)
    span = epoch_s(bands[-1].end) - lo
    cells = []
    for i in range(_CELLS):
        at = lo + span * (2 * i + 1) // (2 * _CELLS)
        cells.append(next(b for b in bands if epoch_s(b.begin) <= at < epoch_s(b.end)))
    top = max(b.buy_per_kwh for b in bands)
    floor = min(0.0, *(b.buy_per_kwh for b in bands)) if bands else 0.0
    lines = []
    for row in range(height, 0, -1):
        level = floor + (top - floor) * (row - 0.5) / height
        line = Text(f"{floor + (top - floor) * row / height:8.4f} ")
        for cell in cells:
            line.append("█" if cell.buy_per_kwh >= level or row == 1 else " ", colours[cell.period])
        lines.append(line)
    marks = "".join(f"{h:<12d}" for h in range(0, 24, 3))
    lines.append(Text(" " * 9 + marks))
    legend = Text(" " * 9)
    for name in names:
        legend.append("█ ", colours[name])
        legend.append(f"{name}  ")
    lines.append(legend)
    return lines


def plot_file(bands: list[DayBand], title: str, unit: str, path: Path) -> None:
    """A picture of the day, in the format that the file's name says.

    Raises
    ------
    ConfigurationError
        If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigurationError(
            "matplotlib is not installed", where="--plot", fix="install valleyfill[bench]"
        ) from error
    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 3.5))
    lo = epoch_s(bands[0].begin)
    for name in dict.fromkeys(b.period for b in bands):
        own = [b for b in bands if b.period == name]
        axes.bar(
            [(epoch_s(b.begin) - lo) / 3600 for b in own],
            [b.buy_per_kwh for b in own],
            width=[(epoch_s(b.end) - epoch_s(b.begin)) / 3600 for b in own],
            align="edge",
            label=name,
        )
    axes.set_xlim(0, (epoch_s(bands[-1].end) - lo) / 3600)
    axes.set_xlabel("hours of the day")
    axes.set_ylabel(unit)
    axes.set_title(title)
    axes.legend(ncols=5, fontsize="small")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
