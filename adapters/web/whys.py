"""The sentences of one step's sessions, each made once, however often the page is renewed."""

from __future__ import annotations

from functools import cached_property
from zoneinfo import ZoneInfo

from adapters.explaining import reasons_of
from adapters.store.steps import Step
from scheduler.reasons import SHORT_KWH, Reasons
from scheduler.why import why


class Whys:
    """Why each session of a step charges when it does.

    Parameters
    ----------
    step : Step
    zone : ZoneInfo
        Clock times are given in it.
    """

    def __init__(self, step: Step, zone: ZoneInfo) -> None:
        self.step = step
        self._zone = zone
        self._said: dict[tuple[str, float | None], tuple[str, str]] = {}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {s: i for i, s in enumerate(self.step.problem.fleet.ids)}

    @cached_property
    def _reasons(self) -> Reasons:
        return reasons_of(self.step)

    def of(self, session: str, short_kwh: float | None) -> tuple[str, str]:
        """The sentence in both languages; empty where the step has no such session.

        Parameters
        ----------
        session : str
        short_kwh : float or None
            What it ends short by, as the daemon says; None: as the step says.
        """
        key = (session, short_kwh)
        if key not in self._said:
            i = self._index.get(session)
            self._said[key] = ("", "") if i is None else self._say(i, short_kwh)
        return self._said[key]

    def _say(self, i: int, short_kwh: float | None) -> tuple[str, str]:
        reasons = self._reasons
        cut = reasons.cuts.of(i) if short_kwh is None or short_kwh > SHORT_KWH else None
        reason = reasons.of(i, cut, short_kwh=short_kwh)
        said = why(reason, zone=self._zone, currency=self.step.currency)
        return said.text, said.text_zh
