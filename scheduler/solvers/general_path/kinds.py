"""What a move of a session is, and what counts as no room for one.

A move takes stored energy out at one entry and puts as much in at another. Out is less taken
(``TAKE``), more given (``GIVE``), or more left at the end (``END``); in is more taken, less given,
or less left at the end. All are counted as energy in the battery.
"""

from __future__ import annotations

TAKE, GIVE, END = 0, 1, 2
NEAR_KWH = 1e-7
"""So close to a bound there is no room to move."""

BROKEN_KWH = 1e-6
"""So far outside a bound a plan does not hold."""

STUCK_KWH = 1e-5
"""A move that a taper leaves less room is none."""
