"""Fuzzing of every decoder, up to the state: ``python -m tests.unit.fuzz_wire 100000``.

Good bodies are broken at random, byte by byte and field by field. A body is either refused, and
then the state stays as it was, or accepted, and then it is a fact that the engine can take.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from typing import Any

from adapters.wire import decode, root_of
from models.events import Event
from scheduler.effects import Rejected
from tests.unit.bad_input import GOOD
from tests.unit.test_host import Desk

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e-9,
    1e308,
    -1e308,
    2**63,
    -(2**63),
    10**40,
    "",
    "7",
    "NaN",
    "2026-07-01T08:00:00",
    "2026-02-30T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
    "\x00",
    "\ud7ff",
    "x" * 2000,
    [],
    [[]],
    [1] * 5000,
    {},
    {"epoch": 1},
)


def broken(chance: random.Random) -> tuple[str, bytes]:
    """A topic and a body that something was done to."""
    path = chance.choice(sorted(GOOD))
    body = dict(GOOD[path])
    way = chance.randrange(6)
    if way == 0:
        body[chance.choice(sorted(body))] = chance.choice(VALUES)
    elif way == 1:
        body.pop(chance.choice(sorted(body)))
    elif way == 2:
        body[chance.choice(sorted(GOOD[chance.choice(sorted(GOOD))]))] = chance.choice(VALUES)
    text = bytearray(json.dumps(body).encode())
    if way == 3:
        for _ in range(chance.randint(1, 8)):
            text[chance.randrange(len(text))] = chance.randrange(256)
    elif way == 4:
        del text[chance.randrange(len(text)) :]
    elif way == 5:
        cut = chance.randrange(len(text))
        text[cut:cut] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 40)))
    if chance.random() < 0.1:
        path = path.replace(chance.choice(path), chance.choice(("/", "+", "#", "", "\u00e4", " ")))
    return path, bytes(text)


def fuzz(count: int, *, seed: int = 1) -> dict[str, Any]:
    """So many bodies through decoding, and each through the engine; what became of them.

    Raises
    ------
    AssertionError
        If a refused body changed the state, or anything else came out of decoding.
    """
    chance = random.Random(seed)
    desk = Desk()
    codes: Counter[str] = Counter()
    began = time.perf_counter()
    for _ in range(count):
        path, payload = broken(chance)
        topic = root_of("depot-1") + path
        read = decode("depot-1", topic, payload, now=desk.clock.now(), mono_s=1.0)
        if isinstance(read, Rejected):
            codes[read.code] += 1
        else:
            assert isinstance(read, Event)
            codes["accepted"] += 1
        desk.host.take()
        before = desk.host.state
        desk.host.take([desk.message(path, payload)])
        if isinstance(read, Rejected):
            assert desk.host.state == before, payload
    return {
        "bodies": count,
        "state_changes_by_refused": 0,
        "outcomes": dict(codes.most_common()),
        "wall_s": round(time.perf_counter() - began, 1),
    }


if __name__ == "__main__":
    print(json.dumps(fuzz(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000), indent=2))
