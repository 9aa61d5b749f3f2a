"""A well-formed body to the fact it states, or to the contradiction in it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from adapters.wire import inbound as w
from adapters.wire.book_text import book_text
from adapters.wire.strict import RefusedError
from models import events as e
from models.errors import InvalidValueError
from models.session import GiveBack, Request
from scheduler.state import made

MEMBERS_BAND = (0.05, 0.95)
"""Quantiles of an ensemble that its band ends at."""


def contradiction(field: str, reason: str) -> RefusedError:
    """A body whose fields are well formed and cannot all be meant."""
    return RefusedError("contradiction", field, reason)


def _limit(body: w.Limit, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.valid_until is not None and body.valid_until <= body.valid_from:
        raise contradiction("valid_until", "ends before it starts")
    if body.slots and body.import_kw is not None:
        raise contradiction("slots", "says one limit throughout and a series too")
    if not body.revoked and not body.slots and body.import_kw is None and body.export_kw is None:
        raise contradiction("import_kw", "limits neither import nor export, and revokes nothing")
    starts = [s.start for s in body.slots]
    if any(b <= a for a, b in pairwise(starts)):
        raise contradiction("slots", "the steps are not in rising order")
    return e.LimitPushed(
        **base,
        node=ids[0],
        limit=ids[1],
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        import_kw=body.import_kw,
        export_kw=body.export_kw,
        source=body.source,
        slots=tuple((s.start, s.import_kw) for s in body.slots),
        revoked=body.revoked,
    )


def _event(body: w.Event, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.end <= body.start:
        raise contradiction("end", "ends before it starts")
    if not body.revoked and (body.power_kw is None) == (not body.slots):
        raise contradiction("power_kw", "says neither or both of one power and a series")
    starts = [s.start for s in body.slots]
    if any(b <= a for a, b in pairwise(starts)):
        raise contradiction("slots", "the steps are not in rising order")
    if starts and not (starts[0] <= body.start and starts[-1] < body.end):
        raise contradiction("slots", "do not cover the time from start to end")
    powers = [s.power_kw for s in body.slots] if body.power_kw is None else [body.power_kw]
    if body.kind != "follow" and any(p < 0 for p in powers):
        raise RefusedError("out_of_range", "power_kw", f"{body.kind} is a magnitude")
    return e.DemandCalled(
        **base,
        event=ids[0],
        start=body.start,
        end=body.end,
        kind=body.kind,
        power_kw=body.power_kw,
        slots=tuple((s.start, s.power_kw) for s in body.slots),
        incentive_per_kwh=body.incentive_per_kwh,
        mandatory=body.mandatory,
        revoked=body.revoked,
    )


def _heartbeat(body: w.Heartbeat, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.Heartbeat(**base)


def _tariff(body: w.Tariff, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    series = (body.start, body.slot_minutes, body.buy_per_kwh)
    if body.demand is not None and body.periods is None:
        raise contradiction("demand", "charges come with the periods they belong to")
    if body.book is not None or body.periods is not None:
        field = "book" if body.periods is None else "periods"
        if any(v is not None for v in (*series, body.sell_per_kwh)):
            raise contradiction(field, "names a book or periods and carries a series too")
        if body.book is not None and body.periods is not None:
            raise contradiction("book", "names a book and carries periods too")
        if body.valid_from is None:
            raise RefusedError("missing_field", "valid_from", "a book holds from an instant on")
        book = body.book if body.book is not None else book_text(body)
        return e.BookChosen(**base, tariff=ids[0], book=book, valid_from=body.valid_from)
    if body.valid_from is not None:
        raise contradiction("valid_from", "a series holds for its own instants")
    if body.start is None or body.slot_minutes is None or body.buy_per_kwh is None:
        missing = next(
            n for n in ("start", "slot_minutes", "buy_per_kwh") if getattr(body, n) is None
        )
        raise RefusedError("missing_field", missing, "no book, no periods, no whole series")
    if body.sell_per_kwh is not None and len(body.sell_per_kwh) != len(body.buy_per_kwh):
        raise contradiction("sell_per_kwh", "is not as long as buy_per_kwh")
    return e.PricesPushed(
        **base,
        tariff=ids[0],
        start=body.start,
        slot_minutes=body.slot_minutes,
        buy_per_kwh=tuple(body.buy_per_kwh),
        sell_per_kwh=None if body.sell_per_kwh is None else tuple(body.sell_per_kwh),
    )


def _asked_kwh(body: w.SessionRequest) -> float:
    by_charge = (body.soc, body.target_soc, body.battery_kwh)
    if body.target_soc is None:
        if body.energy_kwh is None:
            raise RefusedError(
                "missing_field", "energy_kwh", "say it, or soc, target_soc and battery_kwh"
            )
        return body.energy_kwh
    if body.energy_kwh is not None:
        raise contradiction("target_soc", "asks an energy and a state of charge too")
    if body.soc is None or body.battery_kwh is None:
        missing = "soc" if by_charge[0] is None else "battery_kwh"
        raise RefusedError("missing_field", missing, "target_soc needs soc and battery_kwh")
    if body.target_soc < body.soc:
        raise contradiction("target_soc", "is below soc")
    return (body.target_soc - body.soc) * body.battery_kwh


def _request(body: w.SessionRequest, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.departure <= body.arrival:
        raise contradiction("departure", "departs before it arrives")
    if body.min_kw is not None and body.max_kw is not None and body.min_kw > body.max_kw:
        raise contradiction("min_kw", "is above max_kw")
    try:
        request = Request(
            session=ids[0],
            pile=body.pile,
            arrival=body.arrival,
            departure=body.departure,
            energy_kwh=_asked_kwh(body),
            max_kw=body.max_kw,
            min_kw=body.min_kw,
            priority=body.priority,
            mode=body.mode,
            battery_kwh=body.battery_kwh,
            soc=body.soc,
            vehicle_class=body.vehicle_class,
            v2g=None
            if body.v2g is None
            else GiveBack(body.v2g.consent, body.v2g.min_soc, body.v2g.max_discharge_kw),
        )
    except InvalidValueError as problem:
        _, _, field = problem.where.partition(".")
        raise contradiction(field, problem.what) from problem
    return e.SessionRequested(**base, request=request)


def _end(body: w.SessionEnd, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.SessionEnded(**base, session=ids[0], reason=body.reason)


def _birth(body: w.PileBirth, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.max_kw is not None and body.min_kw is not None and body.min_kw > body.max_kw:
        raise contradiction("min_kw", "is above max_kw")
    return e.PileBorn(**base, pile=ids[0])


def _pile_telemetry(body: w.PileTelemetry, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.status == "charging" and not body.vehicle:
        raise contradiction("status", "charging, with no vehicle there")
    return made(
        e.PileMeasured,
        {
            **base,
            "pile": ids[0],
            "power_kw": body.power_kw,
            "energy_kwh": body.energy_kwh,
            "vehicle": body.vehicle,
            "soc": body.soc,
            "fault": body.fault or ("faulted" if body.status == "faulted" else None),
            "currents_a": _phases(body.currents_a),
        },
    )


def _says_one(body: w.PileAck | w.AssetAck) -> None:
    """A setpoint is applied or refused."""
    if (body.applied_kw is None) == (body.refused is None):
        raise contradiction("applied_kw", "says neither or both of applied_kw and refused")


def _ack(body: w.PileAck, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    _says_one(body)
    return made(
        e.PileAcked,
        {
            **base,
            "pile": ids[0],
            "setpoint": (body.setpoint_epoch, body.setpoint_seq),
            "applied_kw": body.applied_kw,
            "refused": body.refused,
        },
    )


def _asset_telemetry(body: w.AssetTelemetry, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.AssetMeasured(
        **base,
        asset=ids[0],
        power_kw=body.power_kw,
        soc=body.soc,
        available_kw=body.available_kw,
        islanded=body.islanded,
    )


def _asset_ack(body: w.AssetAck, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    _says_one(body)
    return e.AssetAcked(
        **base,
        asset=ids[0],
        setpoint=(body.setpoint_epoch, body.setpoint_seq),
        applied_kw=body.applied_kw,
        refused=body.refused,
    )


def _node_telemetry(body: w.NodeTelemetry, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.NodeMeasured(
        **base,
        node=ids[0],
        power_kw=body.power_kw,
        import_kwh=body.import_kwh,
        export_kwh=body.export_kwh,
        reactive_kvar=body.reactive_kvar,
        currents_a=_phases(body.currents_a),
        voltages_v=_phases(body.voltages_v),
    )


def _phases(values: Sequence[float] | None) -> tuple[float, float, float] | None:
    return None if values is None else (values[0], values[1], values[2])


def _forecast(body: w.Forecast, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    names = ("values_kw", "values_c", "values_w_m2", "values_g_per_kwh", "values_share")
    given = [n for n in (*names, "members_kw") if getattr(body, n) is not None]
    if len(given) != 1:
        raise contradiction(
            given[1] if given else "values_kw", f"needs one series, has {len(given)}"
        )
    values, low, high = _values(body, given[0])
    for band, series in (("low", low), ("high", high)):
        if series and len(series) != len(values):
            raise contradiction(band, f"is not as long as {given[0]}")
    return e.ForecastPushed(
        **base,
        series=ids[0],
        start=body.start,
        slot_minutes=body.slot_minutes,
        values=tuple(values),
        low=tuple(low),
        high=tuple(high),
    )


def _values(
    body: w.Forecast, given: str
) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """A series and its band; of an ensemble its mean, and what nine of ten members lie in."""
    if body.members_kw is None:
        return getattr(body, given), body.low or (), body.high or ()
    for band in ("low", "high"):
        if getattr(body, band) is not None:
            raise contradiction(band, "is told by members_kw already")
    if len({len(member) for member in body.members_kw}) != 1:
        raise contradiction("members_kw", "differ in length")
    members = np.array(body.members_kw)
    low, high = np.quantile(members, MEMBERS_BAND, axis=0)
    return members.mean(axis=0).tolist(), low.tolist(), high.tolist()


def _override(body: w.Override, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if (body.kind == "hold_kw") != (body.hold_kw is not None):
        raise contradiction("hold_kw", "belongs to the kind hold_kw, and only there")
    return e.Overridden(
        **base,
        target=ids[0],
        kind=body.kind,
        until=body.until,
        who=body.who,
        hold_kw=body.hold_kw,
    )


def _emergency(body: w.Emergency, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.Emergency(**base, zone=ids[0], cleared=body.cleared, who=body.who)


BUILD: dict[type[msgspec.Struct], Callable[[Any, tuple[str, ...], dict[str, Any]], e.Event]] = {
    w.Limit: _limit,
    w.Event: _event,
    w.Heartbeat: _heartbeat,
    w.Tariff: _tariff,
    w.SessionRequest: _request,
    w.SessionEnd: _end,
    w.PileBirth: _birth,
    w.PileTelemetry: _pile_telemetry,
    w.PileAck: _ack,
    w.AssetTelemetry: _asset_telemetry,
    w.AssetAck: _asset_ack,
    w.NodeTelemetry: _node_telemetry,
    w.Forecast: _forecast,
    w.Override: _override,
    w.Emergency: _emergency,
}
"""For each wire type what makes a fact of it: body, ids of the topic, clocks and stamp."""
