"""Transformers as they are run: hot spot and ageing by the meter, heavy hours, short overload.

Each reading of a node's meter moves the temperatures on. Where the grid company allows it, what the
hot spot bears for the next half hour goes beyond the ceiling of the rating; limits that the grid
company has put in force, the contract and the failsafe go before it as they do before the ceiling.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from models.events import NodeMeasured
from models.network import Node
from models.site import Site
from models.thermal import ThermalPlate
from scheduler.draft import Draft
from scheduler.effects import TransformerTold
from scheduler.thermal import (
    HEAVY_SHARE,
    LASTING,
    OVER_SHARE,
    after,
    ageing,
    allowed_load,
    settled,
)
from scheduler.transformer_state import TransformerState

QUARTER_S = 900
CREDIT = timedelta(minutes=30)
"""What is allowed beyond the ceiling must be borne for so long; a plan counts on it no further."""

CREDIT_EVERY_S = 60.0
"""How often it is worked out."""

SILENT_S = 60.0
"""A meter that has said nothing for so long gives no credit."""


def note_load(draft: Draft, event: NodeMeasured, site: Site) -> None:
    """Take in a reading of a node that is watched; tell its state once a quarter hour."""
    node = site.network.nodes[site.network.index[event.node]]
    rule = node.thermal
    if rule is None:
        return
    load = abs(event.power_kw) / node.rated_kw
    now_s = event.now.timestamp()
    begun_s = int(now_s // QUARTER_S) * QUARTER_S
    before: TransformerState | None = draft.get("transformers").get(event.node)
    if before is None:
        state = TransformerState(settled(rule.plate, load), load, event.mono_s, quarter_s=begun_s)
    else:
        state = _moved(before, rule.plate, rule.ambient_c, event.mono_s)
        if begun_s != before.quarter_s:
            state = _counted(state, begun_s)
        state = replace(state, load=load)
    if rule.overload_allowed and event.mono_s - state.credit_mono_s >= CREDIT_EVERY_S:
        assert rule.hot_spot_most_c is not None
        share = allowed_load(
            rule.plate, state.heat, ambient_c=rule.ambient_c,
            minutes=CREDIT / timedelta(minutes=1), hot_spot_most_c=rule.hot_spot_most_c,
        )  # fmt: skip
        state = replace(state, credit=share, credit_mono_s=event.mono_s)
    draft.own("transformers")[event.node] = state
    if before is None or begun_s != before.quarter_s:
        draft.emit(_told(event.now, node, state))


def _moved(
    state: TransformerState, plate: ThermalPlate, ambient_c: float, mono_s: float
) -> TransformerState:
    """On to now by the load of the last reading."""
    passed_s = max(mono_s - state.at_mono_s, 0.0)
    heat = state.heat
    if passed_s > 0.0:
        heat = after(plate, heat, load=state.load, ambient_c=ambient_c, minutes=passed_s / 60.0)
    return replace(
        state,
        heat=heat,
        at_mono_s=max(mono_s, state.at_mono_s),
        load_s=state.load_s + state.load * passed_s,
        known_s=state.known_s + passed_s,
    )


def _counted(state: TransformerState, begun_s: int) -> TransformerState:
    """The running quarter hour is over: its mean counts; a gap of more than one ends a stretch."""
    load = state.load_s / state.known_s if state.known_s > 0.0 else state.load
    unbroken = begun_s == state.quarter_s + QUARTER_S
    heavy_run = ((state.heavy_run if unbroken else 0) + 1) * (load > HEAVY_SHARE)
    over_run = ((state.over_run if unbroken else 0) + 1) * (load > OVER_SHARE)
    return replace(
        state,
        quarter_s=begun_s,
        load_s=0.0,
        known_s=0.0,
        quarter_load=load,
        heavy_run=heavy_run,
        over_run=over_run,
        heavy=state.heavy + (heavy_run == LASTING),
        over=state.over + (over_run == LASTING),
    )


def _told(now: datetime, node: Node, state: TransformerState) -> TransformerTold:
    assert node.thermal is not None
    hot = state.heat.hot_spot_c(node.thermal.ambient_c)
    return TransformerTold(
        node=node.id,
        at=now,
        hot_spot_c=hot,
        top_oil_c=node.thermal.ambient_c + state.heat.oil_k,
        ageing=ageing(hot),
        aged_h=state.heat.aged_h,
        load=state.quarter_load,
        heavy=state.heavy,
        over=state.over,
        bears_kw=node.bears_kw(state.credit),
    )


def rated_share(draft: Draft, node: Node, at: datetime) -> float:
    """What may be used of a node's rating at an instant beyond its ceiling; 0: nothing."""
    if node.thermal is None or not node.thermal.overload_allowed:
        return 0.0
    state: TransformerState | None = draft.get("transformers").get(node.id)
    if state is None or at - draft.get("now") > CREDIT:
        return 0.0
    if draft.get("mono_s") - state.at_mono_s > SILENT_S:
        return 0.0
    return state.credit
