"""``/metrics``, ``/livez`` and ``/readyz``: read-only, a thread of its own, one answer at a time.

It listens on loopback unless the site file says otherwise, and then asks for a token. One
request is served at a time and few may wait, so that it cannot take the processor from control.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from adapters.figures import Figures
from adapters.metrics_settings import MetricsSettings
from models.errors import ConfigurationError

WAITING = 4
PATIENCE_S = 2.0


class MetricsServer:
    """The thread that answers.

    Parameters
    ----------
    settings : MetricsSettings
        Where it listens.
    figures : Figures
        What it tells.

    Raises
    ------
    ConfigurationError
        If it cannot listen there.
    """

    def __init__(self, settings: MetricsSettings, figures: Figures) -> None:
        handler = _handler(figures, settings.token())
        try:
            self._server = _Server((settings.host, settings.port), handler)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
                where="metrics.port",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close."""
        if self._thread.ident is not None:
            self._server.shutdown()
        self._server.server_close()


class _Server(HTTPServer):
    request_queue_size = WAITING
    allow_reuse_address = True


def _handler(figures: Figures, token: str | None) -> type[BaseHTTPRequestHandler]:
    def metrics() -> tuple[int, bytes, str]:
        return 200, generate_latest(figures.registry), CONTENT_TYPE_LATEST

    def live() -> tuple[int, bytes, str]:
        if figures.lives:
            return 200, b"ok\n", "text/plain"
        return 503, b"control stands still\n", "text/plain"

    def ready() -> tuple[int, bytes, str]:
        lacks = list(figures.ready()) + ([] if figures.lives else ["control"])
        body = json.dumps({"ready": not lacks, "lacks": lacks}).encode()
        return (503 if lacks else 200), body, "application/json"

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_S
        server_version = "valleyfill"
        sys_version = ""
        pages: ClassVar[dict[str, Callable[[], tuple[int, bytes, str]]]] = {
            "/metrics": metrics,
            "/livez": live,
            "/readyz": ready,
        }

        def do_GET(self) -> None:
            page = self.pages.get(self.path.partition("?")[0])
            given = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
                self._answer(401, b"who are you?\n", "text/plain")
            elif page is None:
                self._answer(404, b"no such page\n", "text/plain")
            else:
                self._answer(*page())

        do_HEAD = do_GET

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are no news."""

    return Handler
