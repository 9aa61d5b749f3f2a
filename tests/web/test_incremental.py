"""What the page keeps from state to state is what it would make of each state anew."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from adapters.web.piles import Glancer
from adapters.web.planned import Planned
from adapters.web.snapshot import Reader
from adapters.web.tree import sums_of
from benchmarks.stage import staged
from scheduler.draft import Draft
from scheduler.view import look


def test_glances_and_records_are_those_of_the_state_whatever_came_before(tmp_path: Path) -> None:
    rng = random.Random(11)
    with staged(tmp_path, 36) as stage:
        glancer, kept = Glancer(stage.site), Reader(stage.path)
        looks: set[str] = set()
        for round_ in range(40):
            some = rng.sample([p.id for p in stage.site.piles], rng.randint(0, 6))
            stage.step(rng.choice([1.0, 60.0, 900.0]))
            told = [
                stage.telemetry(
                    p,
                    vehicle=rng.random() < 0.7,
                    fault="E1" if rng.random() < 0.2 else None,
                )
                for p in some
            ]
            news = [stage.limit(rng.choice([20.0, 90.0, 1e6]))] if rng.random() < 0.4 else []
            if rng.random() < 0.3:
                # Another session, on a pile that is free or not.
                news.append(stage.request(rng.choice(some or ["P-0006"]), 1_000 + round_))
            stage.play([*told, *news, stage.meter(60.0, told)])
            kept.poll()
            fresh = Reader(stage.path)
            fresh.poll()
            seen = kept.seen
            assert seen is not None
            assert fresh.seen is not None
            assert (seen.piles, seen.sessions) == (fresh.seen.piles, fresh.seen.sessions)
            sums = sums_of(seen, stage.site)
            assert sums == look(Draft(seen), stage.site)
            planned = kept.planned()
            whole = Glancer(stage.site).look(fresh.seen, fresh.planned(), sums.silent)
            assert glancer.look(seen, planned, sums.silent) == whole
            looks |= {g.look for g in whole.values()}
        assert looks >= {"free", "waiting", "charging", "fault", "full"}
        for changed in (
            dict.fromkeys(seen.sessions, int(seen.now.timestamp()) + 60),
            dict.fromkeys(seen.sessions, int(seen.now.timestamp()) + 10**6),
            {},
        ):
            # Only the plan differs: who will be ready late, or not at all, is seen by it alone.
            other = cast(Planned, SimpleNamespace(ready_of=changed))
            fresh_glances = Glancer(stage.site).look(seen, other, set())
            assert glancer.look(seen, other, set()) == fresh_glances
        gone = replace(seen, sessions={}, pile_session={})
        found = glancer.look(gone, None, set())
        assert {g.session for g in found.values()} == {""}
