"""The engine: (state, events) -> state, effects, next due. It never sleeps, reads no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.events import Event, Solved, SolveFailed
from models.site import Site
from scheduler import report, step
from scheduler.draft import Draft
from scheduler.effects import Effect
from scheduler.fold import fold
from scheduler.problem import Problem
from scheduler.state import PileState, Recovered, SiteState
from scheduler.timers import age, next_due_s
from tariffs.tariff import Tariff


class Engine:
    """What a site and its tariff make of events.

    Parameters
    ----------
    site : Site
        The site.
    tariff : Tariff
        What energy costs, and what the bill will say.
    """

    def __init__(self, site: Site, tariff: Tariff) -> None:
        self.site = site
        self.tariff = tariff
        self._problem: Problem | None = None

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
                hold_until_mono_s=mono_s,
                piles=piles,
            )
        return step.adopt(recovered.state, self.site, now=now, mono_s=mono_s, epoch=epoch)

    def receive(
        self, state: SiteState, events: Sequence[Event]
    ) -> tuple[SiteState, tuple[Effect, ...], float]:
        """One drain of the inbox.

        Parameters
        ----------
        state : SiteState
            The state before.
        events : sequence of Event
            At least one, in the order they were taken in; all carry both clocks.

        Returns
        -------
        state : SiteState
            The state after.
        effects : tuple of Effect
            Decreases first.
        next_due : float
            Monotonic time at which the engine wants a ``Ticked`` if nothing else comes.
        """
        draft = Draft(state)
        draft.put("now", events[-1].now)
        draft.put("mono_s", events[-1].mono_s)
        for event in events:
            if isinstance(event, Solved):
                self._solved(draft, event)
            elif isinstance(event, SolveFailed):
                self._failed(draft, event)
            else:
                fold(draft, event, self.site)
        age(draft, self.site)
        step.control(draft, self.site)
        problem = step.plan_if_wanted(draft, self.site, self.tariff)
        if problem is not None:
            self._problem = problem
        report.publish(draft, self.site)
        return draft.freeze(), tuple(draft.effects), next_due_s(draft, self.site)

    def _solved(self, draft: Draft, event: Solved) -> None:
        if event.digest != draft.get("solving"):
            return
        draft.put("solving", None)
        if self._problem is None or self._problem.digest != event.digest:
            draft.put("plan_wanted", True)
            return
        step.take_plan(draft, self._problem, event, self.site)

    def _failed(self, draft: Draft, event: SolveFailed) -> None:
        if event.digest != draft.get("solving"):
            return
        draft.put("solving", None)
        report.raise_alert(
            draft,
            "solver_lost",
            self.site.name,
            f"the solving process gave no answer ({event.reason}); the last plan goes on",
            f"求解进程无结果({event.reason}),继续执行上一计划",
        )
