"""A site's TOML file: what its operator writes, as one checked object.

Keys without a default are refused by name when missing, unknown keys are refused with the nearest
known one. Defaults that stand for an unmeasured number are listed in ``SiteFile.assumed``, so
that ``valleyfill check`` shows them and nobody plans on a number that nobody said.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from adapters.config_assets import give_back_rule, read_assets, switching_rule
from adapters.config_mqtt import MqttSettings, read_mqtt
from adapters.config_rules import energy_rule, island_rule, response_rule
from adapters.config_table import Table
from adapters.config_thermal import read_thermal
from adapters.config_web import WebSettings, read_web
from adapters.metrics_settings import MetricsSettings, read_metrics
from adapters.signatures import Keyring, read_keys
from adapters.store.retention import DAYS
from adapters.tariff_settings import tariff_settings
from models.errors import ConfigurationError, ValleyfillError
from models.network import Network, Node
from models.site import EnvelopeRule, HorizonRule, Site, WalkIn
from tariffs.settings import TariffSettings

Clock = Literal["wall", "lockstep"]
Stop = Literal["hold", "fallback"]

_TOP = (
    "site",
    "horizon",
    "nodes",
    "assets",
    "solver",
    "mqtt",
    "store",
    "tariff",
    "web",
    "metrics",
    "keys",
)
_HORIZON = ("slot_minutes", "hours", "fine_hours", "coarse_minutes")
_SITE = [
    "name",
    "timezone",
    "currency",
    "tariff",
    "base_load",
    "envelope",
    "margin_kw",
    "voltage_tolerance",
    "lease_s",
    "telemetry_period_s",
    "walk_in",
    "v2g",
    "response",
    "island",
    "energy",
    "beyond_request",
    "departures",
    "smooth_steps",
    "switching",
    "clock",
    "on_stop",
]
_NODE = [
    "parent",
    "limit_kw",
    "rating_kva",
    "power_factor",
    "ceiling_share",
    "limit_a",
    "imbalance_a",
    "contract_kw",
    "failsafe_kw",
    "export_kw",
    "heartbeat",
    "volts_low",
    "volts_high",
    "thermal",
]


@dataclass(frozen=True, eq=False)
class SiteFile:
    """Everything a site file says.

    Parameters
    ----------
    site : Site
        The site itself.
    mqtt : MqttSettings or None
        None where the file has no ``[mqtt]``: enough for ``simulate`` and ``plan``.
    metrics : MetricsSettings or None
        None: nothing listens.
    keyring : Keyring or None
        Whose signatures are asked for.
    kept_days : int
        How long sessions are kept in the store, days.
    stop : {"hold", "fallback"}
        What a clean stop leaves: setpoints until their leases end, or fallbacks at once.
    store_path : Path
        The daemon's database; relative to its working directory.
    clock : {"wall", "lockstep"}
        ``lockstep``: a virtual depot owns time; only with a broker on loopback.
    tariff_settings : TariffSettings
        The site's side of its tariff.
    tariff_table : mapping
        The same as it was written.
    assumed : tuple of str
        Numbers nobody said, in sentences.
    web : WebSettings or None
        None: the daemon serves no page.
    path : Path or None
        The file.
    """

    site: Site
    mqtt: MqttSettings | None = None
    metrics: MetricsSettings | None = None
    keyring: Keyring | None = None
    kept_days: int = DAYS
    stop: Stop = "hold"
    store_path: Path = Path("var/valleyfill.db")
    clock: Clock = "wall"
    tariff_settings: TariffSettings = field(default_factory=TariffSettings)
    tariff_table: Mapping[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    web: WebSettings | None = None
    path: Path | None = None


def load_site(path: str | Path) -> SiteFile:
    """Read a site file.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is no TOML, or describes a site that cannot be run; the
        message names file and key.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigurationError(f"cannot be read: {reason}", where=str(file)) from error
    return parse_site(text, source=file.name, path=file)


def parse_site(text: str, *, source: str = "", path: Path | None = None) -> SiteFile:
    """The same from TOML text; ``source`` names it in messages."""
    try:
        return _site_file(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"is no TOML: {error}", where=source) from error
    except ValleyfillError as error:
        where = f"{source}: {error.where}" if source and error.where else source or error.where
        raise ConfigurationError(error.what, where=where, fix=error.fix) from error


def _site_file(data: dict[str, Any], path: Path | None) -> SiteFile:
    top = Table(data, "", _TOP)
    head = Table(top.get("site"), "site", _SITE)
    network = _network(top)
    assets = read_assets(top, network, switching_rule(head))
    name = head.text("name")
    horizon = Table(top.get("horizon", {}), "horizon", _HORIZON)
    solver = Table(top.get("solver", {}), "solver", ("deadline_s",))
    currency = head.text("currency")
    tariff = top.get("tariff", {})
    settings = tariff_settings(
        tariff, currency=currency, folder=None if path is None else path.parent
    )
    site = Site(
        name=name,
        zone=_zone(head),
        currency=currency,
        tariff=head.text("tariff", fix="a book or a family, for example zhejiang-2026"),
        base_load=head.choice("base_load", ("meter", "envelope", "none")),
        walk_in=_walk_in(head),
        v2g=give_back_rule(head),
        response=response_rule(head, settings),
        island=island_rule(head),
        energy=energy_rule(head),
        beyond_request=head.choice("beyond_request", ("stop", "spare"), "stop"),
        departures=head.choice("departures", ("stated", "learned"), "stated"),
        smooth_steps=head.integer("smooth_steps", 0),
        network=network,
        piles=assets.piles,
        storages=assets.storages,
        pv=assets.pv,
        feeders=assets.feeders,
        envelope=_envelope(head),
        margin_kw=_margin(head),
        voltage_tolerance=head.number("voltage_tolerance", 0.07),
        lease_s=head.number("lease_s", 60.0),
        telemetry_period_s=head.number("telemetry_period_s", 10.0),
        horizon=HorizonRule(
            horizon.integer("slot_minutes", 15),
            horizon.number("hours", 24.0),
            horizon.number("fine_hours", None),
            horizon.integer("coarse_minutes", 60),
        ),
        deadline_s=solver.number("deadline_s", 10.0),
    )
    mqtt = read_mqtt(top)
    clock: Clock = head.choice("clock", ("wall", "lockstep"), "wall")
    if clock == "lockstep" and (mqtt is None or not mqtt.on_loopback):
        raise ConfigurationError(
            "time belongs to a virtual depot only where the broker is on loopback",
            where="site.clock",
            fix='clock = "wall", or mqtt.host = "127.0.0.1"',
        )
    store = Table(top.get("store", {}), "store", ("path", "retention_days"))
    kept_days = store.integer("retention_days", DAYS)
    if not 1 <= kept_days <= 3650:
        raise ConfigurationError(f"{kept_days} is not in 1 to 3650", where="store.retention_days")
    return SiteFile(
        site=site,
        mqtt=mqtt,
        metrics=read_metrics(top),
        keyring=read_keys(top, name),
        kept_days=kept_days,
        stop=head.choice("on_stop", ("hold", "fallback"), "hold"),
        store_path=Path(store.text("path", f"var/{name}.db")),
        clock=clock,
        tariff_settings=settings,
        tariff_table=tariff,
        assumed=assets.assumed,
        web=read_web(top),
        path=path,
    )


def _zone(head: Table) -> ZoneInfo:
    key = head.text("timezone", fix="for example Asia/Shanghai")
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        close = get_close_matches(key, available_timezones(), n=1)
        raise ConfigurationError(
            f"{key!r} is no time zone",
            where="site.timezone",
            fix=f"did you mean {close[0]}?" if close else "use a name as in Asia/Shanghai",
        ) from error


def _margin(head: Table) -> float | None:
    if head.get("margin_kw", "learned") == "learned":
        return None
    value: float = head.number("margin_kw")
    if value < 0:
        raise ConfigurationError(f"{value:g} kW is no margin", where="site.margin_kw")
    return value


def _walk_in(head: Table) -> WalkIn | None:
    rule = head.get("walk_in", fix='a table, or walk_in = "refuse"')
    if rule == "refuse":
        return None
    if isinstance(rule, str):
        raise ConfigurationError(
            f"{rule!r} is no rule", where="site.walk_in", fix='a table, or "refuse"'
        )
    table = Table(rule, "site.walk_in", ("energy_kwh", "stay_h", "priority"))
    return WalkIn(table.number("energy_kwh"), table.number("stay_h"), table.integer("priority"))


def _envelope(head: Table) -> tuple[EnvelopeRule, ...]:
    rules = []
    for i, rule in enumerate(head.tables("envelope", [])):
        keys = ("months", "day_type", "hours", "power_kw")
        table = Table(rule, f"site.envelope[{i}]", keys)
        months, hours = table.integers("months", ()), table.numbers("hours", (0.0, 24.0))
        if any(not 1 <= m <= 12 for m in months):
            raise ConfigurationError("a month is 1 to 12", where=table.at("months"))
        if len(hours) != 2 or not 0 <= hours[0] < hours[1] <= 24:
            raise ConfigurationError(
                "needs two hours in order", where=table.at("hours"), fix="as in hours = [18, 22]"
            )
        day_type = table.choice("day_type", ("any", "workday", "restday"), "any")
        rules.append(EnvelopeRule(months, day_type, hours[0], hours[1], table.number("power_kw")))
    return tuple(rules)


def _network(top: Table) -> Network:
    nodes = []
    for name, body in Table(top.get("nodes"), "nodes", tuple(top.get("nodes"))).data.items():
        table = Table(body, f"nodes.{name}", _NODE)
        limit_a = table.numbers("limit_a", None)
        nodes.append(
            Node(
                id=name,
                parent=table.text("parent", None),
                limit_kw=table.number("limit_kw", None),
                rating_kva=table.number("rating_kva", None),
                power_factor=table.number("power_factor", None),
                ceiling_share=table.number("ceiling_share", None),
                limit_a=limit_a,
                imbalance_a=table.number("imbalance_a", None),
                contract_kw=table.number("contract_kw", None),
                failsafe_kw=table.number("failsafe_kw", None),
                export_kw=table.number("export_kw", 0.0),
                heartbeat=table.choice("heartbeat", ("required", "none"), None),
                volts_low=table.number("volts_low", None),
                volts_high=table.number("volts_high", None),
                thermal=read_thermal(table),
            )
        )
    return Network(tuple(nodes))
