"""From the plan to what each pile should get now: minimum power, dead band, probes."""

from __future__ import annotations

import math
from datetime import datetime

from models.horizon import epoch_s
from models.pile import Pile
from models.session import GiveBack
from models.site import Site
from models.switching import FREE
from models.units import ENERGY_EPSILON_KWH, POWER_EPSILON_KW
from scheduler.draft import Draft
from scheduler.owed import may_give
from scheduler.state import PileState, SessionRecord
from scheduler.switching import Clock, clock_of, steady_kw
from scheduler.taper import offered_kw, stored_kwh
from scheduler.unused import probe_kw
from scheduler.view import ordered

FLOOR_KWH = 0.05
"""So close to its floor a vehicle gives nothing more."""

STEP_SHARE = 1e-6
"""Of a step: a plan so little above a whole number of steps means that number."""

DEAD_BAND_SHARE = 0.01
"""Changes below this share of a pile's power are not worth a message."""


def _owes(record: SessionRecord) -> bool:
    return record.delivered_kwh < record.request.energy_kwh - ENERGY_EPSILON_KWH


def _givable_kw(site: Site, record: SessionRecord, said: GiveBack, plate: Pile) -> float:
    """What a vehicle may give now: nothing at its driver's floor, or the site's reserve."""
    stored, battery = stored_kwh(record), record.request.battery_kwh
    if stored is None or battery is None or site.v2g is None:
        return 0.0
    spare = stored - battery * max(said.min_soc, site.v2g.reserve_soc)
    if spare <= FLOOR_KWH:
        return 0.0
    return min(said.max_discharge_kw, plate.discharge_kw)


def _offered_at_most_kw(pile: PileState, record: SessionRecord, plate: Pile) -> float:
    """What pile, driver and vehicle leave of the nameplate, kW."""
    most = plate.max_kw
    if record.request.max_kw is not None:
        most = min(most, record.request.max_kw)
    return most if pile.learned_kw is None else min(most, pile.learned_kw)


class Wishes:
    """What piles with a vehicle want, by plan and by operators' orders, in one drain.

    Parameters
    ----------
    draft : Draft
        Its clock, plan and orders are read once.
    site : Site
    """

    def __init__(self, draft: Draft, site: Site) -> None:
        self._site = site
        self._now: datetime = draft.get("now")
        self._at = epoch_s(self._now)
        self._overrides = draft.get("overrides")
        self._at_once = ordered(draft, site, "charge_now")
        self._lost: bool = draft.get("solver_lost")
        plan = draft.plan
        self._over = plan is not None and self._at >= plan.end_s
        self._planned = {} if plan is None else plan.sessions
        self._nameplates = site.pile_by_id
        self._spare = site.beyond_request == "spare"
        self.clock: Clock = clock_of(self._now, draft.get("mono_s"), site.zone)

    def of(self, name: str, pile: PileState, record: SessionRecord) -> float:
        """Power wanted at one pile, kW."""
        session, nameplate = record.request.session, self._nameplates[name]
        override = self._overrides.get(name)
        if override is not None and override.until is not None and override.until <= self._now:
            override = None
        at_once = record.request.mode == "now" or name in self._at_once
        want = 0.0
        owes = _owes(record)
        gives, ahead = may_give(self._site, record), 0.0
        if gives is not None and session in self._planned:
            ahead = self._planned[session].at(self._at)
        free = pile.fault is None and override is None
        free = free and not (at_once or self._over or self._lost)
        if gives is not None and ahead < 0 and free:
            return -min(-ahead, _givable_kw(self._site, record, gives, nameplate))
        if (record.state != "full" and (owes or self._spare)) or ahead > 0:
            if owes and (at_once or (self._lost and (self._over or session not in self._planned))):
                # Whoever is to charge at once, or has no plan when no plan can be had, asks for
                # all; the kernel serves by priority and urgency.
                want = nameplate.max_kw
            elif session in self._planned:
                ahead_of_it = self._planned[session]
                want = offered_kw(record, nameplate, ahead_of_it.at(self._at))
                if nameplate.step_kw > 0 and want > 0 and ahead_of_it.ends_after(self._at):
                    # Rounded down it would not be done; rounded up it is done before the slot is.
                    steps = math.ceil(want / nameplate.step_kw - STEP_SHARE)
                    want = min(steps * nameplate.step_kw, nameplate.max_kw)
            if record.request.max_kw is not None:
                want = min(want, record.request.max_kw)
        if want <= POWER_EPSILON_KW:
            want = 0.0
        elif want < nameplate.min_kw:
            # Between nothing and the minimum lies nothing: the minimum, where it fits; the
            # kernel takes it away where it does not.
            want = nameplate.min_kw
        if pile.probing and owes:
            # A probe takes only what is free: the kernel serves it last.
            want = probe_kw(nameplate, want)
        elif pile.learned_kw is not None:
            want = min(want, pile.learned_kw)
        if nameplate.switching is not FREE and override is None:
            most = _offered_at_most_kw(pile, record, nameplate)
            want = steady_kw(want, pile, record, nameplate, self.clock, most)
        if override is not None:
            if override.kind == "hold_kw":
                want = min(override.hold_kw or 0.0, nameplate.max_kw)
            elif override.kind == "out_of_service":
                want = 0.0
        if pile.fault is not None:
            want = 0.0
        band = DEAD_BAND_SHARE * nameplate.max_kw
        if pile.sent and want > 0 and 0 < abs(want - pile.wanted_kw) < band:
            want = pile.wanted_kw
        return want
