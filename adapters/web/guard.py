"""Who may read the page, and what a browser may do with it."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class Guard:
    """Asks for the password, and says with every answer what a browser may do with it.

    Plain ASGI: the framework's own way for it costs more than many an answer here.

    Parameters
    ----------
    app : ASGIApp
        What stands behind it.
    wanted : str
        The authorization header that every request must carry; empty: none is asked for.
    """

    def __init__(self, app: ASGIApp, wanted: str) -> None:
        self._app = app
        self._wanted = wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("authorization", "")
        if self._wanted and not secrets.compare_digest(told.encode(), self._wanted.encode()):
            refusal = Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="site"'})
            await refusal(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, answer)
