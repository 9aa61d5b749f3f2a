"""Calendar jobs, by APScheduler; they only put facts into the inbox.

The control tick is not here: a job of APScheduler stalls when the wall clock steps back, so the
tick is the consumer's own wait on monotonic time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo


class CalendarJobs:
    """Jobs by the site's own clock.

    Parameters
    ----------
    zone : ZoneInfo
        The site's zone.
    nightly : callable
        At 03:17: what the store needs done once a day.
    sweep : callable
        Every minute: look at the health and tell when it has changed.
    daily : callable
        At once, and when each day has begun: what a forecaster has to say of it.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        nightly: Callable[[], None],
        sweep: Callable[[], None],
        daily: Callable[[], None],
    ) -> None:
        self._zone = zone
        self._nightly = nightly
        self._daily = daily
        self._sweep = sweep
        self._scheduler: Any = None

    def start(self) -> None:
        """Begin."""
        # Loaded only here: it costs a tenth of a second that the first setpoints do not wait for.
        from apscheduler.schedulers.background import BackgroundScheduler
        from apscheduler.triggers.cron import CronTrigger

        self._scheduler = BackgroundScheduler(timezone=self._zone)
        self._scheduler.add_job(
            self._nightly,
            CronTrigger(hour=3, minute=17, timezone=self._zone),
            id="nightly",
            coalesce=True,
            misfire_grace_time=3600,
        )
        self._scheduler.add_job(
            self._sweep,
            CronTrigger(minute="*", timezone=self._zone),
            id="sweep",
            coalesce=True,
            misfire_grace_time=30,
        )
        self._scheduler.add_job(self._daily, id="first")
        self._scheduler.add_job(
            self._daily,
            CronTrigger(hour=0, minute=0, second=20, timezone=self._zone),
            id="daily",
            coalesce=True,
            misfire_grace_time=3600,
        )
        self._scheduler.start()

    def stop(self) -> None:
        """End, without waiting for a job."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
