"""``[web]`` of a site file: where the page is served, and who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.config_table import Table
from models.errors import ConfigurationError

KEYS = ("host", "port", "password_file", "certificate", "key")


@dataclass(frozen=True)
class WebSettings:
    """Where the page is served.

    Parameters
    ----------
    host : str
        Address to listen on; off loopback it needs a password and TLS.
    port : int
        1 to 65535.
    password_file : Path or None
        One line, ``USER:PASSWORD``.
    certificate, key : Path or None
        PEM files; given together or not at all.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    password_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65_535:
            raise ConfigurationError(f"{self.port} is no port", where="web.port")
        if (self.certificate is None) != (self.key is None):
            raise ConfigurationError(
                "certificate and key are given together", where="web", fix="say both, or neither"
            )


def read_web(top: Table) -> WebSettings | None:
    """The ``[web]`` table; None where the file has none, and the daemon then serves no page."""
    found = top.get("web", None)
    if found is None:
        return None
    table = Table(found, "web", KEYS)

    def path(key: str) -> Path | None:
        said = table.text(key, None)
        return None if said is None else Path(said)

    return WebSettings(
        host=table.text("host", "127.0.0.1"),
        port=table.integer("port", 8080),
        password_file=path("password_file"),
        certificate=path("certificate"),
        key=path("key"),
    )
