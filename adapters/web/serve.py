"""The page's process: the settings, who may come in, and the server itself."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from adapters.config import SiteFile
from adapters.config_web import WebSettings
from adapters.web.api import build_app
from adapters.web.feed import Feed
from models.errors import ConfigurationError

BEHIND_CONTROL = 10
"""Niceness of a page that a daemon has started: control and solving go first."""

log = logging.getLogger("valleyfill.page")


def check_reach(settings: WebSettings) -> tuple[str, str] | None:
    """User and password, where some are asked for.

    Raises
    ------
    ConfigurationError
        If the page is to be reached from elsewhere without a password and TLS.
    """
    password = None if settings.password_file is None else _password(settings.password_file)
    if not _on_loopback(settings.host) and (password is None or settings.certificate is None):
        raise ConfigurationError(
            f"the page would be open to others on {settings.host}",
            where="web.host",
            fix="keep 127.0.0.1, or say password_file, certificate and key",
        )
    return password


def _on_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _password(path: Path) -> tuple[str, str]:
    try:
        user, colon, password = path.read_text(encoding="utf-8").strip().partition(":")
    except OSError as problem:
        raise ConfigurationError(
            f"cannot be read: {problem.strerror}", where=f"web.password_file {path}"
        ) from problem
    if not (user and colon and password):
        raise ConfigurationError("is no USER:PASSWORD", where=f"web.password_file {path}")
    return user, password


def _bound(settings: WebSettings) -> socket.socket:
    """The socket that the page listens at.

    Raises
    ------
    ConfigurationError
        If it is not to be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((settings.host, settings.port))
    except OSError as problem:
        place.close()
        raise ConfigurationError(
            f"{settings.host} port {settings.port} is not to be had: {problem.strerror}",
            where="web",
            fix="end who listens there, or name another port",
        ) from problem
    return place


def serve(
    file: SiteFile,
    settings: WebSettings,
    *,
    parent: int | None = None,
    up: Callable[[], None] = lambda: None,
) -> None:
    """Serve until told to end.

    Parameters
    ----------
    file : SiteFile
        The site.
    settings : WebSettings
        Where, and for whom.
    parent : int, optional
        Process id of the daemon: the page ends with it.
    up : callable
        Told once the store is read and the place is had.

    Raises
    ------
    ConfigurationError
        If the page would be open to others, or its place is taken.
    StoreError
        If there is no store that this version reads.
    """
    password = check_reach(settings)
    if parent is not None:
        os.nice(BEHIND_CONTROL)
    feed = Feed(file)
    place = _bound(settings)
    feed.start()
    up()
    # A state read anew each second is thousands of objects without a cycle among them: to look
    # for cycles after every few hundred of them costs a third of the reading.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    config = uvicorn.Config(
        build_app(feed, password=password),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    server = uvicorn.Server(config)
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()
    try:
        server.run(sockets=[place])
    finally:
        feed.stop()
        place.close()


def _end_with(parent: int, server: uvicorn.Server) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    server.should_exit = True
