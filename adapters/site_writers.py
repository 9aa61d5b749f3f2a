"""Sites from recorded data: the piles found there behind one transformer, ready to simulate.

The kW given is the effective limit itself: ceiling share 1, margin 0, voltage tolerance 0 and no
base load, so that figures compare with those of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.config import SiteFile
from adapters.data.blocks import SCHOOL_DAY, read_blocks
from adapters.data.chaining import Depot, chain_blocks
from adapters.data.files import Rows, read_text
from adapters.data.recorded import ReplaySession
from adapters.data.sessions import read_sessions
from models.errors import ConfigurationError
from models.ids import legal_id
from models.network import Network, Node
from models.pile import Pile, ac_pile
from models.site import BeyondRequest, Site

REPLAY_LEASE_S = 900.0
REPLAY_TELEMETRY_S = 60.0
"""Long enough for a broker to carry an accelerated replay."""

DC_PILE_KW = 120.0
BUS_SHARE = 1 / 3
"""Of the piles' sum that a bus depot's transformer carries."""


@dataclass(frozen=True, eq=False)
class BusDepot:
    """A bus depot read from blocks: its site, its sessions, and what chaining found."""

    file: SiteFile
    depot: Depot


def site_from_sessions(
    path: str | Path,
    *,
    transformer_kw: float,
    pile_volts: float = 208.0,
    pile_amps: float = 32.0,
    zone: ZoneInfo,
    tariff: str,
    currency: str,
    fmt: str = "auto",
) -> tuple[SiteFile, list[ReplaySession]]:
    """A site with every pile that a file of sessions names, and the sessions.

    Parameters
    ----------
    path : str or Path
        As for :func:`adapters.data.sessions.read_sessions`.
    transformer_kw : float
        Effective limit of all piles together, kW > 0.
    pile_volts, pile_amps : float
        Nameplate of every pile: single-phase AC, its voltage in V and its largest current in A.
    zone : ZoneInfo
        Of the site.
    tariff, currency : str
        The book or family, and its money.

    Raises
    ------
    DataError, ConfigurationError
        If the file is no such file, or the numbers make no site.
    """
    sessions = read_sessions(path, fmt, zone=zone)  # type: ignore[arg-type]
    piles = [
        ac_pile(
            id=pile,
            node="transformer",
            phases=(1,),
            volts=pile_volts,
            max_a=pile_amps,
            min_a=6.0,
            fallback_kw=0.0,
            offline_kw=0.0,
            response_s=5.0,
        )
        for pile in sorted({s.pile for s in sessions})
    ]
    name = legal_id(Path(path).name.split(".")[0])
    # Drivers guess; what recorded cars took beyond their word was theirs all the same.
    made = _site(name, piles, transformer_kw, zone, tariff, currency, beyond_request="spare")
    return made, sessions


def site_from_blocks(
    path: str | Path,
    *,
    depot: str,
    day: str = SCHOOL_DAY,
    first: date,
    days: int = 2,
    battery_kwh: float,
    pile_kw: float = DC_PILE_KW,
    transformer_kw: float | None = None,
    zone: ZoneInfo,
    tariff: str,
    currency: str,
) -> BusDepot:
    """A bus depot with one DC pile for each bus, and the stays of its buses as sessions.

    Parameters
    ----------
    path : str or Path
        As for :func:`adapters.data.blocks.read_blocks`.
    depot, day : str
        Whose blocks, and of which kind of day.
    first : date
        The first service day; ``days`` of them follow each other.
    battery_kwh, pile_kw : float
        Of every bus, kWh, and of every pile, kW.
    transformer_kw : float, optional
        Effective limit, kW; a third of the piles' sum unless given.
    zone, tariff, currency
        As for :func:`site_from_sessions`.
    """
    dates = [first + timedelta(days=k) for k in range(days)]
    chained = chain_blocks(
        read_blocks(path, depot=depot, day=day),
        dates,
        zone=zone,
        battery_kwh=battery_kwh,
        pile_kw=pile_kw,
    )
    piles = [
        Pile(
            id=bus,
            node="transformer",
            current="dc",
            phases=(1, 2, 3),
            volts=277.0,
            max_kw=pile_kw,
            min_kw=0.0,
            fallback_kw=0.0,
            offline_kw=0.0,
            response_s=3.0,
            group=bus.rsplit("-", 1)[0],
        )
        for bus in chained.buses
    ]
    limit_kw = len(piles) * pile_kw * BUS_SHARE if transformer_kw is None else transformer_kw
    name = legal_id(f"depot-{depot}")
    return BusDepot(_site(name, piles, limit_kw, zone, tariff, currency), chained)


def block_sessions(
    path: str | Path,
    *,
    depot: str,
    day: str = SCHOOL_DAY,
    first: date,
    days: int = 2,
    battery_kwh: float = 400.0,
    pile_kw: float = DC_PILE_KW,
    zone: ZoneInfo,
) -> list[ReplaySession]:
    """The stays of a depot's buses as sessions, as :func:`site_from_blocks` makes them."""
    dates = [first + timedelta(days=k) for k in range(days)]
    blocks = read_blocks(path, depot=depot, day=day)
    chained = chain_blocks(blocks, dates, zone=zone, battery_kwh=battery_kwh, pile_kw=pile_kw)
    return list(chained.sessions)


def is_blocks_file(path: str | Path) -> bool:
    """Whether a file holds bus blocks, by its columns."""
    file = Path(path)
    columns = Rows(read_text(file), file.name).columns
    return {"block", "depot", "origin", "destination"} <= set(columns)


def _site(
    name: str,
    piles: Sequence[Pile],
    limit_kw: float,
    zone: ZoneInfo,
    tariff: str,
    currency: str,
    *,
    beyond_request: BeyondRequest = "stop",
) -> SiteFile:
    if not limit_kw > 0:
        raise ConfigurationError(f"{limit_kw:g} kW is no limit", where="--transformer")
    root = Node(
        id="transformer",
        rating_kva=limit_kw,
        power_factor=1.0,
        ceiling_share=1.0,
        heartbeat="none",
    )
    return SiteFile(
        site=Site(
            name=name,
            zone=zone,
            currency=currency,
            tariff=tariff,
            base_load="none",
            walk_in=None,
            beyond_request=beyond_request,
            network=Network((root,)),
            piles=tuple(piles),
            margin_kw=0.0,
            voltage_tolerance=0.0,
            lease_s=REPLAY_LEASE_S,
            telemetry_period_s=REPLAY_TELEMETRY_S,
        ),
        store_path=Path(f"var/{name}.db"),
    )
