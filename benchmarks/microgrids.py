"""Microgrids to measure on: storage, PV, a demand charge and giving vehicles around a fleet."""

from __future__ import annotations

import dataclasses

import numpy as np

from scheduler.microgrid import Giving, Microgrid, Sources, Stores
from scheduler.peak import PeakPrice
from scheduler.problem import Fleet, Problem


def around(
    problem: Problem, *, seed: int = 0, demand: bool = True, giving_share: float = 0.0
) -> Problem:
    """Put PV, a storage, a demand charge and vehicles that give back around a fleet.

    Parameters
    ----------
    problem : Problem
        A fleet alone, as :func:`benchmarks.instances.fleet_problem` makes it.
    seed : int
        Of who gives back.
    demand : bool
        Whether the highest quarter hour has a price.
    giving_share : float
        Share of the sessions that may give back, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    t, n = problem.horizon.n, problem.fleet.n
    hour = ((problem.horizon.edges_s[:-1] + 8 * 3600) / 3600.0) % 24
    size = 0.5 * float(problem.fleet.max_kw.sum())
    sun = 0.4 * size * np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0)
    stores = Stores(
        ids=("bess",),
        node=np.zeros(1, dtype=np.int64),
        charge_kw=np.array([0.2 * size]),
        discharge_kw=np.array([0.2 * size]),
        charge_efficiency=np.array([0.95]),
        discharge_efficiency=np.array([0.95]),
        energy_kwh=np.array([0.2 * size]),
        floor_kwh=np.array([0.04 * size]),
        top_kwh=np.array([0.4 * size]),
        wear_per_kwh=np.array([0.05]),
        end_value_per_kwh=np.array([0.2]),
        pv_only=np.zeros(1, dtype=bool),
    )
    base = 0.2 * size * (1.0 + 0.5 * np.exp(-(((hour - 19.5) / 2.5) ** 2)))
    m = len(problem.node_ids)
    all_base = np.zeros((m, t))
    all_base[0] = base
    limit = problem.cap_kw.copy()
    limit[0] = limit[0] + base
    export = np.full((m, t), np.inf)
    export[0] = 0.3 * size
    giving = None
    if giving_share > 0:
        gives = rng.random(n) < giving_share
        owed = problem.fleet.energy_kwh
        giving = Giving(
            discharge_kw=np.where(gives, np.minimum(problem.fleet.max_kw, 11.0), 0.0),
            efficiency=np.full(n, 0.9),
            spare_kwh=np.round(rng.uniform(2.0, 15.0, n), 2),
            room_kwh=owed + np.round(rng.uniform(5.0, 20.0, n), 2),
            wear_per_kwh=np.full(n, 0.15),
            budget_kwh=np.full(n, 30.0),
        )
    slots = np.arange(t)
    peaks = (
        PeakPrice(slots, slots, np.ones(t), np.zeros(t), ((0.5 * size, 1.6),)),
    ) if demand else ()  # fmt: skip
    return dataclasses.replace(
        problem,
        sell_per_kwh=np.minimum(0.2, problem.buy_per_kwh),
        peaks=peaks,
        microgrid=Microgrid(
            stores=stores,
            sources=Sources(("pv",), np.zeros(1, dtype=np.int64), sun[None, :]),
            base_kw=all_base,
            import_kw=limit,
            export_kw=export,
            giving=giving,
        ),
    )


def one_changed(problem: Problem, *, seed: int = 0) -> Problem:
    """The same problem after one event: one session asks a quarter less."""
    rng = np.random.default_rng(seed)
    fleet = problem.fleet
    i = int(rng.integers(fleet.n))
    energy = fleet.energy_kwh.copy()
    energy[i] = round(0.75 * float(energy[i]), 3)
    columns = {f: getattr(fleet, f) for f in fleet.__dataclass_fields__}
    changed = Fleet(**(columns | {"energy_kwh": energy, "asked_kwh": energy}))
    return dataclasses.replace(problem, fleet=changed)
