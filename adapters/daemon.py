"""The daemon: where everything is put together, and the one thread that consumes the inbox."""

from __future__ import annotations

import gc
import logging
import signal
import sqlite3
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace

from adapters import health, reload
from adapters import inbox as box
from adapters.clock import Clock, WallClock
from adapters.config import SiteFile
from adapters.doing import Doing
from adapters.figures import Figures, View
from adapters.host import Host
from adapters.lockstep import Lockstep, settle
from adapters.logs import set_up_logs
from adapters.metrics_http import MetricsServer
from adapters.notify import Watchdog, notify
from adapters.own_peak import peak_wanted
from adapters.parts import Parts, build_parts
from adapters.presence import Presence, SiteTakenError, Verdict
from adapters.site_lock import lock_site
from adapters.solving import rungs_of
from adapters.standing import Standing
from adapters.store.recovery import recover
from adapters.store.schema import begin_epoch, names_of, open_store
from adapters.undisturbed import undisturbed
from adapters.watching import view_of
from adapters.wire import outbound
from adapters.wire.encode import publish_of
from adapters.wire.inbound import SimTime
from models.errors import ValleyfillError
from models.events import ForecastPushed, NotListened, Solved, SolveFailed

log = logging.getLogger("valleyfill.daemon")
logging.getLogger("apscheduler").setLevel(logging.WARNING)

EX_OK = 0
EX_TEMPFAIL = 75

TICK_S = 1.0
"""The safety kernel is asked at least this often."""

STOOD_STILL_S = 2.5
"""Between two drains lies a tick; much longer means that the process stood still."""

HAND_OVER_S = 0.0005
"""How long one thread keeps the interpreter while another wants it. A limit is read in several
pieces; at the usual 5 ms each of them would wait for a drain's arithmetic.
"""


class Daemon:
    """A site's daemon.

    Parameters
    ----------
    file : SiteFile
        What its operator wrote.
    rungs : tuple of str, optional
        Solvers, in order; by default what the site needs.

    Raises
    ------
    TariffError
        If there is no such tariff.
    """

    def __init__(self, file: SiteFile, *, rungs: tuple[str, ...] | None = None) -> None:
        self._file = file
        self._engine = reload.engine_of(file)
        self._inbox = box.Inbox()
        self._lockstep = Lockstep() if file.clock == "lockstep" else None
        self._wall: Clock = WallClock()
        self._rungs = rungs_of(file.site) if rungs is None else rungs
        self._host: Host | None = None
        self._exit: int | None = None
        self._figures = Figures(look=self._view, ready=self._lacks)
        self._watchdog = Watchdog()
        self._listened_mono_s = 0.0

    def run(self) -> int:
        """Run until told to end.

        Returns
        -------
        int
            Exit code by sysexits: 0 after a clean stop, 75 when another daemon has taken over.

        Raises
        ------
        ConfigurationError
            If the file names no broker, or lets others own time off loopback.
        StoreError
            If the site is locked by another daemon, or its store cannot be used.
        SiteTakenError
            If a daemon with another store runs the site.
        """
        with ExitStack() as stack:
            stack.enter_context(lock_site(self._file.store_path))
            if self._file.metrics is not None:
                server = MetricsServer(self._file.metrics, self._figures)
                server.start()
                stack.callback(server.stop)
            base = open_store(self._file.store_path)
            self._recovered = recover(base, self._file.site).recovered
            parts = self._begin(base, stack)
            self._drain(0.0)
            parts.start_rest(stack)
            # What stands now stays: looking for cycles in it takes 40 ms, in which a limit waits.
            gc.collect()
            gc.freeze()
            while self._exit is None:
                self._drain(self._wait_s())
                # Only while a round trip works: this tick, the store's thread, every echo.
                self._watchdog.feed(lambda: self._links.alive and self._writer.alive)
                self._judge(self._presence.look())
            self._goodbye()
        return self._exit

    def _begin(self, base: sqlite3.Connection, stack: ExitStack) -> Parts:
        """Connect, choose an epoch above every one ever heard, start the engine and its store."""
        site, names = self._file.site.name, names_of(base)
        epoch = self._recovered.highest_epoch + 1
        parts = build_parts(
            self._file,
            base,
            self._inbox,
            self._wall,
            names=names,
            epoch=epoch,
            rungs=self._rungs,
        )
        self._links, self._writer, self._solving = parts.links, parts.writer, parts.solving
        self._doing = Doing(parts, self._figures)
        self._presence = Presence(site, names.instance, epoch)
        self._stands = Standing(self._file, parts.links, parts.writer, self._presence, self._wall)
        self._signals()
        parts.start(stack)
        early = self._presence.listen(self._links, self._inbox)
        if self._lockstep is None and self._presence.epoch == 1:
            # Neither the store nor the broker knows an earlier epoch: it is the first start, or
            # both are lost. Piles that have obeyed a higher one would not hear us, so it starts
            # from the wall clock, which no epoch counted from 1 reaches.
            self._presence.epoch = int(self._wall.now().timestamp())
        begin_epoch(base, self._presence.epoch, self._wall.now())
        if self._lockstep is None:
            self._start_engine(self._wall)
        parts.start_store(stack)
        for fact in early:
            self._fact(fact)
        log.info("site %s runs under epoch %d", site, self._presence.epoch)
        notify("READY=1", f"STATUS=epoch {self._presence.epoch}")
        return parts

    def _start_engine(self, clock: Clock) -> Host:
        state = self._engine.start(
            now=clock.now(),
            mono_s=clock.mono_s(),
            epoch=self._presence.epoch,
            recovered=self._recovered,
        )
        self._doing.due_mono_s = self._listened_mono_s = clock.mono_s()
        self._host = Host(
            self._engine,
            state,
            clock,
            count=self._figures.count,
            keyring=self._file.keyring,
        )
        return self._host

    def _signals(self) -> None:
        def stop(number: int, _frame: object) -> None:
            self._inbox.put_signal(box.Stop(signal.Signals(number).name))

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, lambda _n, _f: self._inbox.put_signal(box.Reload()))

    def _wait_s(self) -> float:
        if self._lockstep is not None:
            return TICK_S
        return min(max(self._doing.due_mono_s - self._wall.mono_s(), 0.0), TICK_S)

    def _drain(self, wait_s: float) -> bool:
        """One drain; False when nothing had come."""
        taken = self._inbox.take(wait_s, limits_first=self._lockstep is None)
        self._figures.beat()
        began_s = time.perf_counter()
        for message in taken.messages:
            self._figures.count("messages", message.lane)
        self._figures.counts["telemetry_shed", ""] = self._inbox.shed
        answers: list[Solved | SolveFailed] = []
        own: list[ForecastPushed] = []
        for fact in taken.facts:
            if isinstance(fact, Solved | SolveFailed):
                answers.append(fact)
                self._figures.note_answer(fact)
            elif isinstance(fact, ForecastPushed):
                own.append(replace(fact, now=self._wall.now(), mono_s=self._wall.mono_s()))
            else:
                self._fact(fact)
        messages = list(taken.messages)
        if self._lockstep is not None:
            self._drain_step(self._lockstep, messages, answers)
        elif self._host is not None:
            wanted = own if peak_wanted(self._host.state) else []
            facts = [*self._deafness(), *wanted, *answers]
            with undisturbed():
                self._doing.do(self._host, self._host.take(messages, facts))
            self._stands.heed(self._host)
            if taken.messages:
                self._figures.drain_seconds.observe(time.perf_counter() - began_s)
            if self._links.control_up:
                self._doing.publish(self._host.pile_words())
        return bool(taken.facts or taken.messages)

    def _deafness(self) -> list[NotListened]:
        """The time since the last drain in which nothing could be heard, by our own fault."""
        clock = self._wall
        now_s, last_s = clock.mono_s(), self._listened_mono_s
        self._listened_mono_s = now_s
        passed_s = now_s - last_s
        if passed_s <= STOOD_STILL_S and self._links.hears:
            return []
        return [NotListened(for_s=passed_s, now=clock.now(), mono_s=now_s)]

    def _drain_step(
        self,
        lockstep: Lockstep,
        messages: list[box.Message],
        answers: list[Solved | SolveFailed],
    ) -> None:
        """The same under stepped time: between steps messages wait for their instant."""
        steps, told = lockstep.steps_in(self._file.site.name, messages)
        self._doing.acknowledge(told)
        host, clock = self._host, lockstep.clock
        if not lockstep.in_step or host is None or clock is None:
            lockstep.wait(messages)
        elif messages or answers:
            # An answer counts at its step's instant, however long it took.
            stamped = [replace(a, now=clock.now(), mono_s=clock.mono_s()) for a in answers]
            self._doing.do(host, host.take(messages, stamped))
        for step in steps:
            self._step(lockstep, step)

    def _step(self, lockstep: Lockstep, step: SimTime) -> None:
        clock = lockstep.step_to(step)
        host = self._host or self._start_engine(clock)
        self._links.barrier()
        self._drain(0.0)
        lockstep.in_step = True
        self._doing.do(host, host.take(lockstep.due()))
        settle(host, self._inbox, self._links, self._solving, drain=self._drain)
        lockstep.in_step = False
        self._links.publish(publish_of(self._file.site.name, outbound.SimDone(step=step.step)))

    def _fact(self, fact: box.Fact) -> None:
        host = self._host
        match fact:
            case box.Stored():
                self._stands.stored(host)
                self._doing.stored(host, fact.token)
            case box.StoreFailed():
                self._figures.count("store_failures")
                if host is not None:
                    self._doing.publish(host.store_failed())
                self._stands.store_failed(fact.reason, host)
            case box.LinkUp():
                self._link_up(fact)
            case box.LinkDown():
                log.warning("%s: connection lost: %s", fact.lane, fact.reason)
                self._figures.count("connections_lost", fact.lane)
                if fact.lane == "control":
                    self._stands.broker_lost()
                if fact.taken_over:
                    self._step_aside()
            case box.StatusHeard():
                self._judge(self._presence.hear(fact))
            case box.OtherAlive():
                self._judge(self._presence.hear_alive(fact))
            case box.Stop():
                log.info("stopping: %s", fact.reason)
                self._exit = EX_OK
            case box.Reload():
                self._reload()
            case box.Sweep():
                self._stands.look(host)

    def _link_up(self, fact: box.LinkUp) -> None:
        log.info("%s: connected", fact.lane)
        self._stands.look(self._host)
        if fact.lane != "control":
            return
        self._stands.say()
        if self._host is not None:
            self._doing.publish(self._host.retained())
        self._stands.broker_back(self._host)
        if self._host is not None:
            # What was said while the connection was gone reached nobody.
            self._doing.renew(self._host)

    def _judge(self, verdict: Verdict) -> None:
        """Another daemon of this site was heard: leave it to him, or speak above him."""
        host = self._host
        if verdict == "leave":
            log.error("another daemon runs this site now")
            self._exit = EX_TEMPFAIL
        elif verdict == "twin":
            self._step_aside()
        elif verdict is not None and host is not None and verdict >= self._presence.epoch:
            log.warning("somebody has spoken under epoch %d: going above it", verdict)
            self._presence.epoch = verdict + 1
            self._writer.note_epoch(self._presence.epoch, self._wall.now())
            host.raise_epoch(self._presence.epoch)
            self._doing.renew(host)
            self._stands.say()

    def _step_aside(self) -> None:
        """A daemon from a copy of our store goes by our names, and has our sessions: were we to
        keep them, each of the two would take them from the other at every start.
        """
        log.error("another daemon has taken this site over")
        with suppress(sqlite3.Error):
            self._writer.give_names_away()
        self._exit = EX_TEMPFAIL

    def _view(self) -> View | None:
        """For a scrape, in its thread: only frozen things are read."""
        host = self._host
        if host is None:
            return None
        return view_of(host.state, self._file.site, self._stands.health, self._wall.mono_s())

    def _lacks(self) -> tuple[str, ...]:
        """What is missing for service: an engine that runs, the broker, the store."""
        if self._host is None:
            return ("starting",)
        return self._stands.lacks

    def _reload(self) -> None:
        """Read the site file again; what is wrong with it changes nothing."""
        host, path = self._host, self._file.path
        if path is None or host is None:
            return
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self._file = reload.read_again(path, self._file, host)
        except ValleyfillError as problem:
            log.error("the site file is not taken over: %s", problem)
            self._doing.publish(host.say(reload.refusal(path, problem, self._wall.now())))
        else:
            self._doing.due_mono_s = 0.0
            log.info("the site file is taken over")
        notify("READY=1")

    def _goodbye(self) -> None:
        """Say that we go; piles hold their setpoints until the leases end, or fall back at once."""
        notify("STOPPING=1")
        if self._exit != EX_OK:
            return
        site = self._file.site.name
        if self._host is not None and self._file.stop == "fallback":
            self._doing.publish(self._host.hand_over())
        self._links.publish(
            publish_of(site, health.offline(self._presence.instance, self._presence.epoch))
        )
        self._links.barrier_of("control", 1.0)
        if self._host is not None:
            self._writer.put(self._host.last_batch())


def run_daemon(file: SiteFile, *, rungs: tuple[str, ...] | None = None) -> int:
    """Run a site until it is told to end.

    Parameters
    ----------
    file : SiteFile
        What its operator wrote.
    rungs : tuple of str, optional
        Solvers, in the order in which they are tried; by default what the site needs.

    Returns
    -------
    int
        0 after a clean stop; 75 when another daemon runs the site, or has taken it over.

    Raises
    ------
    ConfigurationError, TariffError, StoreError
        If it cannot start: nothing has been said to any pile by then.
    """
    set_up_logs()
    sys.setswitchinterval(HAND_OVER_S)
    try:
        return Daemon(file, rungs=rungs).run()
    except SiteTakenError as taken:
        log.error("%s", taken)
        return EX_TEMPFAIL
