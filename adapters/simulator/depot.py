"""The virtual depot: it owns time and truth, does no I/O, and is exact between events.

A host asks :meth:`VirtualDepot.next_event_s`, lets time pass with
:meth:`VirtualDepot.advance`, which returns what piles, meters, operator and grid company say
meanwhile, and hands setpoints to :meth:`VirtualDepot.obey`. The facts are those of
:mod:`models.events`; the same object stands behind a broker or in the engine's own process.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from adapters.simulator.agenda import agenda_of
from adapters.simulator.asset_bank import AssetBank
from adapters.simulator.grid import GridScript, Said
from adapters.simulator.meter import NodeMeter
from adapters.simulator.series import StepSeries, constant
from adapters.simulator.trace import Piece, SessionTrace, Trace
from adapters.simulator.vehicle import PLAIN, Quirk, Vehicle
from adapters.simulator.virtual_assets import VirtualAsset
from adapters.simulator.virtual_pile import VirtualPile
from adapters.simulator.wiring import Wiring
from models.errors import InvalidValueError
from models.events import (
    Event,
    NodeMeasured,
    PileAcked,
    PileBorn,
    PileMeasured,
    SessionEnded,
    SessionRequested,
)
from models.horizon import UTC
from models.site import Site
from scheduler.effects import AssetSetpointSent, SetpointSent

EPOCH = 1
"""Epoch of every sender in the virtual depot: they all start once."""


class VirtualDepot:
    """Piles, vehicles, meters, base load, PV and the grid company of one site.

    Parameters
    ----------
    site : Site
        The site; its telemetry period and lease are obeyed.
    vehicles : sequence of Vehicle
        With their hidden truth. On one pile they do not overlap.
    start_s : float
        Where time begins, epoch seconds; ``mono_s`` is counted from there.
    base_kw, pv_kw : mapping of str to StepSeries
        By node: what cannot be steered (kW >= 0), and what the sun gives (kW <= 0).
    voltage : StepSeries
        Voltage by nameplate voltage: AC piles draw so much more or less.
    quirks : mapping of str to Quirk
        By pile.
    grid : GridScript
        What the grid company and the operator say.
    assets : sequence of VirtualStorage or VirtualPv
        Storage, PV and feeders that are steered.
    islands : sequence of (float, float)
        Stretches [from, until) without the grid, epoch seconds: the storage of the site's island
        rule forms it.
    """

    def __init__(
        self,
        site: Site,
        vehicles: Sequence[Vehicle],
        *,
        start_s: float,
        base_kw: Mapping[str, StepSeries] | None = None,
        pv_kw: Mapping[str, StepSeries] | None = None,
        voltage: StepSeries | None = None,
        quirks: Mapping[str, Quirk] | None = None,
        grid: GridScript | None = None,
        assets: Sequence[VirtualAsset] = (),
        islands: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.site = site
        self.start_s = start_s
        self.at_s = start_s
        self.grid = grid or GridScript()
        self._wiring = Wiring(
            site,
            start_s=start_s,
            series=[*(base_kw or {}).items(), *(pv_kw or {}).items()],
            steered=bool(assets),
        )
        self._bank = AssetBank(site, assets, islands, wiring=self._wiring, said=self._said)
        self._voltage = voltage or constant(1.0)
        quirks = quirks or {}
        self.piles = {
            p.id: VirtualPile(p, quirks.get(p.id, PLAIN), at_s=start_s) for p in site.piles
        }
        self._seq = 0
        self._traces: dict[str, SessionTrace] = {}
        self._order: list[SessionTrace] = []
        self._due: list[tuple[float, str]] = []
        self._pile_due: dict[str, float] = {}
        self._late: list[tuple[float, int, Event]] = []
        self._agenda = agenda_of(vehicles, self.piles, start_s)
        self._agenda_at = 0
        self._period = site.telemetry_period_s
        self._next_report_s = start_s
        self._next_series_s = start_s
        self._born = False

    def next_event_s(self) -> float:
        """When something next happens by itself, epoch seconds; inf: never again."""
        return max(min(self._heads()), self.at_s)

    def _heads(self) -> tuple[float, ...]:
        while self._due and self._pile_due.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        return (
            self._due[0][0] if self._due else math.inf,
            self._agenda[self._agenda_at][0] if self._agenda_at < len(self._agenda) else math.inf,
            self._late[0][0] if self._late else math.inf,
            self._next_series_s,
            self.grid.next_s(),
            self._next_report_s,
            self._bank.next_s(),
            self._bank.next_island_s(self.at_s),
        )

    def advance(self, to_s: float) -> list[Event]:
        """Let time pass; everything that is said until then, in its order."""
        if to_s < self.at_s:
            raise InvalidValueError(f"time does not run back from {self.at_s} to {to_s}")
        facts: list[Event] = []
        if not self._born:
            self._born = True
            facts += [PileBorn(**self._said(), pile=p) for p in self.piles]
            self._wiring.relimit(self.grid, self.at_s)
            self._bank.report(self.at_s, facts)
        while True:
            pile, agenda, late, series, grid, report, asset_due, island = self._heads()
            due = min(pile, agenda, late, series, grid, report, asset_due, island)
            if due > to_s:
                break
            self.at_s = max(self.at_s, due)
            if due == island:
                self._bank.join_or_leave(self.at_s, facts)
                self._report_nodes(facts)
            elif due == asset_due:
                self._bank.pass_due(self.at_s, facts)
            elif due == series:
                self._change_series()
            elif due == grid:
                facts += self.grid.take(self.at_s, self._said)
                self._wiring.relimit(self.grid, self.at_s)
            elif due == pile:
                self._pass_pile(heapq.heappop(self._due)[1], facts)
            elif due == agenda:
                self._follow_agenda(facts)
            elif due == report:
                self._report_all(facts)
            else:
                facts.append(self._restamp(heapq.heappop(self._late)[2]))
        self.at_s = to_s
        return facts

    def obey(self, setpoint: SetpointSent, at_s: float | None = None) -> list[Event]:
        """A setpoint reaches its pile: acknowledgement and new power, unless it is slow."""
        facts: list[Event] = [] if at_s is None else self.advance(at_s)
        pile = self.piles[setpoint.pile]
        self._integrate(pile)
        if not pile.take(setpoint.stamp, setpoint.power_kw, setpoint.lease_s, setpoint.fallback_kw):
            facts.append(self._ack(pile, setpoint.stamp, None, "refused"))
        self._settle(pile, facts)
        return facts

    def obey_asset(self, setpoint: AssetSetpointSent) -> list[Event]:
        """A setpoint reaches its storage, PV plant or feeder: acknowledged and obeyed at once."""
        return self._bank.obey(setpoint, self.at_s)

    def trip(self, asset: str, *, tripped: bool) -> list[Event]:
        """An asset fails, or is there again."""
        return self._bank.trip(asset, self.at_s, tripped=tripped)

    def trace(self) -> Trace:
        """What happened until now."""
        for pile in self.piles.values():
            self._integrate(pile)
        return Trace(
            sessions=tuple(self._order),
            verdicts=self._wiring.verdicts(self.at_s),
            limits=self._wiring.limits,
            base=self._wiring.base,
            root=self._wiring.root,
        )

    @property
    def assets(self) -> Mapping[str, VirtualAsset]:
        """Storage, PV and feeders that are steered, by id."""
        return self._bank.by_id

    @property
    def inverter(self) -> NodeMeter:
        """Meter of the inverter that forms an island's grid."""
        return self._wiring.inverter

    @property
    def present(self) -> int:
        """Number of vehicles plugged in."""
        return sum(p.vehicle is not None for p in self.piles.values())

    @property
    def drawn_kw(self) -> float:
        """Power through the point of connection, kW."""
        return self._wiring.kw(0)

    @property
    def sun_kw(self) -> float:
        """Power of all PV that is steered, kW <= 0."""
        return self._bank.sun_kw

    def limit_kw(self, node: int) -> float:
        """The effective limit of a node now, kW."""
        return self._wiring.limit_kw(node)

    def base_kw(self, node: int) -> float:
        """What cannot be steered under a node now, kW; negative while the sun gives more."""
        return self._wiring.base_kw(node)

    @property
    def ended(self) -> bool:
        """True once every vehicle has come and gone."""
        return self._agenda_at >= len(self._agenda) and self.present == 0

    def _follow_agenda(self, facts: list[Event]) -> None:
        _, kind, _, vehicle = self._agenda[self._agenda_at]
        self._agenda_at += 1
        if kind > 0:
            request = vehicle.words[kind - 1][1]
            facts.append(SessionRequested(**self._said(), request=request))
            return
        pile = self.piles[vehicle.pile]
        self._integrate(pile)
        if pile.vehicle is not None:
            self._plug_out(pile, facts)
        pile.plug_in(vehicle)
        trace = SessionTrace(
            session=vehicle.session,
            pile=vehicle.pile,
            arrival_s=vehicle.arrival_s,
            departure_s=vehicle.departure_s,
            wants_kwh=vehicle.wants_kwh,
            max_kw=min(pile.pile.max_kw, vehicle.battery.max_kw),
        )
        self._traces[vehicle.pile] = trace
        self._order.append(trace)
        self._settle(pile, facts, report=True)

    def _pass_pile(self, pile_id: str, facts: list[Event]) -> None:
        pile = self.piles[pile_id]
        self._pile_due.pop(pile_id, None)
        self._integrate(pile)
        if pile.vehicle is not None and pile.vehicle.departure_s <= self.at_s:
            self._plug_out(pile, facts)
            return
        self._settle(pile, facts)

    def _plug_out(self, pile: VirtualPile, facts: list[Event]) -> None:
        vehicle = pile.vehicle
        assert vehicle is not None
        pile.plug_out()
        self._traces[pile.pile.id].left = True
        self._settle(pile, facts, report=True)
        if vehicle.says_end:
            facts.append(SessionEnded(**self._said(), session=vehicle.session, reason="left"))

    def _integrate(self, pile: VirtualPile) -> None:
        since, power = pile.at_s, pile.power_kw
        drawn = pile.advance(self.at_s)
        if drawn:
            trace = self._traces[pile.pile.id]
            trace.pieces.append(Piece(since, self.at_s, power, drawn))
            if drawn < 0:
                trace.given_kwh -= drawn
            if pile.vehicle is not None and (drawn < 0 or trace.gained_kwh is not None):
                trace.gained_kwh = pile.stored_kwh - pile.vehicle.stored_kwh

    def _settle(self, pile: VirtualPile, facts: list[Event], *, report: bool = False) -> None:
        """The pile takes up what is due; the meters see it, and it says so."""
        before = pile.power_kw
        changed, obeyed = pile.settle()
        if changed:
            self._wiring.pile_moves(pile.pile.node, pile.power_kw - before, self.at_s)
        facts += [self._ack(pile, held.stamp, held.power_kw, None) for held in obeyed]
        if changed or report:
            self._report(pile, facts)
        due = pile.next_s()
        if due != self._pile_due.get(pile.pile.id):
            self._pile_due[pile.pile.id] = due
            if due < math.inf:
                heapq.heappush(self._due, (due, pile.pile.id))

    def _report(self, pile: VirtualPile, facts: list[Event]) -> None:
        vehicle = pile.vehicle
        soc = None
        if vehicle is not None and vehicle.says_soc:
            soc = min(pile.stored_kwh / vehicle.battery.capacity_kwh, 1.0)
        fact = PileMeasured(
            **self._said(),
            pile=pile.pile.id,
            power_kw=pile.power_kw,
            energy_kwh=pile.register_kwh,
            vehicle=vehicle is not None,
            soc=soc,
        )
        self._say(fact, pile.quirk.meter_lag_s, facts)

    def _say(self, fact: Event, lag_s: float, facts: list[Event]) -> None:
        if lag_s > 0:
            heapq.heappush(self._late, (self.at_s + lag_s, self._seq, fact))
        else:
            facts.append(fact)

    def _restamp(self, fact: Event) -> Event:
        """A late message keeps its stamp and is taken in now."""
        return replace(
            fact,
            now=datetime.fromtimestamp(self.at_s, UTC),
            mono_s=self.at_s - self.start_s,
        )

    def _ack(
        self, pile: VirtualPile, stamp: tuple[int, int], applied: float | None, refused: str | None
    ) -> Event:
        return PileAcked(
            **self._said(),
            pile=pile.pile.id,
            setpoint=stamp,
            applied_kw=applied,
            refused=refused,
        )

    def _report_all(self, facts: list[Event]) -> None:
        for pile in self.piles.values():
            self._integrate(pile)
            self._report(pile, facts)
        self._bank.report(self.at_s, facts)
        self._report_nodes(facts)
        self._next_report_s = (math.floor(self.at_s / self._period) + 1) * self._period

    def _report_nodes(self, facts: list[Event]) -> None:
        if self.site.base_load != "meter":
            return
        for k, node in enumerate(self.site.network.nodes):
            facts.append(
                NodeMeasured(
                    **self._said(),
                    node=node.id,
                    power_kw=self._wiring.kw(k),
                )
            )

    def _change_series(self) -> None:
        """Base load, sun and voltage move; the meters see it at once."""
        now = self.at_s
        following = min(self._wiring.pass_series(now), self._voltage.next_change_s(now))
        factor = self._voltage.at(now)
        for pile in self.piles.values():
            if pile.voltage != factor:
                self._integrate(pile)
                pile.voltage = factor
                self._settle(pile, [])
        self._next_series_s = following

    def _said(self) -> Said:
        """Clocks and stamp of something said now: one counter serves every sender."""
        self._seq += 1
        now = datetime.fromtimestamp(self.at_s, UTC)
        return Said(
            now=now, mono_s=self.at_s - self.start_s, stamp=(EPOCH, self._seq), issued_at=now
        )
