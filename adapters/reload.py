"""A site file read again while cars charge: taken over whole, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from adapters.books import load_book
from adapters.config import SiteFile, load_site
from adapters.host import Host
from adapters.pushed_book import pushed_book
from adapters.signatures import Keyring
from models.errors import ConfigurationError, ValleyfillError
from scheduler.effects import Alert
from scheduler.engine import Engine
from scheduler.state import PileState, SiteState

TOLD_AT_ONCE = 50
"""So many sessions are told in one drain what a new plan means for them: some 8 ms, after which a
limit is looked for. Under stepped time nobody waits, and all are told at once."""


def engine_of(file: SiteFile) -> Engine:
    """The engine of a site file, with its tariff.

    Raises
    ------
    TariffError
        If there is no such tariff, or it lacks a number.
    """
    return Engine(
        file.site,
        load_book(file.site.tariff, settings=file.tariff_settings),
        books=partial(pushed_book, settings=file.tariff_settings, currency=file.site.currency),
        told_at_once=None if file.clock == "lockstep" else TOLD_AT_ONCE,
    )


def read_again(path: Path, running: SiteFile, host: Host) -> SiteFile:
    """Read the file and hand it to the host.

    Returns
    -------
    SiteFile
        What holds from now on.

    Raises
    ------
    ValleyfillError
        If it cannot be taken over; nothing has changed then.
    """
    file = load_site(path)
    engine = engine_of(file)
    _check(file, running, host.state)
    piles = {p.id: host.state.piles.get(p.id, PileState()) for p in file.site.piles}
    host.engine = engine
    host.keyring = file.keyring or Keyring(file.site.name)
    host.state = replace(host.state, piles=piles, plan_wanted=True, next_limit_edge_s=0)
    return file


def _check(file: SiteFile, running: SiteFile, state: SiteState) -> None:
    if file.site.name != running.site.name or file.store_path != running.store_path:
        raise ConfigurationError("name and store need a restart", where="site.name")
    for record in state.sessions.values():
        pile = record.request.pile
        if pile not in file.site.pile_by_id:
            raise ConfigurationError(
                f"is gone from the file while session {record.request.session} is there",
                where=f"assets.{pile}",
            )
    for node in (*state.limits, *state.nodes):
        if node not in file.site.network.index:
            raise ConfigurationError(
                "is gone from the file while a limit or a meter is there", where=f"nodes.{node}"
            )


def refusal(path: Path, problem: ValleyfillError, now: datetime) -> Alert:
    """What is told when a file is not taken over."""
    return Alert(
        kind="reload_refused",
        where=str(path),
        since=now,
        text=f"the site file is not taken over, the one before holds: {problem}",
        text_zh=f"站点配置未生效,仍用原配置:{problem.what}",
    )
