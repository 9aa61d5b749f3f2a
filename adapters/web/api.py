"""The HTTP side: the page, its parts, and the read-only API with its OpenAPI document.

Nothing here writes, and nothing is asked of the daemon: every answer is made from the picture that
the feed keeps.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from adapters.health import own_version
from adapters.plot_style import COLOURS
from adapters.web import page as pages
from adapters.web.dispatcher import Show, Sort, chosen, table_rows
from adapters.web.feed import Feed
from adapters.web.guard import Guard
from adapters.web.models import (
    AssetRow,
    EventRow,
    History,
    LimitRow,
    NodeRow,
    Overview,
    PilePage,
    PileRow,
    PlanOut,
    Savings,
    Series,
    StepRow,
    Today,
)
from adapters.web.page import Theme, View
from adapters.web.parts import Frame
from adapters.web.picture import Picture
from adapters.web.snapshot import decode_plan
from adapters.web.words import Lang
from models.horizon import epoch_s, instant_of

CHART = 900
"""Width of the first chart, before the reader's own is known, CSS pixels."""

STATIC = FilePath(__file__).parent / "static"

Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=500)]
Search = Annotated[str, Query(max_length=64)]
Width = Annotated[int, Query(ge=200, le=4_000)]
Newest = Annotated[int, Query(ge=1, le=400)]
Hours = Annotated[int, Query(ge=1, le=31 * 24)]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

_GONE: dict[int | str, dict[str, Any]] = {
    503: {"description": "The daemon has not written anything yet."}
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    **_GONE,
    404: {"description": "There is none of that name."},
}


def build_app(feed: Feed, *, password: tuple[str, str] | None = None) -> FastAPI:
    """The application.

    Parameters
    ----------
    feed : Feed
        Started by the caller.
    password : (str, str), optional
        User and password that every request must carry (HTTP Basic).
    """
    app = FastAPI(
        title="Valleyfill",
        version=own_version(),
        description="What a site's daemon knows, to read. Nothing can be changed here.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    wanted = "" if password is None else "Basic " + b64encode(":".join(password).encode()).decode()
    app.add_middleware(Guard, wanted=wanted)
    _pages(app, feed)
    _api(app, feed)
    return app


def _seen(feed: Feed) -> Picture:
    found = feed.picture
    if found is None:
        raise HTTPException(503, "the daemon has not written anything yet")
    return found


def _pages(app: FastAPI, feed: Feed) -> None:
    def language(request: Request, lang: Lang | None) -> Lang:
        if lang is not None:
            return lang
        wished = request.headers.get("accept-language", "")
        return "zh" if wished.lower().startswith("zh") else "en"

    @app.get("/", include_in_schema=False)
    def front() -> RedirectResponse:
        return RedirectResponse("/dispatcher")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(_api_page(app))

    def show(request: Request, view: View, lang: Lang | None, theme: Theme) -> HTMLResponse:
        spoken, picture = language(request, lang), feed.picture
        if picture is None:
            return HTMLResponse(pages.empty(view, feed.file.site.name, spoken, theme))
        frame = Frame(picture, feed.overview(picture), feed.savings, spoken, CHART)
        return HTMLResponse(pages.document(view, frame, theme, version=picture.version))

    for name in pages.VIEWS:

        def one(
            request: Request, view: View = name, lang: Lang | None = None, theme: Theme = "auto"
        ) -> HTMLResponse:
            return show(request, view, lang, theme)

        app.get(f"/{name}", include_in_schema=False)(one)

    @app.get("/parts/{view}", include_in_schema=False)
    def parts(view: View, lang: Lang = "en", width: Width = CHART, since: int = 0) -> Response:
        picture = _seen(feed)
        if since == picture.version and feed.overview(picture).daemon == "live":
            return Response(status_code=204)
        frame = Frame(picture, feed.overview(picture), feed.savings, lang, width)
        return JSONResponse({"version": picture.version, "parts": pages.parts(view, frame)})

    @app.get("/rows", include_in_schema=False)
    def rows(
        lang: Lang = "en",
        offset: Offset = 0,
        limit: Limit = 60,
        search: Search = "",
        show: Show = "all",
        sort: Sort = "pile",
    ) -> JSONResponse:
        picture = _seen(feed)
        found = chosen(picture, search=search, show=show, sort=sort)
        offset = min(offset, max(len(found) - 1, 0))
        part = found[offset : offset + limit]
        frame = Frame(picture, feed.overview(picture), feed.savings, lang, CHART)
        return JSONResponse(
            {
                "total": len(found),
                "offset": offset,
                "count": len(part),
                "rows": table_rows(frame, part, offset),
            }
        )


def _api(app: FastAPI, feed: Feed) -> None:
    @app.get("/api/v1/site", responses=_GONE)
    def site() -> Overview:
        """The site at a glance."""
        return feed.overview(_seen(feed))

    @app.get("/api/v1/series", responses=_GONE)
    def series() -> Series:
        """Power at the point of connection, measured and planned, and its prices."""
        return _seen(feed).series

    @app.get("/api/v1/history", responses=_GONE)
    def history(hours: Hours = 24) -> History:
        """What flowed in the last hours: base load, piles, storage, PV, meters and limits."""
        return feed.history(epoch_s(_seen(feed).seen.now), hours)

    @app.get("/api/v1/piles", responses=_GONE)
    def piles(
        offset: Offset = 0,
        limit: Limit = 100,
        search: Search = "",
        show: Show = "all",
        sort: Sort = "pile",
    ) -> PilePage:
        """Piles and their sessions, with the reason for each."""
        picture = _seen(feed)
        found = chosen(picture, search=search, show=show, sort=sort)
        rows = tuple(picture.whole(p) for p in found[offset : offset + limit])
        return PilePage(total=len(found), offset=offset, rows=rows)

    @app.get("/api/v1/sessions/{session}", responses=_UNKNOWN)
    def session(session: Id) -> PileRow:
        """One session on its pile."""
        picture = _seen(feed)
        record = picture.seen.sessions.get(session)
        if record is None or picture.piles[record.request.pile].session != session:
            raise HTTPException(404, f"there is no session '{session}' on a pile")
        return picture.whole(record.request.pile)

    @app.get("/api/v1/nodes", responses=_GONE)
    def nodes() -> tuple[NodeRow, ...]:
        """The tree of limits in preorder, with load and headroom."""
        return _seen(feed).nodes

    @app.get("/api/v1/limits", responses=_GONE)
    def limits() -> tuple[LimitRow, ...]:
        """Pushed limits and how far each has come."""
        return _seen(feed).limits

    @app.get("/api/v1/assets", responses=_GONE)
    def assets() -> tuple[AssetRow, ...]:
        """Storage and PV."""
        return _seen(feed).assets

    @app.get("/api/v1/events", responses=_GONE)
    def events(newest: Newest = 100) -> tuple[EventRow, ...]:
        """Alerts and answers to limits, newest first."""
        return _seen(feed).events[:newest]

    @app.get("/api/v1/savings")
    def savings() -> Savings:
        """Today and this month against charging at once."""
        return feed.savings

    @app.get("/api/v1/today", responses=_GONE)
    def today() -> Today:
        """What flowed since midnight, or since the page began."""
        return _seen(feed).today

    @app.get("/api/v1/plan", responses=_UNKNOWN)
    def plan() -> PlanOut:
        """The running plan, whole."""
        picture = _seen(feed)
        found, planned = decode_plan(picture.packed_plan), picture.planned
        if found is None or planned is None:
            raise HTTPException(404, "no plan has been made yet")
        zone = feed.file.site.zone
        return PlanOut(
            digest=found.digest,
            status=found.status,
            rung=found.rung,
            made_at=instant_of(found.made_s).astimezone(zone),
            until=instant_of(found.end_s).astimezone(zone),
            sessions={s: tuple(planned.blocks(s)) for s in planned.index},
        )

    @app.get("/api/v1/steps")
    def steps(newest: Newest = 100) -> tuple[StepRow, ...]:
        """Plans that are kept for ``valleyfill replay``, newest first."""
        return tuple(StepRow(s.number, s.at, s.digest, s.rung) for s in feed.steps(newest))


def _api_page(app: FastAPI) -> str:
    """The API's calls as a plain page: the usual viewers load their script from elsewhere."""
    rows = []
    for path, calls in app.openapi()["paths"].items():
        text = calls["get"].get("description", "")
        link = path if "{" not in path else ""
        name = f'<a href="{link}">{path}</a>' if link else path
        rows.append(f'<tr><th scope="row"><code>{name}</code></th><td>{text}</td></tr>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Valleyfill API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{COLOURS}</style><link rel=stylesheet href=/static/page.css>"
        '<script src="/static/theme.js"></script></head><body><main><h1>Valleyfill API</h1>'
        '<p>Read only. <a href="/api/openapi.json">OpenAPI document</a>, '
        '<a href="/dispatcher">back to the page</a>.</p><section class="panel"><table><tbody>'
        f"{''.join(rows)}</tbody></table></section></main></body></html>"
    )
