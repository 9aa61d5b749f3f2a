"""The parts of a daemon that have threads of their own; each only puts facts into the inbox."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from adapters import health
from adapters import inbox as box
from adapters.clock import Clock
from adapters.config import SiteFile
from adapters.mqtt.links import Links
from adapters.own_peak import telling
from adapters.page_process import PageProcess
from adapters.solving import Solving
from adapters.store.schema import StoreNames
from adapters.store.writer import Writer
from adapters.ticker import CalendarJobs
from models.errors import ConfigurationError


@dataclass(frozen=True)
class Parts:
    """Connections, store, solving process, calendar jobs, and the page where one is served."""

    links: Links
    writer: Writer
    solving: Solving
    jobs: CalendarJobs
    page: PageProcess | None = None

    def start(self, stack: ExitStack) -> None:
        """Connect, which may happen before the epoch is known; all stop with the stack."""
        self.links.start()
        stack.callback(self.links.stop)

    def start_store(self, stack: ExitStack) -> None:
        """Start the store's thread: what the first drain leaves is written at once."""
        self.writer.start()
        stack.callback(self.writer.stop)

    def start_rest(self, stack: ExitStack) -> None:
        """Start what the first setpoints must not wait for: calendar, solver, page.

        Loading a solver takes seconds of the processor, which the first drain would share.
        """
        self.jobs.start()
        stack.callback(self.jobs.stop)
        self.solving.start()
        stack.callback(self.solving.stop)
        if self.page is not None:
            self.page.start()
            stack.callback(self.page.stop)


def build_parts(
    file: SiteFile,
    base: sqlite3.Connection,
    inbox: box.Inbox,
    clock: Clock,
    *,
    names: StoreNames,
    epoch: int,
    rungs: tuple[str, ...],
) -> Parts:
    """The parts of a site's daemon, not yet started.

    Raises
    ------
    ConfigurationError
        If the file names no broker, or lets others own time off loopback.
    """
    if file.mqtt is None:
        raise ConfigurationError("has no broker", where="mqtt", fix="add [mqtt] with a host")
    if file.clock == "lockstep" and not file.mqtt.on_loopback:
        raise ConfigurationError(
            "time belongs to a virtual depot only where the broker is on loopback",
            where="site.clock",
        )
    writer = Writer(
        base,
        stored=lambda token: inbox.put_fact(box.Stored(token)),
        failed=lambda reason: inbox.put_fact(box.StoreFailed(reason)),
        kept_days=file.kept_days,
    )
    return Parts(
        links=Links(
            file.mqtt,
            site=file.site.name,
            instance=names.instance,
            client=names.client,
            inbox=inbox,
            will=msgspec.json.encode(health.offline(names.instance, epoch)),
            lockstep=file.clock == "lockstep",
        ),
        writer=writer,
        solving=Solving(
            answer=inbox.put_fact,
            clock=clock,
            deadline_s=file.site.deadline_s,
            rungs=rungs,
        ),
        jobs=CalendarJobs(
            file.site.zone,
            nightly=writer.tidy,
            sweep=lambda: inbox.put_fact(box.Sweep()),
            daily=telling(file, clock.now, inbox.put_fact),
        ),
        page=None if file.web is None or file.path is None else PageProcess(file.path),
    )
