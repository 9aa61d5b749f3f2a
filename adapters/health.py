"""How the daemon is, and what it says about it on ``status``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from adapters.wire import outbound
from scheduler.effects import Alert
from scheduler.state import SiteState


def own_version() -> str:
    """Version of the installed distribution; 0 where it is not installed."""
    try:
        return version("valleyfill")
    except PackageNotFoundError:
        return "0"


MODES: dict[str, str] = {
    "store_lost": "store",
    "broker_lost": "broker",
    "solver_lost": "solver",
    "meter_lost": "meter",
    "tariff_missing": "tariff",
    "forecast_missing": "forecast",
    "forecast_stale": "forecast",
    "calendar_missing": "calendar",
}
"""The degraded modes: kind of the alert, and the word on ``status``."""


@dataclass(frozen=True)
class Health:
    """What does not work.

    Parameters
    ----------
    degraded : tuple of str
        Words of :data:`MODES`, in their order.
    """

    degraded: tuple[str, ...] = ()


def look(state: SiteState | None, *, store: bool, broker: bool) -> Health:
    """The health by what the engine has raised, and by the host's own parts."""
    wrong = set() if state is None else {key.partition("/")[0] for key in state.alerts}
    if not store:
        wrong.add("store_lost")
    if not broker:
        wrong.add("broker_lost")
    return Health(tuple(dict.fromkeys(word for kind, word in MODES.items() if kind in wrong)))


def online(health: Health, instance: str, epoch: int) -> outbound.Status:
    """The daemon speaks under this epoch."""
    return outbound.Status(
        state="online",
        version=own_version(),
        instance=instance,
        epoch=epoch,
        health="degraded" if health.degraded else "ok",
        degraded=list(health.degraded),
    )


def offline(instance: str, epoch: int) -> outbound.Status:
    """The daemon has gone: its goodbye, and its last will."""
    return outbound.Status(
        state="offline",
        version=own_version(),
        instance=instance,
        epoch=epoch,
        health="stopped",
    )


def broker_alert(since: datetime, now: datetime) -> Alert:
    """The broker is back; while it was away nobody could be told."""
    away_s = (now - since).total_seconds()
    return Alert(
        kind="broker_lost",
        where="mqtt",
        since=since,
        text=f"the broker was away for {away_s:.0f} s; piles went on by their leases, then fell "
        "back; check the broker and the network",
        text_zh=f"消息代理中断 {away_s:.0f} 秒,充电桩按有效期运行后转入安全功率;请检查代理与网络",
        cleared=True,
    )


def store_alert(path: str, reason: str, now: datetime) -> Alert:
    """The store cannot be written; an empty reason: it can again."""
    return Alert(
        kind="store_lost",
        where=path,
        since=now,
        text=f"the store cannot be written ({reason}): free space on its disk, check its rights"
        if reason
        else "over",
        text_zh=f"数据库无法写入({reason}),请检查磁盘空间与权限" if reason else "已恢复",
        cleared=not reason,
    )
