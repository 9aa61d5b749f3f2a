"""The page as a document: its frame, the sections of each view, and the list of piles."""

from __future__ import annotations

from html import escape
from typing import Literal

from adapters.plot_style import COLOURS, STYLE
from adapters.web import dispatcher, grid, operator
from adapters.web.dispatcher import SHOWS, SORTS, Lane
from adapters.web.parts import Frame, head, section
from adapters.web.words import Lang, say

View = Literal["dispatcher", "grid", "operator"]
Theme = Literal["light", "dark", "auto"]

VIEWS: tuple[View, ...] = ("dispatcher", "grid", "operator")
FIRST_ROWS = 30
"""Rows of the list that come with the page; the rest are asked for as they scroll into sight."""

_MAKERS = {"dispatcher": dispatcher.parts, "grid": grid.parts, "operator": operator.parts}


def parts(view: View, f: Frame) -> dict[str, str]:
    """Everything on a view that is renewed, by the name of its place."""
    return {"head": head(f), **_MAKERS[view](f)}


def document(view: View, f: Frame, theme: Theme, *, version: int) -> str:
    """The whole page with its first content, so that nothing has to be fetched to read it."""
    found = parts(view, f)
    body = {"dispatcher": _dispatcher, "grid": _grid, "operator": _operator}[view](f, found)
    return _frame(f.picture.site.name, view, f.lang, theme, found["head"], body, version)


def empty(view: View, site: str, lang: Lang, theme: Theme) -> str:
    """The page before the daemon has written anything."""
    note = f'<p class="panel">{escape(say(lang, "no_daemon"))}</p>'
    return _frame(site, view, lang, theme, "", note, 0)


def _frame(
    site: str, view: View, lang: Lang, theme: Theme, head: str, body: str, version: int
) -> str:
    def word(key: str) -> str:
        return escape(say(lang, key))

    links = "".join(
        f'<a href="/{v}?lang={lang}"{" aria-current=page" if v == view else ""}>{word(v)}</a>'
        for v in VIEWS
    )
    other = "en" if lang == "zh" else "zh"
    code, other_code = ("zh-CN", "en") if lang == "zh" else ("en", "zh-CN")
    fixed = "" if theme == "auto" else f' data-theme="{theme}"'
    return (
        f'<!doctype html><html lang="{code}"{fixed}><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(site)} · {word(view)} · Valleyfill</title>"
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
        f'<style>{COLOURS}{STYLE}</style><link rel="stylesheet" href="/static/page.css">'
        '<script src="/static/theme.js"></script>'
        '<script src="/static/page.js" defer></script></head>'
        f'<body data-view="{view}" data-lang="{lang}" data-version="{version}">'
        f'<a class="skip" href="#main">{word("skip")}</a>'
        f'<header><div class="brand"><h1>{escape(site)}</h1><div class="head" data-part="head">'
        f'{head}</div></div><nav aria-label="{word("views")}">{links}</nav>'
        f'<div class="tools"><a class="button" id="language" lang="{other_code}"'
        f' href="/{view}?lang={other}">{word("language")}</a>'
        f'<button type="button" id="theme" aria-label="{word("theme")}" title="{word("theme")}">◐'
        f'</button></div></header><main id="main" tabindex="-1">{body}</main>'
        f'<footer>{word("help")} · <a href="/docs">{word("api")}</a></footer></body></html>'
    )


def _cards(found: dict[str, str]) -> str:
    return f'<div class="cards" data-part="cards">{found["cards"]}</div>'


def _dispatcher(f: Frame, found: dict[str, str]) -> str:
    return "".join(
        [
            _cards(found),
            '<div class="two">',
            section("power", f.say("power"), found["power"], "wide"),
            section("todo", f.say("todo"), found["todo"]),
            "</div>",
            pile_list(f),
            section("events", f.say("events"), found["events"]),
        ]
    )


def _grid(f: Frame, found: dict[str, str]) -> str:
    return "".join(
        [
            _cards(found),
            section("power", f.say("power"), found["power"]),
            '<div class="two even">',
            section("limits", f.say("limits"), found["limits"]),
            section("gave_way", f.say("gave_way"), found["gave_way"]),
            "</div>",
            '<div class="two even">',
            section("tree", f.say("tree"), found["tree"], "tall"),
            section("events", f.say("events"), found["events"], "tall"),
            "</div>",
        ]
    )


def _operator(f: Frame, found: dict[str, str]) -> str:
    out = [
        _cards(found),
        section("power", f.say("power"), found["power"]),
        '<div class="two even">',
        section("prices", f.say("prices"), found["prices"]),
    ]
    if "assets" in found:
        out.append(section("assets", f.say("assets"), found["assets"]))
    out += [section("events", f.say("events"), found["events"], "tall"), "</div>"]
    return "".join(out)


def pile_list(f: Frame) -> str:
    """The list of piles: its controls, its first rows, and room for the rest."""
    rows = dispatcher.chosen(f.picture, search="", show="all", sort="pile")
    first = dispatcher.table_rows(f, rows[:FIRST_ROWS], 0)
    shows = "".join(f'<option value="{s}">{f.say(s)}</option>' for s in SHOWS)
    sorts = "".join(f'<option value="{s}">{f.say(f"by_{s}")}</option>' for s in SORTS)
    heads = [("pile", ""), ("state", ""), ("plan", Lane(f).scale()), ("energy", "")]
    heads += [("leaves", ""), ("why", "")]
    cells = "".join(f'<th scope="col" class="h-{k}">{f.say(k)}{x}</th>' for k, x in heads)
    return (
        f'<section class="panel" aria-labelledby="h-piles"><h2 id="h-piles">{f.say("piles")}</h2>'
        f'<form class="filter" role="search" id="filter"><label>{f.say("search")} '
        f'<input id="search" type="search" autocomplete="off"></label>'
        f'<label>{f.say("show")} <select id="show">{shows}</select></label>'
        f'<label>{f.say("sort")} <select id="sort">{sorts}</select></label>'
        f'<output id="count" data-words="{f.say("rows", "{0}")}">{f.say("rows", len(rows))}'
        "</output></form>"
        f'<div id="piles" class="scroll list" tabindex="0" role="region" '
        f'aria-label="{f.say("piles")}"><table aria-rowcount="{len(rows) + 1}"><thead><tr>{cells}'
        f'</tr></thead><tbody id="rows" data-total="{len(rows)}" data-offset="0">{first}</tbody>'
        "</table></div></section>"
    )
