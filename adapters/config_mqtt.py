"""The ``[mqtt]`` of a site file: how the daemon reaches its broker."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from adapters.config_table import Table
from models.errors import ConfigurationError

_MQTT = [
    "host",
    "port",
    "tls",
    "ca_file",
    "cert_file",
    "key_file",
    "username",
    "password_file",
    "keepalive_s",
]


@dataclass(frozen=True)
class MqttSettings:
    """How the daemon reaches its broker.

    Parameters
    ----------
    host : str
        Name or address.
    port : int
        1 to 65535.
    tls : bool
        Whether the connection is encrypted; unless said, where the port is 8883.
    ca_file, cert_file, key_file : str or None
        PEM files: who is trusted (None: the system's), and the client's own certificate.
    username, password_file : str or None
        The password is the first line of a file, never a key of the site file.
    keepalive_s : int
        s, 1 to 65535.
    """

    host: str
    port: int = 8883
    tls: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    keepalive_s: int = 20

    def __post_init__(self) -> None:
        for name in ("port", "keepalive_s"):
            if not 1 <= getattr(self, name) <= 65_535:
                raise ConfigurationError(
                    f"{getattr(self, name)} is not in 1 to 65535", where=f"mqtt.{name}"
                )
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigurationError("cert_file and key_file go together", where="mqtt")
        if not self.tls and (self.ca_file or self.cert_file):
            raise ConfigurationError("certificates need tls = true", where="mqtt.tls")
        if self.password_file is not None and self.username is None:
            raise ConfigurationError("a password needs a username", where="mqtt.username")

    @property
    def on_loopback(self) -> bool:
        """Whether the broker is on this machine by its address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def password(self) -> str | None:
        """The password from its file; None where there is none."""
        if self.password_file is None:
            return None
        try:
            lines = Path(self.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"cannot be read: {error}", where="mqtt.password_file"
            ) from error
        if not lines:
            raise ConfigurationError("the file is empty", where="mqtt.password_file")
        return lines[0]


def read_mqtt(top: Table) -> MqttSettings | None:
    """The settings of a site file; None where it has no broker."""
    if "mqtt" not in top:
        return None
    table = Table(top.get("mqtt"), "mqtt", _MQTT)
    port = table.integer("port", 8883)
    return MqttSettings(
        host=table.text("host"),
        port=port,
        tls=table.flag("tls", port == 8883),
        ca_file=table.text("ca_file", None),
        cert_file=table.text("cert_file", None),
        key_file=table.text("key_file", None),
        username=table.text("username", None),
        password_file=table.text("password_file", None),
        keepalive_s=table.integer("keepalive_s", 20),
    )
