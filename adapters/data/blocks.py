"""Bus blocks: one vehicle's work from pull-out to return, as transit agencies publish it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.data.files import Row, Rows, read_text
from models.errors import DataError

SCHOOL_DAY = "Weekday (school open)"


@dataclass(frozen=True)
class Block:
    """One block.

    Parameters
    ----------
    id : str
        Of the block, unique within its day.
    depot, vehicle_type, day : str
        Whose it is, which vehicles can run it, and on which kind of day it runs.
    start_min, end_min : float
        Pull-out and return in minutes after the local midnight of its day; may be negative or
        beyond 1440 for night service. end > start.
    energy_kwh : float
        What it takes from the battery, kWh >= 0.
    origin, destination : str
        The depots where it starts and ends.
    """

    id: str
    depot: str
    vehicle_type: str
    day: str
    start_min: float
    end_min: float
    energy_kwh: float
    origin: str
    destination: str

    def __post_init__(self) -> None:
        if not self.end_min > self.start_min:
            raise DataError(
                f"ends at minute {self.end_min:g}, not after its start {self.start_min:g}",
                where=f"block {self.id}",
            )
        if not self.energy_kwh >= 0:
            raise DataError(f"{self.energy_kwh} kWh is no energy", where=f"block {self.id}")

    @property
    def stays_home(self) -> bool:
        """Whether it starts and ends at its own depot."""
        return self.origin == self.depot == self.destination


def read_blocks(
    path: str | Path,
    *,
    depot: str | None = None,
    day: str | None = None,
    holiday: str = "",
    energy: str = "average energy gen 3",
) -> list[Block]:
    """The blocks of a file, by start, then id.

    Parameters
    ----------
    path : str or Path
        CSV, also gzipped, with columns block, depot, type, day, start, end, holiday, origin,
        destination and the energy column.
    depot, day : str, optional
        Only these.
    holiday : str
        Only blocks with this mark: the file lists variants of a day for eves and holidays.
    energy : str
        Column of the energy, kWh.

    Raises
    ------
    DataError
        If a column is missing, a row is no block, or nothing is left.
    """
    file = Path(path)
    rows = Rows(read_text(file), file.name)
    rows.need("block", "depot", "type", "day", "start", "end", "origin", "destination", energy)
    depots, days, out = set(), set(), []
    for row in rows:
        depots.add(row.text("depot"))
        if depot is not None and row.text("depot") != depot:
            continue
        days.add(row.text("day"))
        if day is not None and row.text("day") != day:
            continue
        if (row.optional("holiday") or "") == holiday:
            out.append(_block(row, energy))
    if not out:
        if depot is not None and depot not in depots:
            raise DataError(
                f"no depot {depot!r}", where=file.name, fix=f"it has: {', '.join(sorted(depots))}"
            )
        raise DataError(
            f"no block on {day!r}", where=file.name, fix=f"it has: {', '.join(sorted(days))}"
        )
    return sorted(out, key=lambda b: (b.start_min, b.id))


def _block(row: Row, energy: str) -> Block:
    try:
        return Block(
            id=row.text("block"),
            depot=row.text("depot"),
            vehicle_type=row.text("type"),
            day=row.text("day"),
            start_min=row.number("start"),
            end_min=row.number("end"),
            energy_kwh=row.number(energy),
            origin=row.text("origin"),
            destination=row.text("destination"),
        )
    except DataError as error:
        raise DataError(error.what, where=f"{row.where} {error.where}".strip()) from error
