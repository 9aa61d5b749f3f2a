"""The two records that the kernel's functions pass around: what is given, and what flows.

Sessions are numbered by leaf and nodes in preorder, so a subtree is one range of nodes and one
range of sessions. Amounts are watt-seconds in int64; rows of words are sets of slots.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]

Floats = NDArray[np.float64]
Flags = NDArray[np.int8]
Bools = NDArray[np.bool_]
Number = int | np.int64
Flag = bool | np.bool_


class Net(NamedTuple):
    """What is given.

    Entry ``base[i] + t`` of ``most`` and of the flow belongs to session i in slot t, for t in
    ``first[i]`` to ``last[i] - 1``. ``floor`` is what has been promised, ``rank`` the priority
    (0 the lowest), ``turn`` the sessions of each block by laxity.
    """

    base: Ints
    first: Ints
    last: Ints
    most: Ints
    owed: Ints
    floor: Ints
    rank: Ints
    leaf: Ints
    turn: Ints
    parent: Ints
    end: Ints
    session_from: Ints
    session_to: Ints
    cap: Ints


class Flow(NamedTuple):
    """What flows.

    ``energy`` by entry, ``left`` (owed, not yet planned) by session, ``room`` by node and slot;
    ``can_add`` and ``can_cut``: slots where a session can take more or give back; ``can_rise``
    and ``carries``: slots where a node has room or carries something. The rest is working space.
    """

    energy: Ints
    left: Ints
    room: Ints
    can_add: Words
    can_cut: Words
    can_rise: Words
    carries: Words
    distance: Ints
    blocked: Flags
    front: Ints
    next_front: Ints
    path_node: Ints
    path_slot: Ints
    work: Ints
