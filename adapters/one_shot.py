"""One plan from a state in a file: the same engine as the daemon's, effects done inline.

The state is one JSON document::

    {"site": "depot-1.toml", "now": "2026-07-01T18:00:00+08:00",
     "sessions": [{"session": "s-1", "pile": "A-01", "arrival": "...", "departure": "...",
                   "energy_kwh": 30, "delivered_kwh": 4}],
     "limits": [{"node": "transformer", "limit": "evening", "valid_from": "...",
                 "import_kw": 60, "source": "grid"}],
     "base_load_kw": {"transformer": 85}}

``base_load_kw`` is what the meters would say with no vehicle there; it must name the root where
the site's base load is by meter. A session takes the fields of ``session/{session}/request``, a
limit those of ``grid/limit/{node}/{limit}``, each with its ids and without the sender's counters.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.books import load_book
from adapters.config import SiteFile, load_site
from adapters.config_table import nearest
from adapters.solving import rungs_of
from adapters.wire.decode import decode
from models.errors import ConfigurationError, DataError
from models.events import Event, NodeMeasured, PileMeasured, SessionRequested, Solved
from models.horizon import instant_of
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.cascade import load_solver, run_cascade
from scheduler.effects import Effect, PlanSummary, Rejected, SessionStatus, SetpointSent, Solve
from scheduler.engine import Engine
from scheduler.solution import answered
from scheduler.state import SiteState

WORK_LIMIT = 2_000_000
_KEYS = ("site", "now", "sessions", "limits", "base_load_kw")


def plan_once(text: str, *, source: str, beside: Path, site_path: Path | None) -> dict[str, Any]:
    """The plan for a state.

    Parameters
    ----------
    text : str
        The JSON document.
    source : str
        Its name, for messages.
    beside : Path
        Folder that a relative ``site`` is looked up in.
    site_path : Path or None
        A site file that takes the place of the document's.

    Returns
    -------
    dict
        Totals, sessions with their powers, setpoints and refusals.

    Raises
    ------
    DataError
        If the document is no such state.
    ConfigurationError, TariffError
        If its site cannot be run.
    """
    state = _document(text, source)
    file = _site_of(state, source, beside, site_path)
    now = _now(state, source)
    tariff = load_book(file.site.tariff, settings=file.tariff_settings)
    engine = Engine(file.site, tariff)
    first = engine.start(now=now, mono_s=0.0, epoch=1)
    events = _events(state, file.site, now, source)
    after, effects, _ = engine.receive(first, events)
    refused = [e for e in effects if isinstance(e, Rejected)]
    solve = next((e for e in effects if isinstance(e, Solve)), None)
    if solve is not None:
        after, effects, _ = engine.receive(after, [_answer(file.site, solve, now)])
    return _told(file.site, now, after, effects, refused)


def _document(text: str, source: str) -> Mapping[str, Any]:
    try:
        state = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"is no JSON: {error}", where=source) from error
    if not isinstance(state, Mapping):
        raise DataError("is no JSON object", where=source)
    for key in state:
        if key not in _KEYS:
            raise DataError("the key is unknown", where=f"{source}: {key}", fix=nearest(key, _KEYS))
    return state


def _site_of(
    state: Mapping[str, Any], source: str, beside: Path, site_path: Path | None
) -> SiteFile:
    if site_path is not None:
        return load_site(site_path)
    name = state.get("site")
    if not isinstance(name, str):
        raise ConfigurationError(
            "no site is named", where=f"{source}: site", fix="name its file, or give --site"
        )
    return load_site(beside / name)


def _now(state: Mapping[str, Any], source: str) -> datetime:
    try:
        now = datetime.fromisoformat(state["now"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "the instant of the plan is missing or unreadable",
            where=f"{source}: now",
            fix="as in 2026-07-01T18:00:00+08:00",
        ) from error
    if now.tzinfo is None:
        raise DataError("the instant has no offset", where=f"{source}: now")
    return now


def _events(state: Mapping[str, Any], site: Site, now: datetime, source: str) -> list[Event]:
    """What a daemon would have heard: limits, requests, then every pile and meter once."""
    events: list[Event] = []
    for k, entry in enumerate(_list(state, "limits", source)):
        body = dict(entry)
        node, limit = (str(body.pop(n, "")) for n in ("node", "limit"))
        topic, where = f"grid/limit/{node}/{limit}", f"{source}: limits[{k}]"
        events.append(_decoded(site, topic, body, now, k, where))
    given_kwh: dict[str, float] = {}
    for k, entry in enumerate(_list(state, "sessions", source)):
        body, where = dict(entry), f"{source}: sessions[{k}]"
        session, delivered = str(body.pop("session", "")), body.pop("delivered_kwh", 0.0)
        if not isinstance(delivered, int | float) or not 0 <= delivered < 1e5:
            raise DataError(f"{delivered!r} is no energy", where=f"{where}.delivered_kwh")
        event = _decoded(site, f"session/{session}/request", body, now, k, where)
        assert isinstance(event, SessionRequested)
        events.append(event)
        if event.request.arrival <= now:
            given_kwh[event.request.pile] = float(delivered)
    if not any(isinstance(e, SessionRequested) for e in events):
        raise DataError("holds no session", where=f"{source}: sessions")
    heard: dict[str, Any] = {"now": now, "mono_s": 0.0, "issued_at": now, "power_kw": 0.0}
    for pile in site.pile_by_id:
        # A register at 0 and then at what was delivered: so the engine counts it by itself.
        for seq, register in enumerate((0.0, given_kwh.get(pile, 0.0))):
            seen: dict[str, Any] = {"energy_kwh": register, "vehicle": pile in given_kwh}
            events.append(PileMeasured(pile=pile, stamp=(1, seq), **seen, **heard))
    for node, power in _base_load(state, site, source).items():
        events.append(NodeMeasured(node=node, stamp=(1, 0), **(heard | {"power_kw": power})))
    return events


def _base_load(state: Mapping[str, Any], site: Site, source: str) -> dict[str, float]:
    stated = state.get("base_load_kw", {})
    where = f"{source}: base_load_kw"
    if not isinstance(stated, Mapping):
        raise DataError("is no object of kW by node", where=where)
    for node, power in stated.items():
        if node not in site.network.index:
            raise DataError(
                f"{node!r} is no node", where=where, fix=nearest(node, site.network.ids)
            )
        if isinstance(power, bool) or not isinstance(power, int | float) or not abs(power) < 1e7:
            raise DataError(f"{power!r} is no power", where=f"{where}.{node}")
    root = site.network.root.id
    if site.base_load == "meter" and root not in stated:
        raise DataError(f"lacks {root!r}, whose base load is by meter", where=where)
    return {node: float(power) for node, power in stated.items()}


def _list(state: Mapping[str, Any], key: str, source: str) -> list[Mapping[str, Any]]:
    entries = state.get(key, [])
    if not isinstance(entries, list) or any(not isinstance(e, Mapping) for e in entries):
        raise DataError("is no list of objects", where=f"{source}: {key}")
    return entries


def _decoded(
    site: Site, topic: str, body: dict[str, Any], now: datetime, seq: int, where: str
) -> Event:
    stamped = {"epoch": 1, "seq": seq, "issued_at": now.isoformat(), **body}
    payload = json.dumps(stamped).encode()
    event = decode(site.name, f"valleyfill/v1/{site.name}/{topic}", payload, now=now, mono_s=0.0)
    if isinstance(event, Rejected):
        field = f".{event.field}" if event.field else ""
        raise DataError(event.reason, where=f"{where}{field}")
    return event


def _answer(site: Site, solve: Solve, now: datetime) -> Solved:
    rungs = [(name, load_solver(name)) for name in rungs_of(site)]
    problem = solve.problem
    began = time.perf_counter()
    found = run_cascade(problem, rungs, work_limit=WORK_LIMIT, running=problem.running_kwh)
    took_ms = (time.perf_counter() - began) * 1000.0
    return answered(problem, found, now=now, mono_s=0.0, solve_ms=took_ms)


def _told(
    site: Site,
    now: datetime,
    state: SiteState,
    effects: tuple[Effect, ...],
    refused: list[Rejected],
) -> dict[str, Any]:
    summary = next((e for e in effects if isinstance(e, PlanSummary)), None)
    status = {e.session: e for e in effects if isinstance(e, SessionStatus)}
    plan = state.plan
    return {
        "site": site.name,
        "now": now,
        "status": "nothing_to_plan" if summary is None else summary.status,
        "rung": None if summary is None else summary.rung,
        "gap": None if summary is None else summary.gap,
        "solve_ms": None if summary is None else summary.solve_ms,
        "digest": None if summary is None else summary.digest,
        "planned_kwh": 0.0 if summary is None else summary.planned_kwh,
        "short_kwh": 0.0 if summary is None else summary.short_kwh,
        "cost": 0.0 if summary is None else summary.cost,
        "currency": site.currency,
        "binding_nodes": [] if summary is None else summary.binding_nodes,
        "sessions": [
            {
                "session": name,
                "pile": record.request.pile,
                "state": record.state,
                "asked_kwh": record.request.energy_kwh,
                "delivered_kwh": record.delivered_kwh,
                "promised_kwh": record.promised_kwh,
                "short_kwh": record.short_kwh,
                "ready_at": status[name].ready_at if name in status else None,
                "cost": status[name].cost if name in status else None,
                "why": status[name].why if name in status else "",
                "power": _power(plan.sessions[name].starts_s, plan.sessions[name].power_kw, site)
                if plan is not None and name in plan.sessions
                else [],
            }
            for name, record in state.sessions.items()
        ],
        "setpoints": [
            {"pile": e.pile, "power_kw": e.power_kw, "reason": e.reason}
            for e in effects
            if isinstance(e, SetpointSent) and e.power_kw > 0
        ],
        "rejected": [
            {"topic": r.topic, "code": r.code, "field": r.field, "reason": r.reason}
            for r in refused
        ],
    }


def _power(starts_s: tuple[int, ...], power_kw: tuple[float, ...], site: Site) -> list[Any]:
    """Stretches of equal power, the idle ones left out."""
    out: list[dict[str, Any]] = []
    for begin, end, power in zip(starts_s, starts_s[1:], power_kw, strict=False):
        if power <= POWER_EPSILON_KW:
            continue
        start, stop = (instant_of(s).astimezone(site.zone) for s in (begin, end))
        if out and out[-1]["to"] == start and abs(out[-1]["power_kw"] - power) < POWER_EPSILON_KW:
            out[-1]["to"] = stop
        else:
            out.append({"from": start, "to": stop, "power_kw": power})
    return out
