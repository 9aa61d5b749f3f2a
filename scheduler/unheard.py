"""Sessions whose pile has fallen silent: told at once what is short and why, and when it is over.

What a plan gives such a session holds only once its pile is heard again, so until then nothing is
promised beyond what was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from models.site import Site
from scheduler.at_rest import behind_silence, session_at_rest
from scheduler.draft import Draft
from scheduler.effects import SessionStatus
from scheduler.reasons import SHORT_KWH
from scheduler.report import UNHEARD, rest, status_digest
from scheduler.state import UNKNOWN_PILE, SessionRecord, changed
from scheduler.telling import Telling


class Unheard:
    """Who has been told that his pile is not heard, in this run."""

    def __init__(self) -> None:
        self._told: dict[str, SessionRecord] | None = None

    def tell(
        self,
        draft: Draft,
        site: Site,
        silent_kw: Mapping[str, float],
        telling: Telling | None,
        at_most: int | None,
    ) -> bool:
        """Tell who has fallen silent, and who is heard again, what that means.

        Parameters
        ----------
        draft : Draft
            After the control pass.
        site : Site
        silent_kw : mapping of str to float
            Silent piles, and what each counts with, kW.
        telling : Telling or None
            What the running plan says.
        at_most : int or None
            So many sessions; None for all.

        Returns
        -------
        bool
            Whether others wait to be told.
        """
        if self._told is None:
            self._told = {
                session: record
                for session, record in draft.sessions.items()
                if record.status_digest.startswith(UNHEARD)
            }
        left = len(draft.sessions) if at_most is None else at_most
        for session in list(self._told):
            record = draft.sessions.get(session)
            if record is None or record.request.pile not in silent_kw:
                if left <= 0:
                    return True
                del self._told[session]
                left -= record is not None and self._heard(draft, site, record, telling)
        for pile, kw in silent_kw.items():
            there = draft.get("pile_session").get(pile)
            if there is None or self._told.get(there) is draft.sessions[there]:
                continue
            if left <= 0:
                return True
            left -= self._silent(draft, site, there, kw, telling)
        return False

    def _heard(
        self, draft: Draft, site: Site, record: SessionRecord, telling: Telling | None
    ) -> bool:
        if not record.status_digest.startswith(UNHEARD):
            return False
        if telling is None or not telling.again(draft, record.request.session):
            rest(draft, site, record)
        return True

    def _silent(
        self, draft: Draft, site: Site, session: str, kw: float, telling: Telling | None
    ) -> bool:
        """Whether it was told: only where a reader would see a difference."""
        assert self._told is not None
        record = draft.sessions[session]
        owed = record.request.energy_kwh - record.delivered_kwh
        short = 0.0 if record.state == "full" or owed <= SHORT_KWH else owed
        digest = UNHEARD + status_digest(record.state, record.delivered_kwh, None, short)
        new = digest != record.status_digest
        if new:
            known = draft.piles.get(record.request.pile, UNKNOWN_PILE)
            planned = None if telling is None else telling.why_of(draft, session)
            now: datetime = draft.get("now")
            said = behind_silence(
                planned or session_at_rest(record, known, site.zone),
                known,
                now=now.astimezone(site.zone),
                mono_s=draft.get("mono_s"),
                silent_kw=kw,
            )
            draft.emit(
                SessionStatus(
                    session=session,
                    state=record.state,
                    promised_kwh=record.delivered_kwh,
                    short_kwh=short,
                    why=said.text,
                    why_zh=said.text_zh,
                    unheard=True,
                )
            )
            record = changed(record, status_digest=digest)
            draft.own("sessions")[session] = record
        self._told[session] = record
        return new
