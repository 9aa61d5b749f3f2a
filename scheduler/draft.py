"""A drain's working copy of the state: dictionaries are copied once, when first written."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from models.events import LimitPushed
from models.plan import Plan
from scheduler.asked import Requests
from scheduler.effects import Effect
from scheduler.state import PileState, SessionRecord, SiteState

T = TypeVar("T")


class Draft:
    """What one drain of the inbox makes of a state, and the effects it asks for.

    Parameters
    ----------
    state : SiteState
        The frozen state before the drain; it is never changed.
    requests : Requests, optional
        What an engine remembers of the requests of its sessions.
    """

    def __init__(self, state: SiteState, requests: Requests | None = None) -> None:
        self._base = state
        self.requests = requests
        self._changed: dict[str, Any] = {}
        self.effects: list[Effect] = []
        self.news = False
        self.slot_turned = False
        self.near_peak = False
        self.born: set[str] = set()
        self.moved = 0
        self.planned = False
        self.silent: Container[str] = ()
        self.withdrawn: list[LimitPushed] = []
        self.echoes: dict[str, tuple[PileState, PileState]] = {}
        self.announced: dict[str, list[tuple[str, SessionRecord]]] | None = None

    def get(self, name: str) -> Any:
        """Current value of a field."""
        changed = self._changed
        return changed[name] if name in changed else getattr(self._base, name)

    def put(self, name: str, value: Any) -> None:
        """Set a field."""
        self._changed[name] = value

    def own(self, name: str) -> dict[Any, Any]:
        """A dictionary field that may be written: copied on its first use."""
        if name not in self._changed:
            self._changed[name] = dict(getattr(self._base, name))
        owned: dict[Any, Any] = self._changed[name]
        return owned

    @property
    def before(self) -> datetime:
        """The wall clock before this drain."""
        return self._base.now

    @property
    def before_mono_s(self) -> float:
        """The monotonic clock before this drain."""
        return self._base.mono_s

    @property
    def piles(self) -> dict[str, PileState]:
        """Piles, to read."""
        piles: dict[str, PileState] = self.get("piles")
        return piles

    @property
    def sessions(self) -> dict[str, SessionRecord]:
        """Sessions, to read."""
        sessions: dict[str, SessionRecord] = self.get("sessions")
        return sessions

    @property
    def pile_session(self) -> dict[str, str]:
        """The session at each pile, to read."""
        pile_session: dict[str, str] = self.get("pile_session")
        return pile_session

    @property
    def plan(self) -> Plan | None:
        """The running plan."""
        plan: Plan | None = self.get("plan")
        return plan

    def emit(self, effect: Effect) -> None:
        """Ask for an effect."""
        self.effects.append(effect)

    def freeze(self) -> SiteState:
        """The state after the drain."""
        if not self._changed:
            return self._base
        values = {f.name: self.get(f.name) for f in fields(SiteState)}
        return SiteState(**values)
