"""One closed-loop run on recorded sessions, beside what others would have done with them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from adapters.data.recorded import ReplaySession
from adapters.simulator.baselines import first_come, uncontrolled
from adapters.simulator.costs import PriceSum
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.foresight import least_cost_of, perfect_foresight
from adapters.simulator.inprocess import EngineLike, cascade_of, run
from adapters.simulator.recording import Recording
from adapters.simulator.replay import Replay, Words, prepare
from adapters.simulator.trace import Piece, Trace
from adapters.simulator.vehicle import Quirk
from adapters.simulator.waiting import SHORT_KWH, limit_share_used_while_waiting
from adapters.solving import RUNGS as RUNGS
from adapters.solving import rungs_of
from models.errors import DataError
from models.site import Site
from scheduler.engine import Engine
from tariffs.tariff import Tariff

LEASE_S = 86_400.0
"""The simulated channel is perfect, so leases are stretched to this and renewals cost no time.
Periodic telemetry comes once a slot: a pile reports at once whatever changes, and planning needs
its register only when it plans."""

Progress = Callable[[str, float], None]
"""Told what is being done and which share of it is done, in [0, 1]."""


@dataclass(frozen=True)
class Outcome:
    """A run and what it came to.

    Parameters
    ----------
    replay : Replay
        The sessions with their truth and words.
    trace : Trace
        What the reference meter and the piles saw.
    cost : float
        Of the energy drawn, in the tariff's currency.
    """

    replay: Replay
    trace: Trace
    cost: float

    @property
    def delivered_kwh(self) -> float:
        """Energy of all sessions, kWh."""
        return sum(s.delivered_kwh for s in self.trace.sessions)


def simulate(
    site: Site,
    tariff: Tariff,
    sessions: Sequence[ReplaySession],
    start: datetime,
    end: datetime,
    *,
    requests: Words = "truth",
    losses: bool = False,
    rungs: Sequence[str] | None = None,
    progress: Progress | None = None,
    store: Path | None = None,
) -> dict[str, Any]:
    """The sessions that arrive in [start, end), until the last has left.

    Parameters
    ----------
    site : Site
        The site; its lease and telemetry period are stretched, everything else is obeyed.
    tariff : Tariff
        What plans and what bills.
    sessions : sequence of ReplaySession
        Earlier ones than ``start`` may be among them; they teach estimates.
    start, end : datetime
        Aware.
    requests : Words
        What the requests say.
    losses : bool
        Also run with all truth and with each word alone, for ``loss_departure`` and
        ``loss_energy``.
    rungs : sequence of str, optional
        Solvers by file name, in the order of the ladder; by default the site's.
    progress : callable, optional
        See :data:`Progress`.
    store : Path, optional
        Where to keep what a daemon would have written; there must be none yet.

    Returns
    -------
    dict
        The figures by name; energy in kWh, money in the tariff's currency.
    """
    began = time.perf_counter()
    outcome = closed_loop(
        site,
        tariff,
        sessions,
        start,
        end,
        requests=requests,
        rungs=rungs,
        progress=progress,
        store=store,
    )
    figures = figures_of(outcome)
    figures |= baselines_of(site, tariff, outcome, progress)
    if losses:
        words: tuple[Words, ...] = ("truth", "stated_departure", "stated_energy")
        truth, departure, energy = (
            figures_of(
                closed_loop(
                    site, tariff, sessions, start, end, requests=w, rungs=rungs, progress=progress
                )
            )
            for w in words
        )
        figures["loss_departure"] = loss_of(departure, truth)
        figures["loss_energy"] = loss_of(energy, truth)
    figures["wall_s"] = time.perf_counter() - began
    return figures


def closed_loop(
    site: Site,
    tariff: Tariff,
    sessions: Sequence[ReplaySession],
    start: datetime,
    end: datetime,
    *,
    requests: Words,
    rungs: Sequence[str] | None = None,
    progress: Progress | None = None,
    store: Path | None = None,
) -> Outcome:
    """The run alone; parameters as for :func:`simulate`.

    Raises
    ------
    DataError
        If no session arrives in [start, end).
    """
    tell = progress or _silent
    site = _stretched(site)
    replay = prepare(site, sessions, start, end, words=requests)
    if not replay.vehicles:
        raise DataError(
            f"no session arrives from {start.isoformat()} to {end.isoformat()}",
            fix="choose --from and --to inside the file",
        )
    begin, until = start.timestamp(), last_s(replay)
    engine: EngineLike = Engine(site, tariff)
    with ExitStack() as stack:
        if store is not None:
            engine = stack.enter_context(closing(Recording(engine, store, site)))
        trace = run(
            engine,
            VirtualDepot(site, replay.vehicles, start_s=begin),
            until_s=until,
            solve=cascade_of(*(rungs_of(site) if rungs is None else rungs)),
            progress=lambda at: tell(f"run, {requests}", (at - begin) / (until - begin)),
        )
    return outcome_of(replay, trace, prices_of(site, tariff, replay))


def _silent(what: str, share: float) -> None:
    """Nobody is told."""


def _stretched(site: Site) -> Site:
    return replace(
        site,
        lease_s=max(site.lease_s, LEASE_S),
        telemetry_period_s=max(site.telemetry_period_s, 60.0 * site.horizon.slot_minutes),
    )


def last_s(replay: Replay) -> float:
    """When the last vehicle has left, epoch seconds."""
    return max(v.departure_s for v in replay.vehicles) + 1.0


def prices_of(site: Site, tariff: Tariff, replay: Replay) -> PriceSum:
    """Prices over the whole of a replay."""
    first = min(v.arrival_s for v in replay.vehicles)
    return PriceSum(tariff, first - 86_400, last_s(replay) + 86_400, site.zone)


def outcome_of(replay: Replay, trace: Trace, prices: PriceSum) -> Outcome:
    """A run with what its energy costs."""
    return Outcome(replay, trace, prices.of_pieces(_all_pieces(trace)))


def _all_pieces(trace: Trace) -> list[Piece]:
    return [p for s in trace.sessions for p in s.pieces]


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """The figures of a run alone."""
    trace, replay = outcome.trace, outcome.replay
    solve_ms = np.array(trace.solve_ms or (0.0,))
    return {
        "sessions": len(replay.vehicles),
        "requested_kwh": sum(v.words[0][1].energy_kwh for v in replay.vehicles),
        "truth_kwh": sum(v.wants_kwh for v in replay.vehicles),
        "delivered_kwh": outcome.delivered_kwh,
        "short_sessions": sum(s.short_kwh > SHORT_KWH for s in trace.sessions),
        "cost": outcome.cost,
        "cost_per_kwh": _per(outcome.cost, outcome.delivered_kwh),
        "exceeded_node_seconds": trace.exceeded_node_seconds,
        "exceeded_raw_node_seconds": sum(v.raw_s for v in trace.verdicts),
        "peak_kw": trace.verdicts[0].peak_kw,
        "limit_share_used_while_waiting": limit_share_used_while_waiting(trace),
        "setpoints": trace.setpoints,
        "power_changes": sum(s.changes for s in trace.sessions),
        "starts": sum(s.starts for s in trace.sessions),
        "renewals": trace.renewals,
        "solves": len(trace.solve_ms),
        "solve_ms_p50": float(np.percentile(solve_ms, 50)),
        "solve_ms_p99": float(np.percentile(solve_ms, 99)),
        "run_wall_s": trace.wall_s,
        "rungs": trace.rungs,
        "alerts": trace.alerts,
        "capped_sessions": replay.capped,
        "capped_kwh": replay.capped_kwh,
        "overlap_waited": replay.waited,
        "overlap_left_out": replay.left_out,
        "estimated_requests": replay.estimated,
    }


def baselines_of(
    site: Site, tariff: Tariff, outcome: Outcome, progress: Progress | None = None
) -> dict[str, Any]:
    """The figures of what others would have done with the same cars."""
    tell, site = progress or _silent, _stretched(site)
    prices = prices_of(site, tariff, outcome.replay)
    vehicles = outcome.replay.vehicles
    begin, until = min(v.arrival_s for v in vehicles) - 1.0, last_s(outcome.replay)

    def make(quirks: dict[str, Quirk]) -> VirtualDepot:
        return VirtualDepot(site, vehicles, start_s=begin, quirks=quirks)

    figures: dict[str, Any] = {}
    tell("uncontrolled", 0.0)
    figures |= _of_trace("uncontrolled", uncontrolled(site, make, until_s=until), prices)
    tell("first come", 0.0)
    figures |= _of_trace("first_come", first_come(site, make, until_s=until), prices)
    tell("perfect foresight", 0.0)
    slot = site.horizon.slot_minutes
    best = perfect_foresight(site, vehicles, prices, outcome.trace, slot_minutes=slot)
    tell("perfect foresight at delivered", 0.0)
    given = {s.session: s.delivered_kwh for s in outcome.trace.sessions}
    least = least_cost_of(site, vehicles, prices, outcome.trace, given, slot_minutes=slot)
    return figures | {
        "feasible_kwh": best.total_kwh,
        "delivered_of_feasible": _per(outcome.delivered_kwh, best.total_kwh),
        "perfect_foresight_cost": best.cost,
        "perfect_foresight_cost_per_kwh": _per(best.cost, best.total_kwh),
        "perfect_foresight_delivered_kwh": best.total_kwh,
        "perfect_foresight_cost_at_delivered": least.cost,
        "dearer_than_foresight_at_delivered": _per(outcome.cost, least.cost) - 1.0,
    }


def _of_trace(name: str, trace: Trace, prices: PriceSum) -> dict[str, Any]:
    cost = prices.of_pieces(_all_pieces(trace))
    delivered = sum(s.delivered_kwh for s in trace.sessions)
    return {
        f"{name}_cost": cost,
        f"{name}_cost_per_kwh": _per(cost, delivered),
        f"{name}_delivered_kwh": delivered,
        f"{name}_peak_kw": trace.verdicts[0].peak_kw,
        f"{name}_exceeded_node_seconds": trace.exceeded_node_seconds,
    }


def loss_of(figures: dict[str, Any], truth: dict[str, Any]) -> dict[str, float]:
    """What one word of the drivers' costs in place of the truth, and delivers less.

    Parameters
    ----------
    figures, truth : dict
        From :func:`figures_of`, of the same sessions.
    """
    return {
        "cost": figures["cost"] - truth["cost"],
        "cost_per_kwh": figures["cost_per_kwh"] - truth["cost_per_kwh"],
        "delivered_kwh": truth["delivered_kwh"] - figures["delivered_kwh"],
    }


def _per(money: float, energy: float) -> float:
    return money / energy if energy > 0 else math.nan
