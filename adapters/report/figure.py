"""One number of a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number with its name in both languages, its unit and where it is asked for.

    ``value`` None: not known from what the store keeps; ``note`` says why, or what it rests on.
    """

    key: str
    name: str
    name_zh: str
    value: float | None
    unit: str
    policy: str = ""
    note: str = ""
    note_zh: str = ""
