"""What the daemon counts and measures, for Prometheus, and whether it lives and is ready.

The control thread only adds to numbers here; a scrape reads them in a thread of its own. No name
carries a driver, a vehicle or a session.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from adapters.health import MODES
from models.events import Solved, SolveFailed

STANDS_STILL_S = 5.0
"""A control loop that has not come round for so long does not live; it ticks every second."""


@dataclass(frozen=True)
class View:
    """One look at the site, taken when somebody asks.

    Parameters
    ----------
    epoch : int
        We speak under it.
    piles : dict
        Number of piles: talking, silent, faulted.
    sessions : dict
        Number of sessions by state.
    drawn_kw : float
        Measured power of the talking piles.
    nodes : dict
        By node: limit in force (inf: none) and, where a meter talks, its power, kW.
    heartbeat_age_s : float or None
        None: there never was one.
    degraded : tuple of str
        Degraded modes.
    alerts : dict
        Number of standing alerts by kind.
    transformers : dict
        By node that is watched: hot spot (degrees Celsius), life used (h), heavy and overloaded
        stretches so far.
    """

    epoch: int
    piles: dict[str, int]
    sessions: dict[str, int]
    drawn_kw: float
    nodes: dict[str, tuple[float, float | None]]
    heartbeat_age_s: float | None
    degraded: tuple[str, ...]
    alerts: dict[str, int]
    transformers: dict[str, tuple[float, float, int, int]] = field(default_factory=dict)


@dataclass(eq=False)
class Figures:
    """Counters that the control thread raises, and the look that a scrape takes.

    ``look`` is called in the scraping thread and must only read; None before the engine runs.
    """

    look: Callable[[], View | None] = lambda: None
    ready: Callable[[], tuple[str, ...]] = lambda: ("starting",)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    beat_s: float = field(default_factory=time.monotonic)
    registry: CollectorRegistry = field(
        default_factory=lambda: CollectorRegistry(auto_describe=True)
    )

    def __post_init__(self) -> None:
        buckets = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
        self.drain_seconds = Histogram(
            "valleyfill_drain_seconds",
            "Time of one drain of the inbox, from taking it to its setpoints.",
            registry=self.registry,
            buckets=buckets,
        )
        self.solve_seconds = Histogram(
            "valleyfill_solve_seconds",
            "Time of one plan in the solving process.",
            ["rung"],
            registry=self.registry,
            buckets=buckets,
        )
        self.commit_seconds = Histogram(
            "valleyfill_commit_seconds",
            "Time from handing a batch to the store until it is on disk.",
            registry=self.registry,
            buckets=buckets,
        )
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def beat(self) -> None:
        """The control loop has come round."""
        self.beat_s = time.monotonic()

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """Raise a counter of :data:`COUNTERS`."""
        self.counts[name, label] += by

    def note_answer(self, answer: Solved | SolveFailed) -> None:
        """A plan, or word that none came."""
        if isinstance(answer, Solved):
            self.count("plans", answer.rung)
            self.solve_seconds.labels(answer.rung).observe(answer.solve_ms / 1000)
        else:
            self.count("plans_failed")

    @property
    def lives(self) -> bool:
        """Whether the control loop comes round."""
        return time.monotonic() - self.beat_s < STANDS_STILL_S

    def collect(self) -> Iterator[Metric]:
        """What a scrape gets, beside the histograms and the process."""
        families = {
            name: CounterMetricFamily(f"valleyfill_{name}", text, labels=[label] if label else [])
            for name, (text, label) in COUNTERS.items()
        }
        for (name, label), value in sorted(self.counts.copy().items()):
            families[name].add_metric([label] if COUNTERS[name][1] else [], value)
        yield from families.values()
        view = self.look()
        if view is not None:
            yield from _gauges(view)


COUNTERS: dict[str, tuple[str, str]] = {
    "setpoints_sent": ("Setpoints published, renewals of leases left out.", ""),
    "messages": ("Messages taken in.", "lane"),
    "messages_rejected": ("Messages that changed nothing, by the code of their refusal.", "code"),
    "security_events": ("Messages refused for their signature, sender or age.", "code"),
    "telemetry_shed": ("Telemetry overtaken by newer telemetry of its topic.", ""),
    "plans": ("Plans taken over, by the rung that made them.", "rung"),
    "plans_failed": ("Calls for a plan that no answer came to.", ""),
    "connections_lost": ("Connections to the broker that were lost.", "lane"),
    "store_failures": ("Times the store began to fail.", ""),
}
"""Counters: what each counts, and its one label."""


def _gauges(view: View) -> Iterator[Metric]:
    yield _one("epoch", "Epoch of our setpoints.", view.epoch)
    yield _one("piles_power_watts", "Measured power of all talking piles.", view.drawn_kw * 1000)
    if view.heartbeat_age_s is not None:
        yield _one(
            "heartbeat_age_seconds",
            "Since the grid company's last heartbeat.",
            view.heartbeat_age_s,
        )
    yield _many("piles", "Piles by state.", "state", view.piles)
    yield _many("sessions", "Sessions by state.", "state", view.sessions)
    yield _many("alerts", "Standing alerts by kind.", "kind", view.alerts)
    yield _many(
        "degraded",
        "1 while the daemon does without this.",
        "mode",
        {mode: int(mode in view.degraded) for mode in MODES.values()},
    )
    yield _many(
        "node_limit_watts",
        "Import limit in force at a node.",
        "node",
        {n: limit * 1000 for n, (limit, _) in view.nodes.items() if limit != float("inf")},
    )
    yield _many(
        "node_power_watts",
        "Power by the node's meter, positive from the grid.",
        "node",
        {n: kw * 1000 for n, (_, kw) in view.nodes.items() if kw is not None},
    )
    if view.transformers:
        yield from _transformers(view)


def _transformers(view: View) -> Iterator[Metric]:
    told = (
        ("transformer_hot_spot_celsius", "Hot spot by the load (IEC 60076-7)."),
        ("transformer_aged_hours", "Life used, in hours of rated ageing."),
        ("transformer_heavy", "Stretches of eight quarter hours above 80 % of the rating."),
        ("transformer_over", "Stretches of eight quarter hours above the rating."),
    )
    for k, (name, text) in enumerate(told):
        yield _many(name, text, "node", {n: v[k] for n, v in view.transformers.items()})


def _one(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"valleyfill_{name}", text)
    family.add_metric([], value)
    return family


def _many(name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"valleyfill_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
