"""The page beside a real daemon: it sees a cut in time, and nothing that befalls it is felt."""

from __future__ import annotations

import contextlib
import json
import signal
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapters.replaying import replay
from adapters.store.steps import read_steps, reading_store
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from tests.integration.field import Yard, free_port, needs_broker, request, until, yard

pytestmark = [needs_broker, pytest.mark.broker]


def asked(port: int, path: str) -> Any:
    with (
        contextlib.suppress(OSError, HTTPException),
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2.0) as answer,
    ):
        return json.load(answer)
    return None


def page_of(place: Yard) -> psutil.Process | None:
    children = psutil.Process(place.daemon.pid).children()
    return next((c for c in children if "page" in c.cmdline()), None)


def test_a_cut_is_seen_in_time_and_a_frozen_or_killed_page_holds_nothing_up(
    tmp_path: Path,
) -> None:
    port = free_port()
    with yard(tmp_path, piles=2) as place:
        with place.config.open("a", encoding="utf-8") as file:
            file.write(f"\n[web]\nport = {port}\n")
        place.plug_in(2)
        place.daemon.start()
        place.ready()
        until(lambda: all(p.told for p in place.piles), "every pile has a setpoint")
        operator = place.peer("operator", "session/+/status")
        for k in range(2):
            request(operator, f"s{k}", f"P-{k}", energy_kwh=60.0, hours=2, mode="smart")
        until(lambda: place.said_kw() > 50.0, "cars charge")
        until(
            lambda: any(s.why and s.why_zh for s in operator.bodies(o.SessionStatus)),
            "drivers are told why",
        )
        until(lambda: asked(port, "/api/v1/site"), "the page is up", timeout_s=60.0)
        grid = place.peer("grid", "rejected")

        def cut(kw: float) -> None:
            limit = w.Limit(
                **grid.stamp(), valid_from=datetime.now(UTC), valid_until=None, import_kw=kw,
                export_kw=None, source="grid",
            )  # fmt: skip
            grid.send(limit, "transformer", "dr", wait=True)

        cut(30.0)
        took_s = until(
            lambda: (asked(port, "/api/v1/site") or {}).get("limit_kw") == 30.0, "the cut is seen"
        )
        print(f"seen after {took_s:.2f} s")
        page = page_of(place)
        assert page is not None
        page.send_signal(signal.SIGSTOP)
        cut(12.0)
        until(lambda: place.said_kw() <= 12.0 + 1e-6, "the cut is obeyed beside a frozen page")
        page.kill()
        cut(20.0)
        until(lambda: 12.1 < place.said_kw() <= 20.0 + 1e-6, "and beside a killed one")
        until(
            lambda: (asked(port, "/api/v1/site") or {}).get("limit_kw") == 20.0,
            "the page is started again",
            timeout_s=60.0,
        )
        again = page_of(place)
        place.daemon.signal(signal.SIGTERM)
        assert place.daemon.wait() == 0
        assert again is not None
        until(lambda: not again.is_running() or again.status() == psutil.STATUS_ZOMBIE, "it ends")
    base = reading_store(place.store)
    steps = list(read_steps(base, newest=50))
    base.close()
    assert steps
    for step in steps:
        assert replay(step).identical, step.number
