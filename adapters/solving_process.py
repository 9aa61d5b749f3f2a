"""One supervised process that solves: started, asked, and killed when it does not answer."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from scheduler.problem import Problem

_LOOK_S = 0.2


class Lost(Exception):
    """The process ended, or gave no answer in time; the message says which."""


class SolvingProcess:
    """A process and the pipe to it.

    Parameters
    ----------
    rungs : tuple of str
        Solvers by file name.
    work_limit : int
        Units of work for each rung.
    memory_bytes : int
        Address space of the process.
    worker : callable
        What it runs: ``worker(pipe, rungs, work_limit, memory_bytes)``.
    stopping : callable
        True: waiting is given up.
    """

    def __init__(
        self,
        *,
        rungs: tuple[str, ...],
        work_limit: int,
        memory_bytes: int,
        worker: Callable[..., None],
        stopping: Callable[[], bool],
    ) -> None:
        self._args = (rungs, work_limit, memory_bytes)
        self._worker = worker
        self._stopping = stopping
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._ready = False
        self.started_s = 0.0
        self.trying = ""

    @property
    def pid(self) -> int | None:
        """Its process id, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it has loaded what it needs."""
        return self._ready

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def start(self) -> None:
        """Start it unless it is there; does not wait until it has loaded."""
        if self._process is not None:
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=self._worker, args=(theirs, *self._args), name="valleyfill-solving", daemon=True
        )
        process.start()
        theirs.close()
        self._process, self._pipe, self._ready = process, ours, False
        self.started_s, self.trying = time.monotonic(), ""

    def wait_ready(self, until_s: float) -> bool:
        """Wait until it has loaded; False if that takes longer than the monotonic instant.

        Raises
        ------
        Lost
            If it ended on the way.
        """
        if not self._ready:
            try:
                self._ready = self._word(until_s) is not None
            except (EOFError, OSError) as error:
                raise Lost(self._ended(error)) from error
        return self._ready

    def solve(self, problem: Problem, without: frozenset[str], until_s: float) -> Any:
        """Its answer to a problem; it must be ready.

        Parameters
        ----------
        problem : Problem
        without : frozenset of str
            Rungs that are left out this time.
        until_s : float
            Monotonic instant by which it must have answered.

        Raises
        ------
        Lost
            If it did not; ``trying`` is the rung that was at work.
        """
        assert self._pipe is not None
        self.trying = ""
        try:
            self._pipe.send((problem, without))
            while True:
                word = self._word(until_s)
                if word is None:
                    raise Lost("gave no answer in time")
                if not isinstance(word, str):
                    return word
                self.trying = word
        except (EOFError, OSError) as error:
            raise Lost(self._ended(error)) from error

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        self._ready = False
        if process is not None:
            process.kill()
            process.join(2.0)
        if pipe is not None:
            pipe.close()

    def _word(self, until_s: float) -> Any:
        """The next word from it, None if none comes in time."""
        assert self._pipe is not None
        while True:
            left = until_s - time.monotonic()
            if self._pipe.poll(min(_LOOK_S, max(left, 0.0))):
                return self._pipe.recv()
            if left <= 0:
                return None
            if self._stopping():
                raise EOFError("stopping")

    def _ended(self, error: BaseException) -> str:
        process = self._process
        if process is not None:
            process.join(0.5)
        code = None if process is None else process.exitcode
        return str(error) if code is None else f"ended with code {code}"
