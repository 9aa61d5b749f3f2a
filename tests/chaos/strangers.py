"""Brokers that must not be trusted, or that will not have us: the daemon backs off, no storm."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.chaos.rig import ChaosDaemon
from tests.chaos.trial import Fault, Trial

CONNECTIONS = 3
SECONDS = 14.0
MOST_EACH = 20
"""A connection that fails is tried again after 0.1 s, then ever later, up to once a second."""


def certificate(folder: Path, host: str, *, expired: bool = False) -> tuple[Path, Path]:
    """An authority's certificate, and a server's with its key, as files."""
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, word)]) for word in ("chaos ca", host)
    ]
    made = []
    for k, (key, name) in enumerate(zip(keys, names, strict=True)):
        begin, end = now - timedelta(days=9), now + timedelta(days=9)
        if k == 1 and expired:
            end = now - timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=k == 0, path_length=None), critical=True)
        )
        if k == 1:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
            )
        made.append(builder.sign(keys[0], hashes.SHA256()))
    ca, server = folder / "ca.pem", folder / "server.pem"
    pem = serialization.Encoding.PEM
    ca.write_bytes(made[0].public_bytes(pem))
    server.write_bytes(
        made[1].public_bytes(pem)
        + keys[1].private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return ca, server


class Stranger:
    """Something that listens where the broker should be, and counts who comes.

    Parameters
    ----------
    folder : Path
        For certificates and store.
    kind : str
        ``plain``: speaks no TLS; ``expired``, ``other-host``: TLS with such a certificate;
        ``password``: takes nobody's password.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.kind, self.folder = kind, folder
        self.heard: list[bytes] = []
        self._tls: ssl.SSLContext | None = None
        self.ca: Path | None = None
        if kind in ("expired", "other-host"):
            host = "localhost" if kind == "expired" else "elsewhere.example"
            self.ca, server = certificate(folder, host, expired=kind == "expired")
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(server)
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                end, _ = self._server.accept()
                end.settimeout(2.0)
                with contextlib.suppress(OSError), end:
                    self._answer(end)

    def _answer(self, end: socket.socket) -> None:
        self.heard.append(b"")
        if self._tls is not None:
            with self._tls.wrap_socket(end, server_side=True) as secret:
                self.heard[-1] = secret.recv(64)
            return
        self.heard[-1] = end.recv(512)
        if self.kind == "password":
            # CONNACK: bad user name or password.
            end.sendall(b"\x20\x03\x00\x86\x00")

    def close(self) -> None:
        """No longer listen."""
        self._server.close()

    def settings(self, text: str, store: Path, port: int) -> str:
        """The site's file with this broker and a store of its own."""
        own = f"port = {self.port}\n"
        if self.kind == "password":
            (self.folder / "word").write_text("guess\n")
            own += f'username = "yard/daemon"\npassword_file = "{self.folder / "word"}"\n'
        else:
            text = text.replace("tls = false", "tls = true")
        if self.ca is not None:
            own += f'ca_file = "{self.ca}"\n'
        text = text.replace('host = "127.0.0.1"', 'host = "localhost"')
        return text.replace(f"port = {port}\n", own).replace(str(store), str(self.folder / "s.db"))


def strangers(t: Trial) -> None:
    """Plain text, an expired certificate, another host's, a password that is refused: at once."""
    rig = t.rig
    base = rig.folder / f"strangers-{time.monotonic_ns()}"
    kinds = [Stranger(base / kind, kind) for kind in ("plain", "expired", "other-host", "password")]
    daemons = []
    for one in kinds:
        config = one.folder / "site.toml"
        config.write_text(one.settings(rig.config.read_text(), rig.store, rig.daemon_port))
        daemons.append(ChaosDaemon(config, one.folder))
    for daemon in daemons:
        daemon.start()
    time.sleep(SECONDS)
    for one, daemon in zip(kinds, daemons, strict=True):
        t.check(daemon.alive, f"{one.kind}: the daemon ended")
        daemon.kill()
        one.close()
        each = len(one.heard) / CONNECTIONS
        t.note(f"{one.kind}: {len(one.heard)} attempts")
        t.check(0 < each <= MOST_EACH, f"{one.kind}: {each:.0f} attempts for each connection")
        if one.kind == "plain":
            t.check(all(b[:1] in (b"", b"\x16") for b in one.heard), "said in the clear")
        if one.kind in ("expired", "other-host"):
            t.check(not any(one.heard), f"{one.kind}: something was said to it")
            told = daemon.log.read_text()
            t.check("certificate" in told, f"{one.kind}: the reason is not told")
        if one.kind == "password":
            t.check(each <= 6, f"{each:.0f} attempts with a password that is refused")
    t.note(f"by {CONNECTIONS} connections each, in {SECONDS:g} s")
    t.over()


FAULTS = (Fault(28, "TLS: none, expired, another host's; a password that is refused", strangers),)
