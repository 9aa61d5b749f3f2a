"""What each pile's display reads: one retained sentence per pile, said sparingly."""

from __future__ import annotations

from dataclasses import replace

from adapters.wire.encode import Publish, publish_of
from adapters.wire.outbound import PileStateName, PileStatus
from models.site import Site
from scheduler.at_rest import behind_silence, pile_at_rest
from scheduler.draft import Draft
from scheduler.effects import SessionStatus
from scheduler.state import PileState, SiteState
from scheduler.view import silent_kw_now
from scheduler.why import Why

PER_S = 20.0
"""Sentences said a second at most: 1,800 piles that all have something new take a minute and a
half, and none says anything in between that has changed again."""

EVERY_S = 1.0
"""Between looks at all piles."""

BURST_S = 2.0
"""What was not said in quieter times may be made up for so long."""

_NEVER = PileState()


class PileWords:
    """Remembers what was said of each pile, and says only what differs.

    A pile with a session says what that session's status says, after its silence where it is not
    heard; the sentence of any other is its state's.

    Parameters
    ----------
    site : str
        Id of the site.
    """

    def __init__(self, site: str) -> None:
        self._site = site
        self._whys: dict[str, tuple[str, str]] = {}
        self._unheard: dict[str, tuple[str, str]] = {}
        self._said: dict[str, PileStatus] = {}
        self._waiting: dict[str, None] = {}
        self._mono_s: float | None = None

    def hear(self, effect: SessionStatus) -> None:
        """A session's status has been told: its pile says the same."""
        self._unheard.pop(effect.session, None)
        if effect.state in ("ended", "rejected"):
            self._whys.pop(effect.session, None)
        elif effect.unheard:
            self._unheard[effect.session] = effect.why, effect.why_zh
        else:
            self._whys[effect.session] = effect.why, effect.why_zh

    def forget(self) -> None:
        """The broker may have forgotten everything: all is said again, as slowly as ever."""
        self._said.clear()

    def say(self, state: SiteState, site: Site) -> tuple[Publish, ...]:
        """What is to be said now: what has waited longest first, as many as the time allows."""
        since_s = BURST_S if self._mono_s is None else state.mono_s - self._mono_s
        if since_s < EVERY_S:
            return ()
        self._mono_s = state.mono_s
        room = int(min(since_s, BURST_S) * PER_S)
        now = self._look(state, site)
        for pile, said in now.items():
            if said != self._said.get(pile):
                self._waiting.setdefault(pile)
        out = [self._gone(pile) for pile in self._said.keys() - site.pile_by_id.keys()]
        for pile in list(self._waiting):
            if len(out) >= room:
                break
            del self._waiting[pile]
            newest = now.get(pile)
            if newest is not None and newest != self._said.get(pile):
                self._said[pile] = newest
                out.append(publish_of(self._site, newest, pile))
        return tuple(out)

    def _gone(self, pile: str) -> Publish:
        """A pile that is no more has nothing to say: its retained sentence is taken away."""
        said = publish_of(self._site, self._said.pop(pile), pile)
        return replace(said, payload=b"")

    def _look(self, state: SiteState, site: Site) -> dict[str, PileStatus]:
        """What each pile has to say; nothing of one whose session has not been told of yet."""
        silent_of = silent_kw_now(Draft(state), site)
        found = {}
        for pile in site.piles:
            known = state.piles.get(pile.id, _NEVER)
            silent_kw = silent_of(pile.id, known)
            session = state.pile_session.get(pile.id)
            if session is None:
                rest = pile_at_rest(
                    pile,
                    known,
                    now=state.now.astimezone(site.zone),
                    mono_s=state.mono_s,
                    silent_kw=silent_kw,
                )
                why = rest.text, rest.text_zh
            elif silent_kw is not None and session in self._unheard:
                why = self._unheard[session]
            elif session in self._whys:
                why = self._whys[session]
                if silent_kw is not None:
                    told = behind_silence(
                        Why(*why),
                        known,
                        now=state.now.astimezone(site.zone),
                        mono_s=state.mono_s,
                        silent_kw=silent_kw,
                    )
                    why = told.text, told.text_zh
            else:
                continue
            found[pile.id] = PileStatus(
                state=_state(known, session, silent=silent_kw is not None),
                session=session,
                why=why[0],
                why_zh=why[1],
            )
        return found


def _state(known: PileState, session: str | None, *, silent: bool) -> PileStateName:
    if known.fault is not None:
        return "fault"
    if silent:
        return "silent"
    if session is not None:
        return "session"
    return "vehicle" if known.vehicle else "free"
