"""The least that a microgrid's days could have cost: one linear program over all of them.

Every truth is known and nothing has to be held: no reaction time, no least power of a pile, energy
split freely within a quarter hour. Demand charges are seen over their whole months, so what a
controller that looks a day ahead makes of the same truth is never below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from adapters.simulator.foresight import fleet_of_truth
from adapters.simulator.vehicle import Vehicle
from benchmarks.microgrid_case import EXPORT_KW, LIMIT_KW, Case
from models.horizon import FloatArray, Horizon
from scheduler.general_program import GeneralProgram
from scheduler.giving import Giver, giving_of
from scheduler.microgrid import Giving, Microgrid, Sources, Stores
from scheduler.peak import PeakPrice
from scheduler.problem import Problem
from scheduler.solution import SolverError
from scheduler.solvers.general_path.quiet import pass_program, silent_highs
from tariffs.demand_rows import demand_rows
from tariffs.metered import Metered

SLOT_S = 900


@dataclass(frozen=True, eq=False)
class Least:
    """What the cheapest of all ways through the days does.

    Parameters
    ----------
    metered : Metered
        What the connection sees.
    discharged_kwh, given_kwh, sun_kwh, curtailed_kwh : float
        Energy that storage, vehicles and PV give, and PV left unused.
    delivered_kwh, unmet_kwh : float
        Of the sessions.
    left_kwh : float
        Stored at the end.
    peaks_kw : list of float
        By demand term of a month, in order.
    """

    metered: Metered
    discharged_kwh: float
    given_kwh: float
    sun_kwh: float
    curtailed_kwh: float
    delivered_kwh: float
    unmet_kwh: float
    left_kwh: float
    peaks_kw: list[float]


def least(case: Case) -> Least:
    """Least cost of all days together.

    Parameters
    ----------
    case : Case
        Sessions that end after the last day are left out: what they take then is billed to
        nobody.
    """
    problem = _problem(case)
    numbers: dict[str, int] = {}
    program = GeneralProgram(problem, lambda name: numbers.setdefault(name, len(numbers)))
    x = _solved(program)
    hours = problem.horizon.slot_h
    energy = program.energy_of(x)
    grid = problem.microgrid
    assert grid is not None
    net = x[program.bought] - x[program.sold]
    bought = np.maximum(net, 0.0)
    edges = problem.horizon.edges_s
    served = np.bincount(problem.entry_session, weights=energy, minlength=problem.fleet.n)
    sun_kwh = float(x[program.u].sum())
    return Least(
        metered=Metered(edges[:-1], edges[1:], bought, np.maximum(-net, 0.0)),
        discharged_kwh=float(x[program.d].sum()),
        given_kwh=float(x[program.y].sum()),
        sun_kwh=sun_kwh,
        curtailed_kwh=float((grid.sources.available_kw * hours).sum()) - sun_kwh,
        delivered_kwh=float(served.sum()),
        unmet_kwh=float(np.maximum(problem.fleet.energy_kwh - served, 0.0).sum()),
        left_kwh=float(x[program.e[:, -1]].sum()),
        peaks_kw=[peak.aim_kw(bought / hours) for peak in problem.peaks],
    )


def _problem(case: Case) -> Problem:
    start_s, end_s = int(case.start.timestamp()), int(case.end.timestamp())
    horizon = Horizon(np.arange(start_s, end_s + 1, SLOT_S, dtype=np.int64), case.site.zone)
    vehicles = [v for v in case.vehicles if v.departure_s <= end_s]
    prices = case.tariff.steps(start_s, end_s, case.site.zone)
    k = case.base.at(start_s)
    base = case.base.values_kw[k : k + horizon.n][None, :]
    sun = case.sun.values_kw[case.sun.at(start_s) :][: horizon.n][None, :]
    return Problem(
        horizon=horizon,
        node_ids=case.site.network.ids,
        parent=np.array(case.site.network.parents, dtype=np.int64),
        cap_kw=np.maximum(LIMIT_KW - base, 0.0),
        fleet=fleet_of_truth(case.site, vehicles),
        buy_per_kwh=horizon.step_values(prices.starts_s, prices.buy_per_kwh, np.nan),
        sell_per_kwh=horizon.step_values(prices.starts_s, prices.sell_per_kwh, np.nan),
        surplus_kw=np.zeros(horizon.n),
        peaks=_peaks(case, horizon),
        microgrid=Microgrid(
            stores=_stores(case),
            sources=Sources(
                ("pv",), np.zeros(1, dtype=np.int64), np.minimum(sun, case.site.pv[0].max_kw)
            ),
            base_kw=base,
            import_kw=np.full(base.shape, LIMIT_KW),
            export_kw=np.full(base.shape, EXPORT_KW),
            giving=_giving(case, vehicles),
        ),
    )


def _stores(case: Case) -> Stores:
    (bess,) = case.site.storages
    one = np.ones(1)
    return Stores(
        ids=(bess.id,),
        node=np.zeros(1, dtype=np.int64),
        charge_kw=bess.max_kw * one,
        discharge_kw=bess.max_kw * one,
        charge_efficiency=bess.charge_efficiency * one,
        discharge_efficiency=bess.discharge_efficiency * one,
        energy_kwh=0.5 * bess.capacity_kwh * one,
        floor_kwh=bess.floor_soc * bess.capacity_kwh * one,
        top_kwh=bess.max_soc * bess.capacity_kwh * one,
        wear_per_kwh=bess.wear_money_per_kwh * one,
        end_value_per_kwh=0.0 * one,
        pv_only=np.zeros(1, dtype=bool),
    )


def _giving(case: Case, vehicles: list[Vehicle]) -> Giving:
    assert case.site.v2g is not None
    return giving_of([_giver(case, v) for v in vehicles], case.site.v2g)


def _giver(case: Case, vehicle: Vehicle) -> Giver | None:
    said = vehicle.words[0][1].v2g if vehicle.words else None
    if said is None or not said.consent:
        return None
    return Giver(
        min(said.max_discharge_kw, case.site.pile_by_id[vehicle.pile].discharge_kw),
        vehicle.stored_kwh,
        vehicle.battery.capacity_kwh,
        said.min_soc,
        vehicle.wants_kwh,
    )


def _peaks(case: Case, horizon: Horizon) -> tuple[PeakPrice, ...]:
    none = np.zeros(0, dtype=np.int64)
    found = []
    for term in case.tariff.demand_terms(case.start, case.end, zone=case.site.zone):
        if not term.tiers:
            continue
        rows = demand_rows(
            term, horizon, floor_kw=0.0, past_starts_s=none, past_ends_s=none, past_kw=np.zeros(0)
        )
        found.append(PeakPrice(rows.row, rows.slot, rows.weight, rows.offset_kw, rows.prices))
    return tuple(found)


def _solved(program: GeneralProgram) -> FloatArray:
    highs = silent_highs()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("solver", "ipm")
    pass_program(highs, program)
    highs.run()
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolverError(f"HiGHS ended with {highs.modelStatusToString(status)}")
    return np.array(highs.getSolution().col_value)
