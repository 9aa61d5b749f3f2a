"""The engine: (state, events) -> state, effects, next due. It never sleeps, reads no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import cast

from models.events import Event, PileMeasured, Solved, SolveFailed
from models.site import Site
from scheduler import step
from scheduler.alerts import watch
from scheduler.answers import answer_limits
from scheduler.asked import Requests
from scheduler.control import control
from scheduler.demand import record
from scheduler.demand_response import measure
from scheduler.draft import Draft
from scheduler.effects import Effect
from scheduler.fold import fold
from scheduler.fold_telemetry import fold_telemetry
from scheduler.pricing import Books, Pricing, no_books
from scheduler.problem import Problem
from scheduler.sights import Sights
from scheduler.state import PileState, Recovered, SiteState
from scheduler.takeover import adopt
from scheduler.telling import Telling
from scheduler.timers import SOONEST_S, age, next_due_s
from scheduler.unheard import Unheard
from scheduler.view import Picture
from tariffs.tariff import Tariff

MONO_S, PILE = attrgetter("mono_s"), attrgetter("pile")


class Engine:
    """What a site and its tariff make of events.

    Parameters
    ----------
    site : Site
        The site.
    tariff : Tariff
        What energy costs, and what the bill will say.
    books : callable
        Where the books are found that a message names; none unless given.
    told_at_once : int, optional
        How many sessions one drain tells what a new plan means for them; all unless given.
    """

    def __init__(
        self,
        site: Site,
        tariff: Tariff,
        *,
        books: Books = no_books,
        told_at_once: int | None = None,
    ) -> None:
        self.site = site
        self.tariff = tariff
        self._pricing = Pricing(site, tariff, books)
        self._problem: Problem | None = None
        self._telling: Telling | None = None
        self._told_at_once = told_at_once
        self._unheard = Unheard()
        self._sights = Sights(site)
        self._requests = Requests(site)
        self._piles = frozenset(pile.id for pile in site.piles)

    def start(
        self,
        *,
        now: datetime,
        mono_s: float,
        epoch: int,
        recovered: Recovered | None = None,
    ) -> SiteState:
        """The state to begin with.

        Parameters
        ----------
        now : datetime
            Aware.
        mono_s : float
            Monotonic clock, s.
        epoch : int
            Our own new epoch, above every one ever used.
        recovered : Recovered, optional
            What the store gave back. Stored leases count as just sent, and nothing rises for
            one lease, since another daemon may have spoken meanwhile.
        """
        if recovered is None or recovered.state is None:
            piles = {p.id: PileState() for p in self.site.piles}
            return SiteState(
                now=now,
                mono_s=mono_s,
                epoch=epoch,
                seq=0,
                started_mono_s=mono_s,
                # Somebody spoke under an earlier epoch: piles may still hold what was said then.
                hold_until_mono_s=mono_s + (self.site.lease_s if epoch > 1 else 0.0),
                piles=piles,
            )
        return adopt(recovered.state, self.site, now=now, mono_s=mono_s, epoch=epoch)

    def receive(
        self, state: SiteState, events: Sequence[Event]
    ) -> tuple[SiteState, tuple[Effect, ...], float]:
        """One drain of the inbox.

        Parameters
        ----------
        state : SiteState
            The state before.
        events : sequence of Event
            At least one; all carry both clocks. The order does not matter, but for the time it
            takes a limit to be seen.

        Returns
        -------
        state : SiteState
            The state after.
        effects : tuple of Effect
            Decreases first.
        next_due : float
            Monotonic time at which the engine wants a ``Ticked`` if nothing else comes.
        """
        draft = Draft(state, self._requests)
        latest = max(events, key=MONO_S)
        step.pass_time(state, draft, latest.now, latest.mono_s)
        for kind, run in groupby(events, type):
            some = list(run)
            if kind is PileMeasured:
                measured, some = self._of_the_site(cast(list[PileMeasured], some))
                fold_telemetry(draft, measured, self.site)
            for event in some:
                if isinstance(event, Solved):
                    self._solved(draft, event)
                elif isinstance(event, SolveFailed):
                    self._failed(draft, event)
                else:
                    fold(draft, event, self.site, self._pricing)
        measure(draft, self.site)
        age(draft, self.site)
        terms = self._pricing.terms(draft)
        picture = control(draft, self.site, self._sights, terms)
        record(draft, self.site, picture, terms)
        problem = step.plan_if_wanted(draft, self.site, self._pricing)
        if problem is not None:
            self._problem = problem
        answer_limits(draft, self.site, picture)
        watch(draft, self.site, picture, self._sights.suspects(draft))
        due_s = next_due_s(draft, self.site, self._sights.due_s(draft))
        draft.silent = picture.silent
        if self._tell(draft, picture):
            due_s = min(due_s, draft.get("mono_s") + SOONEST_S)
        return draft.freeze(), tuple(draft.effects), due_s

    def _of_the_site(self, events: list[PileMeasured]) -> tuple[list[PileMeasured], list[Event]]:
        """Telemetry of piles that the site has, and the rest, which only has to be refused."""
        if self._piles.issuperset(map(PILE, events)):
            return events, []
        mine = [event for event in events if event.pile in self._piles]
        return mine, [event for event in events if event.pile not in self._piles]

    def _solved(self, draft: Draft, event: Solved) -> None:
        if event.digest != draft.get("solving"):
            return
        draft.put("solving", None)
        if self._problem is None or self._problem.digest != event.digest:
            draft.put("plan_wanted", True)
            return
        told = step.take_plan(draft, self._problem, event, self.site, self._pricing)
        if told is not None:
            draft.planned = True
            told.after(self._telling)
            self._telling = told

    def _tell(self, draft: Draft, picture: Picture) -> bool:
        """Tell some sessions what the plan means for them, or their pile's silence; whether others
        still wait for that.

        The setpoints of a plan leave first, and the next drain tells; so it does where many have
        just moved.
        """
        telling, at_most = self._telling, self._told_at_once
        if at_most is not None and (draft.planned or draft.moved >= step.MANY):
            return True
        waits = self._unheard.tell(draft, self.site, picture.silent, telling, at_most)
        if telling is None:
            return waits
        telling.some(draft, at_most)
        return telling.goes_on(draft) or waits

    def _failed(self, draft: Draft, event: SolveFailed) -> None:
        if event.digest != draft.get("solving"):
            return
        step.plan_failed(draft, self.site, event.reason)
