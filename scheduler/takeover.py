"""Taking over from a stored state: the same plan goes on and no setpoint jumps."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from models.site import Site
from scheduler.fixed import fixed
from scheduler.state import PileState, SessionRecord, SiteState
from scheduler.switching import carried_over
from scheduler.view import MESSAGE_EXPIRY_S

PROBE_AFTER_S = 60.0
"""What vehicles were seen to take is probed again so long after a take-over."""

AWAY_S = 600.0
"""A clock further from the stored instant may be wrong: what seems over is not forgotten yet."""


def adopt(state: SiteState, site: Site, *, now: datetime, mono_s: float, epoch: int) -> SiteState:
    """The state of a new run.

    Monotonic times of another run mean nothing here: every lease counts as just sent, every
    pile as just heard, and nothing rises for one lease. The grid company's silence goes on
    through the time we were away. What the site no longer has is left out.
    """
    apart_s = (now - state.now).total_seconds()
    away_s = max(apart_s, 0.0)
    silence_s = state.mono_s - state.heartbeat_mono_s + away_s
    nodes = site.network.index
    sessions = {k: r for k, r in state.sessions.items() if r.request.pile in site.pile_by_id}
    return replace(
        state,
        now=now,
        mono_s=mono_s,
        epoch=epoch,
        seq=0,
        started_mono_s=mono_s,
        hold_until_mono_s=mono_s + site.lease_s,
        piles={p.id: _taken(state, p.id, site, mono_s, away_s) for p in site.piles},
        sessions=sessions,
        pile_session=_pile_sessions(state, sessions),
        limits={
            k: {n: replace(r, received_mono_s=mono_s) for n, r in v.items()}
            for k, v in state.limits.items()
            if k in nodes
        },
        overrides={k: v for k, v in state.overrides.items() if k in nodes or k in site.pile_by_id},
        nodes={
            k: replace(
                n,
                heard_mono_s=mono_s,
                base_mono_s=mono_s,
                recent=((mono_s, n.base_kw),),
                recent_a=(),
                readings=(),
                above_mono_s=-1.0,
                judged_mono_s=-1.0,
                over_mono_s=-1.0,
            )
            for k, n in state.nodes.items()
            if k in nodes
        },
        assets={
            k: replace(a, heard_mono_s=-1.0)
            for k, a in state.assets.items()
            if k in fixed(site).assets
        },
        heartbeat_mono_s=mono_s - silence_s,
        heartbeat_offset_s=None,
        clock_set_mono_s=-math.inf if abs(apart_s) <= AWAY_S else mono_s,
        solving=None,
        solver_lost=False,
        plan_wanted=True,
        next_slot_s=0,
        next_limit_edge_s=0,
        next_session_edge_s=0.0,
    )


def _pile_sessions(state: SiteState, sessions: dict[str, SessionRecord]) -> dict[str, str]:
    return {p: s for p, s in state.pile_session.items() if s in sessions}


def _taken(state: SiteState, name: str, site: Site, mono_s: float, away_s: float) -> PileState:
    old = state.piles.get(name)
    if old is None:
        return PileState()
    return _pile(carried_over(old, state.mono_s, mono_s, away_s), site, mono_s)


def _pile(old: PileState, site: Site, mono_s: float) -> PileState:
    until = mono_s + MESSAGE_EXPIRY_S + site.lease_s
    acked = old.acked
    if acked is not None:
        # Older than what is still on its way: that one is not the setpoint that runs.
        sent = mono_s - 0.001 if old.unacked else mono_s
        acked = replace(acked, sent_mono_s=sent, holds_until_mono_s=until)
    return replace(
        old,
        heard_mono_s=mono_s if old.heard_mono_s >= 0 else -1.0,
        measured_mono_s=-1.0,
        acked=acked,
        lease_mono_s=-1.0,
        unacked=tuple(
            replace(s, sent_mono_s=mono_s, holds_until_mono_s=until) for s in old.unacked
        ),
        before_kw=max([old.wanted_kw, *(s.power_kw for s in old.unacked)]),
        changed_mono_s=mono_s,
        renewed_mono_s=-1.0,
        below_since_mono_s=-1.0,
        probing=False,
        exceeded=None,
        probe_mono_s=mono_s + PROBE_AFTER_S if old.learned_kw is not None else -1.0,
    )
