"""The ``[metrics]`` of a site file: where figures and health may be read."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from adapters.config_table import Table
from models.errors import ConfigurationError


@dataclass(frozen=True)
class MetricsSettings:
    """The ``[metrics]`` of a site file.

    Parameters
    ----------
    port : int
        1 to 65535.
    host : str
        An address of this machine; anything but loopback needs a token.
    token_file : str or None
        Its first line is asked for as ``Authorization: Bearer``.
    """

    port: int
    host: str = "127.0.0.1"
    token_file: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65_535:
            raise ConfigurationError(f"{self.port} is no port", where="metrics.port")
        try:
            loopback = ip_address(self.host).is_loopback
        except ValueError as error:
            raise ConfigurationError(
                f"{self.host!r} is no address", where="metrics.host"
            ) from error
        if not loopback and self.token_file is None:
            raise ConfigurationError(
                "others than this machine are to read it, and no token is asked for",
                where="metrics.host",
                fix="token_file = a file with a secret, or host = 127.0.0.1",
            )

    def token(self) -> str | None:
        """The secret, from its file."""
        if self.token_file is None:
            return None
        try:
            lines = Path(self.token_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"cannot be read: {error}", where="metrics.token_file"
            ) from error
        if not lines or not lines[0].strip():
            raise ConfigurationError("has no secret in its first line", where="metrics.token_file")
        return lines[0].strip()


def read_metrics(top: Table) -> MetricsSettings | None:
    """The settings; None where the file has no ``[metrics]``: nothing listens then."""
    if "metrics" not in top.data:
        return None
    table = Table(top.get("metrics"), "metrics", ("host", "port", "token_file"))
    return MetricsSettings(
        table.integer("port"), table.text("host", "127.0.0.1"), table.text("token_file", None)
    )
