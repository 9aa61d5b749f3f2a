"""The plant as physics knows it: a file shared by all processes, one number for each pile."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

SITE = "yard"


@dataclass(frozen=True)
class PileKind:
    """Nameplate of a pile of the harness; ``ac``: one phase, regulated in amps;
    ``give_kw``: what it can feed back.
    """

    name: str
    node: str
    ac: bool
    max_kw: float
    min_kw: float
    response_s: float
    phase: int = 1
    give_kw: float = 0.0


GIVE_KW = 15.0
"""What a DC pile of a site where vehicles give can feed back."""


def yard_piles(count: int = 20, *, gives: bool = False) -> tuple[PileKind, ...]:
    """Three of five are DC of 20 kW at the transformer, two AC of 7 kW at its feeder."""
    out, give_kw = [], GIVE_KW if gives else 0.0
    for k in range(count):
        if k % 5 < 3:
            out.append(PileKind(f"P-{k}", "transformer", False, 20.0, 2.0, 1.0, give_kw=give_kw))
        else:
            out.append(PileKind(f"P-{k}", "feeder-a", True, 7.04, 1.32, 2.0, 1 + k % 3))
    return tuple(out)


class Powers:
    """Power of every pile and of the base load, kW, in a file that all processes map."""

    def __init__(self, path: Path, count: int, *, create: bool = False) -> None:
        size = 8 * (count + 1)
        if create:
            path.write_bytes(b"\x00" * size)
        self._count = count
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), size)

    def put(self, index: int, kw: float) -> None:
        """Power of one pile; the base load stands after the last."""
        struct.pack_into("<d", self._map, 8 * index, kw)

    def all(self) -> tuple[float, ...]:
        """Power of every pile, then the base load."""
        return struct.unpack(f"<{self._count + 1}d", self._map[:])

    def base(self, kw: float) -> None:
        """Set the base load."""
        self.put(self._count, kw)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        self._file.close()
