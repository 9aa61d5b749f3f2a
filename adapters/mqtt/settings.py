"""How the broker is reached."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from models.errors import ConfigurationError


@dataclass(frozen=True)
class MqttSettings:
    """The ``[mqtt]`` table of a site.

    Parameters
    ----------
    host : str
        Name or address of the broker.
    port : int
        1 to 65535.
    username : str
        Empty: no user name is sent.
    password_file : Path or None
        File that holds the password; secrets stand in no configuration. Without it the
        environment variable ``VALLEYFILL_MQTT_PASSWORD`` is read.
    tls : bool
        Encrypt, and check the broker's certificate and host name.
    ca_file, cert_file, key_file : Path or None
        Authority (None: the system's), own certificate and its key.
    client_id : str
        Prefix of the client ids; empty: ``valleyfill-{site}``. Two daemons with one client id
        take the session from each other, and the earlier one ends.
    keepalive_s : int
        1 to 3600 s.
    session_expiry_s : int
        How long the broker keeps what was promised while the daemon is away, s >= 0.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_id: str = ""
    keepalive_s: int = 15
    session_expiry_s: int = 3600

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigurationError("is empty", where="mqtt.host")
        if not 1 <= self.port <= 65_535:
            raise ConfigurationError(f"{self.port} is no port", where="mqtt.port")
        if not 1 <= self.keepalive_s <= 3_600:
            raise ConfigurationError(
                f"{self.keepalive_s} s is not in 1 to 3600", where="mqtt.keepalive_s"
            )
        if not 0 <= self.session_expiry_s < 2**32:
            raise ConfigurationError(
                f"{self.session_expiry_s} s is out of range", where="mqtt.session_expiry_s"
            )
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigurationError(
                "a certificate and its key are given together", where="mqtt.cert_file"
            )
        if not self.tls and (self.ca_file or self.cert_file):
            raise ConfigurationError(
                "certificates are given but encryption is off", where="mqtt.tls", fix="tls = true"
            )

    def password(self) -> str | None:
        """The password, from the file or the environment; None where there is none.

        Raises
        ------
        ConfigurationError
            If the file cannot be read.
        """
        if self.password_file is None:
            return os.environ.get("VALLEYFILL_MQTT_PASSWORD")
        try:
            return self.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise ConfigurationError(
                f"{self.password_file} cannot be read: {problem}", where="mqtt.password_file"
            ) from problem

    @property
    def is_loopback(self) -> bool:
        """Whether the broker is on this machine, by its written address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
