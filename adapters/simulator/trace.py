"""What really happened: pieces of constant power, as the reference meter sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

PAUSE_S = 1.0
"""A vehicle that draws nothing for longer has paused."""


STEP_KW = 0.5
"""A power that moves by no more is the same one."""


class Piece(NamedTuple):
    """A stretch during which one session drew without an event.

    ``energy_kwh`` is exact; ``power_kw`` is the power at its start, which a tapering car does
    not quite hold.
    """

    start_s: float
    end_s: float
    power_kw: float
    energy_kwh: float


@dataclass
class SessionTrace:
    """One session as it went: its stay, what it could have taken, and what it drew."""

    session: str
    pile: str
    arrival_s: float
    departure_s: float
    wants_kwh: float
    max_kw: float
    pieces: list[Piece] = field(default_factory=list)
    left: bool = False
    given_kwh: float = 0.0
    gained_kwh: float | None = None

    @property
    def delivered_kwh(self) -> float:
        """Energy drawn, kWh; of a vehicle that gave back: what it holds more than it came with."""
        if self.gained_kwh is not None:
            return self.gained_kwh
        return sum(p.energy_kwh for p in self.pieces)

    @property
    def changes(self) -> int:
        """How often its power stepped by more than a vehicle's own regulation would."""
        powers = [0.0]
        for before, piece in pairwise([None, *self.pieces]):
            assert piece is not None
            if before is not None and piece.start_s - before.end_s > PAUSE_S:
                powers.append(0.0)
            powers.append(piece.power_kw)
        return sum(abs(b - a) > STEP_KW for a, b in pairwise(powers))

    @property
    def starts(self) -> int:
        """How often it began to draw."""
        drawn = [p for p in self.pieces if p.energy_kwh > 0]
        again = sum(b.start_s - a.end_s > PAUSE_S for a, b in pairwise(drawn))
        return again + bool(drawn)

    @property
    def short_kwh(self) -> float:
        """Energy it wanted and did not get, kWh >= 0."""
        return max(self.wants_kwh - self.delivered_kwh, 0.0)


@dataclass(frozen=True)
class NodeVerdict:
    """What the reference meter says of one node; ``export_s`` of feeding back too much."""

    node: str
    raw_s: int
    judged_s: int
    base_alone_s: int
    peak_kw: float
    export_s: int = 0
    drawn_kwh: float = 0.0
    fed_kwh: float = 0.0


@dataclass(frozen=True)
class Trace:
    """A run, as an outsider measured it.

    Parameters
    ----------
    sessions : tuple of SessionTrace
        In order of arrival.
    verdicts : tuple of NodeVerdict
        By node, in preorder.
    limits : dict of str to list of (float, float)
        By node: from when which effective limit held (epoch seconds, kW).
    base : list of (float, float)
        What could not be steered at the root: from when how much (epoch seconds, kW).
    setpoints, renewals : int
        Setpoints that changed a value, and those that only renewed the lease.
    solve_ms : tuple of float
        Every solve's time, ms.
    wall_s : float
        How long the run took.
    alerts : dict of str to int
        By kind, how often.
    root : list of (float, float)
        From when how much flowed through the root (epoch seconds, kW); only where assets are.
    """

    sessions: tuple[SessionTrace, ...]
    verdicts: tuple[NodeVerdict, ...]
    limits: dict[str, list[tuple[float, float]]]
    base: list[tuple[float, float]]
    setpoints: int = 0
    renewals: int = 0
    solve_ms: tuple[float, ...] = ()
    wall_s: float = 0.0
    alerts: dict[str, int] = field(default_factory=dict)
    rungs: dict[str, int] = field(default_factory=dict)
    root: list[tuple[float, float]] = field(default_factory=list)

    @property
    def exceeded_node_seconds(self) -> int:
        """Judged seconds above a limit, all nodes together."""
        return sum(v.judged_s for v in self.verdicts)
