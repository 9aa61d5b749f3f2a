"""The hands that ``valleyfill bench peers`` measures: one file a tool, each with its ``HANDS``.

A new peer is a new file here; a tool that is not installed is imported only when it is asked.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from benchmarks.peer_models.hand import Hand

_SHARED = "hand"
_FIRST = "ours"


def hands() -> dict[str, Hand]:
    """Every hand by its name, ours first."""
    names = [m.name for m in iter_modules(__path__) if m.name != _SHARED]
    names.sort(key=lambda name: (name != _FIRST, name))
    found = [hand for name in names for hand in import_module(f"{__name__}.{name}").HANDS]
    return {hand.name: hand for hand in found}
