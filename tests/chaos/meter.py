"""The reference meter: one-second means of what is truly drawn, and the judge over them.

It knows nothing of the daemon. Three figures for every node: raw seconds above the limit in
force; judged seconds, a lower limit counting only after the slowest pile's response time; and
seconds in which the base load alone was above.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, field

from tests.chaos.plant import PileKind, Powers

SAMPLE_S = 0.02
SLACK_KW = 0.05
"""A meter of class 0.5 at 100 kW shows differences smaller than this as noise."""


RAISE_S = 4.0
"""A raise takes so long with no fault too: a pile just lowered is not raised for 2 s, power must
be measured as released, the raise is committed, piles ramp."""


@dataclass
class Limits:
    """The limit in force at a node over time, as the script says it, kW."""

    at_s: list[float] = field(default_factory=list)
    kw: list[float] = field(default_factory=list)

    def set(self, at_s: float, kw: float) -> None:
        """From an instant on."""
        self.at_s.append(at_s)
        self.kw.append(kw)

    def at(self, t: float) -> float:
        """The limit at an instant."""
        k = bisect_right(self.at_s, t)
        return self.kw[max(k - 1, 0)]

    def strict(self, start: float, end: float) -> float:
        """The lowest during a second: raw judges against this."""
        inside = [v for t, v in zip(self.at_s, self.kw, strict=True) if start < t < end]
        return min([self.at(start), *inside])

    def lenient(self, start: float, end: float) -> float:
        """The highest in force at any time from ``start`` to ``end``."""
        inside = [v for t, v in zip(self.at_s, self.kw, strict=True) if start < t <= end]
        return max([self.at(start), *inside])


@dataclass(frozen=True)
class Second:
    """One second of the reference meter."""

    at_s: float
    total_kw: float
    feeder_kw: float
    base_kw: float


@dataclass
class Verdict:
    """Seconds above, over all nodes, and energy against what the limits allowed."""

    seconds: int = 0
    raw_s: int = 0
    judged_s: int = 0
    base_alone_s: int = 0
    worst_kw: float = 0.0
    delivered_kwh: float = 0.0
    allowed_kwh: float = 0.0


class Meter:
    """Samples the plant in a thread of its own."""

    def __init__(self, powers: Powers, kinds: tuple[PileKind, ...], feeder_kw: float) -> None:
        self._powers = powers
        self._feeder = [k for k, kind in enumerate(kinds) if kind.node == "feeder-a"]
        self._count = len(kinds)
        self._feeder_limit_kw = feeder_kw
        self.limits = Limits()
        self.seconds: list[Second] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)

    def start(self) -> None:
        """Begin to measure."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(2)

    def now_kw(self) -> tuple[float, float, float]:
        """Total of the piles, of the feeder, and the base load, at this instant."""
        p = self._powers.all()
        return sum(p[: self._count]), sum(p[k] for k in self._feeder), p[self._count]

    def _run(self) -> None:
        begin = time.monotonic()
        sums, n = [0.0, 0.0, 0.0], 0
        while not self._stop.wait(SAMPLE_S):
            for k, v in enumerate(self.now_kw()):
                sums[k] += v
            n += 1
            now = time.monotonic()
            if now - begin >= 1.0:
                self.seconds.append(Second(begin, sums[0] / n, sums[1] / n, sums[2] / n))
                begin, sums, n = now, [0.0, 0.0, 0.0], 0

    def judge(
        self,
        start: float,
        end: float,
        *,
        response_s: float,
        kept_free_kw: float = 0.0,
        excused: tuple[tuple[float, float], ...] = (),
        unserved: tuple[tuple[float, float], ...] = (),
    ) -> Verdict:
        """Both nodes over a window.

        Parameters
        ----------
        start, end : float
            Monotonic, s.
        response_s : float
            Of the slowest pile.
        kept_free_kw : float
            What the site keeps free of the limit without any fault.
        excused : tuple of (float, float)
            When nobody could know yet (announced by the fault in advance): raw counts, judged
            does not.
        unserved : tuple of (float, float)
            When no energy can be delivered (announced in advance: leases have run out).
        """
        out, alone_since = Verdict(), 0.0
        for second in self.seconds:
            if not start <= second.at_s < end:
                continue
            out.seconds += 1
            s, e = second.at_s, second.at_s + 1.0
            drawn = second.total_kw + second.base_kw
            raw = drawn > self.limits.strict(s, e) + SLACK_KW
            over_kw = drawn - self.limits.lenient(s - response_s, e) - SLACK_KW
            alone = second.base_kw > self.limits.strict(s, e) + SLACK_KW
            free = any(a <= e and s <= b for a, b in excused)
            feeder = second.feeder_kw - self._feeder_limit_kw - SLACK_KW
            out.raw_s += raw + (feeder > 0)
            out.base_alone_s += alone
            alone_since = (alone_since or s) if alone else 0.0
            if alone and s - alone_since > response_s:
                # Nothing can be done about the base load, but the piles must be at nothing.
                out.judged_s += second.total_kw > SLACK_KW
            elif not free and not alone:
                out.judged_s += (over_kw > 0) + (feeder > 0)
                out.worst_kw = max(out.worst_kw, over_kw, feeder)
            out.delivered_kwh += second.total_kw / 3600
            if not any(a <= s and e <= b for a, b in unserved):
                low = self.limits.strict(s - RAISE_S, e)
                out.allowed_kwh += max(low - second.base_kw - kept_free_kw, 0.0) / 3600
            else:
                out.allowed_kwh += (
                    min(second.total_kw, max(self.limits.strict(s, e) - second.base_kw, 0.0)) / 3600
                )
        return out
