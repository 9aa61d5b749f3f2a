"""Calendar jobs follow the site's own clock."""

from __future__ import annotations

import threading
from zoneinfo import ZoneInfo

from adapters.ticker import CalendarJobs


def test_the_nightly_job_comes_at_the_sites_night_and_the_sweep_every_minute() -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    begun = threading.Event()
    jobs = CalendarJobs(zone, nightly=lambda: None, sweep=lambda: None, daily=begun.set)
    jobs.stop()
    jobs.start()
    try:
        night = jobs._scheduler.get_job("nightly").next_run_time
        assert (night.hour, night.minute, night.tzinfo) == (3, 17, zone)
        assert begun.wait(5.0)
        day = jobs._scheduler.get_job("daily").next_run_time
        assert (day.hour, day.minute, day.tzinfo) == (0, 0, zone)
        sweep = jobs._scheduler.get_job("sweep")
        first = sweep.next_run_time
        assert first.second == 0
        assert (sweep.trigger.get_next_fire_time(first, first) - first).total_seconds() == 60
    finally:
        jobs.stop()
