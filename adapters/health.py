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


@dataclass(frozen=True)
class Health:
    """What works.

    Parameters
    ----------
    store, broker, solver : bool
        Whether the store can be written, all connections stand, the solving process answers.
    """

    store: bool = True
    broker: bool = True
    solver: bool = True

    @property
    def degraded(self) -> tuple[str, ...]:
        """Names of what does not work."""
        return tuple(n for n in ("store", "broker", "solver") if not getattr(self, n))


def solver_works(state: SiteState | None) -> bool:
    """Whether no alert about the solving process stands."""
    return state is None or not any(k.startswith("solver_lost/") for k in state.alerts)


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
