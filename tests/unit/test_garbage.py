"""The cycle collector's whole pass comes once a minute and not in between."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from adapters import garbage
from adapters.garbage import WHOLE_EVERY_S, Garbage


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_old_garbage_is_found_once_a_minute_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(garbage.time, "monotonic", lambda: now[0])
    ours = Garbage()
    ours.settle()
    knot = Knot()
    gone = weakref.ref(knot)
    # Old enough that only a whole pass looks at it.
    gc.collect(1)
    del knot
    now[0] = WHOLE_EVERY_S - 1.0
    assert not ours.look()
    for _ in range(300):
        _ = [Knot() for _ in range(100)]
    assert gone() is not None
    now[0] = WHOLE_EVERY_S + 1.0
    assert ours.look()
    assert gone() is None
    assert not ours.look()
