"""A decision made again from its record, and what it would have been otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np

from adapters.books import load_book
from adapters.store.steps import Step, versions
from models.errors import ConfigurationError, StoreError, TariffError
from models.horizon import epoch_s, instant_of
from scheduler.cascade import load_solver, run_cascade, start_from
from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution
from tariffs.settings import TariffSettings

_AS_A_CLOCK = "say it as 21:30, the site's clock"


@dataclass(frozen=True)
class Replayed:
    """A step made again.

    Parameters
    ----------
    solution : Solution
        The answer of now.
    identical : bool
        Whether plan, rung and work are the recorded ones, the plan byte for byte.
    """

    solution: Solution
    identical: bool


def same_versions(step: Step) -> None:
    """Refuse a step that other versions have made.

    Raises
    ------
    StoreError
        Naming what differs.
    """
    here = versions()
    apart = [
        f"{name} {then} made it, {here.get(name, 'none')} is here"
        for name, then in sorted(step.versions.items())
        if here.get(name) != then
    ]
    if apart:
        raise StoreError(
            f"step {step.number} cannot be made again: " + "; ".join(apart),
            fix="replay it where these versions are installed",
        )


def replay(step: Step) -> Replayed:
    """Make a step's plan again from its record.

    Raises
    ------
    StoreError
        If other versions made it.
    """
    same_versions(step)
    answer = solve(step, step.problem)
    return Replayed(
        answer,
        answer.energy_kwh.tobytes() == step.energy_kwh.tobytes()
        and _bytes(answer.assets_kw) == _bytes(step.assets_kw)
        and _bytes(answer.relaxed_kwh) == _bytes(step.relaxed_kwh)
        and answer.rung == step.rung
        and answer.work == step.work,
    )


def _bytes(powers: FloatArray | None) -> bytes:
    return b"" if powers is None else powers.tobytes()


def solve(step: Step, problem: Problem) -> Solution:
    """Solve a problem as the step's was."""
    rungs = [(name, load_solver(name)) for name in step.rungs]
    start_from(problem, step.rungs, step.start)
    return run_cascade(problem, rungs, step.work_limit, problem.running_kwh)


def what_if(
    problem: Problem, change: str, *, currency: str = "", settings: TariffSettings | None = None
) -> Problem:
    """The problem with one thing changed.

    Parameters
    ----------
    problem : Problem
        As recorded.
    change : str
        ``limit=120`` or ``limit=NODE:120``: kW left for charging at the root or a node, beyond
        base load and margin, throughout; ``departure=SESSION:21:30``: the next such clock time
        after the step; ``tariff=BOOK``: the prices of a published book.
    currency : str
        What the step counts in; empty where it does not say.
    settings : TariffSettings, optional
        The site's side of a book, as its own tariff has it.

    Raises
    ------
    ConfigurationError
        If the change is none of these, or names what the step does not know.
    TariffError
        If there is no such book, or it counts in another currency.
    """
    kind, _, value = change.partition("=")
    if kind == "limit":
        return _with_limit(problem, value)
    if kind == "departure":
        return _with_departure(problem, value)
    if kind == "tariff":
        return _with_tariff(problem, value, currency, settings)
    raise ConfigurationError(
        f"'{change}' is no change", where="--what-if", fix="say limit=, departure= or tariff="
    )


def _with_limit(problem: Problem, value: str) -> Problem:
    node, _, number = value.rpartition(":")
    name = node or problem.node_ids[0]
    if name not in problem.node_ids:
        raise ConfigurationError(
            f"there is no node '{name}'",
            where="--what-if limit",
            fix="nodes are " + ", ".join(problem.node_ids[:10]),
        )
    try:
        limit_kw = float(number)
    except ValueError:
        limit_kw = float("nan")
    if not limit_kw >= 0:
        raise ConfigurationError(f"'{number}' is no power in kW", where="--what-if limit")
    v, grid = problem.node_ids.index(name), problem.microgrid
    cap = problem.cap_kw.copy()
    cap[v] = limit_kw
    if grid is not None:
        most = grid.import_kw.copy()
        most[v] = np.maximum(grid.base_kw[v] + limit_kw, 0.0)
        grid = replace(grid, import_kw=most)
    return replace(problem, cap_kw=cap, microgrid=grid)


def _with_departure(problem: Problem, value: str) -> Problem:
    session, _, clock = value.partition(":")
    if session not in problem.fleet.ids:
        raise ConfigurationError(
            f"the step plans no session '{session}'", where="--what-if departure"
        )
    start, zone = instant_of(problem.horizon.start_s), problem.horizon.zone
    try:
        at = time.fromisoformat(clock)
    except ValueError as error:
        raise ConfigurationError(
            f"'{clock}' is no clock time", where="--what-if departure", fix=_AS_A_CLOCK
        ) from error
    if at.tzinfo is not None:
        raise ConfigurationError(
            f"'{clock}' has an offset", where="--what-if departure", fix=_AS_A_CLOCK
        )
    local = start.astimezone(zone)
    leaves = datetime.combine(local.date(), at, zone)
    if leaves <= local:
        leaves += timedelta(days=1)
    i = problem.fleet.ids.index(session)
    end = problem.fleet.end_s.copy()
    end[i] = min(max(epoch_s(leaves), int(problem.fleet.start_s[i]) + 1), problem.horizon.end_s)
    changed = replace(problem, fleet=replace(problem.fleet, end_s=end), running_kwh=None)
    return replace(changed, running_kwh=_carried(problem, changed))


def _carried(before: Problem, after: Problem) -> Any:
    """The running plan on other windows: entries that both know keep their energy."""
    if before.running_kwh is None:
        return None
    t = before.horizon.n
    known = np.zeros(before.fleet.n * t)
    known[before.entry_session * t + before.entry_slot] = before.running_kwh
    return np.minimum(known[after.entry_session * t + after.entry_slot], after.upper_kwh)


def _with_tariff(
    problem: Problem, name: str, currency: str, settings: TariffSettings | None
) -> Problem:
    book = load_book(name, settings=settings)
    if currency and book.currency != currency:
        raise TariffError(
            f"is in {book.currency}, the step counts in {currency}",
            where=f"--what-if tariff {name}",
            fix=f"name a book in {currency}",
        )
    prices = book.prices(problem.horizon)
    return replace(
        problem,
        buy_per_kwh=np.asarray(prices.buy_per_kwh, dtype=np.float64),
        sell_per_kwh=np.asarray(prices.sell_per_kwh, dtype=np.float64),
    )


def document(
    step: Step,
    replayed: Replayed,
    changes: Sequence[str],
    settings: TariffSettings | None = None,
) -> dict[str, Any]:
    """The step, whether it came out the same, and what each change alone would do.

    Parameters
    ----------
    step : Step
    replayed : Replayed
    changes : sequence of str
    settings : TariffSettings, optional
        As in :func:`what_if`.
    """
    problem = step.problem
    out: dict[str, Any] = {
        "step": step.number,
        "at": step.at.isoformat(),
        "digest": problem.digest,
        "rung": step.rung,
        "work": step.work,
        "versions": step.versions,
        "identical": replayed.identical,
        **_totals(problem, replayed.solution),
    }
    out["what_if"] = [_difference(step, replayed.solution, c, settings) for c in changes]
    return out


def _totals(problem: Problem, answer: Solution) -> dict[str, float]:
    by_slot = np.bincount(
        problem.entry_slot, weights=answer.energy_kwh, minlength=problem.horizon.n
    )
    return {
        "planned_kwh": float(answer.energy_kwh.sum()),
        "short_kwh": float(answer.short_kwh(problem).sum()),
        "cost": answer.cost(problem),
        "peak_kw": float(np.max(by_slot / problem.horizon.slot_h, initial=0.0)),
    }


def _difference(
    step: Step, before: Solution, change: str, settings: TariffSettings | None
) -> dict[str, Any]:
    other = what_if(step.problem, change, currency=step.currency, settings=settings)
    after = solve(step, other)
    was, now = _totals(step.problem, before), _totals(other, after)
    given = [
        np.bincount(p.entry_session, weights=a.energy_kwh, minlength=p.fleet.n)
        for p, a in ((step.problem, before), (other, after))
    ]
    moved = given[1] - given[0]
    return {
        "change": change,
        "rung": after.rung,
        **now,
        "difference": {key: now[key] - was[key] for key in now},
        "sessions": {
            step.problem.fleet.ids[int(i)]: float(moved[i])
            for i in np.flatnonzero(np.abs(moved) > 0.01)
        },
    }
