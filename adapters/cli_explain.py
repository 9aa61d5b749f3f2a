"""``valleyfill explain``: why a session charges when it does, or ends short."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters.cli_output import language, print_document, say, tables
from models.errors import DataError

SiteOption = Annotated[
    Path, typer.Option("--site", envvar="VALLEYFILL_SITE", help="The site file.")
]


def explain(
    session: Annotated[str, typer.Argument(help="The session's id.")],
    site: SiteOption = Path("site.toml"),
    lang: Annotated[str, typer.Option(help="en, zh, or both.")] = "both",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say why a session charges when it does, or ends short, from its newest plan."""
    from contextlib import closing

    from adapters.config import load_site
    from adapters.explaining import behind_its_pile, explained, explained_at_rest
    from adapters.store.steps import STEPS_KEPT, read_steps, reading_store
    from adapters.web.snapshot import Reader

    language(lang, both=True)
    file = load_site(site)
    path = file.store_path
    with closing(Reader(path)) as reader:
        reader.poll()
    record = None if reader.seen is None else reader.seen.sessions.get(session)
    with closing(reading_store(path)) as base:
        steps = read_steps(base, newest=STEPS_KEPT)
        step = next((s for s in steps if session in s.problem.fleet.ids), None)
    newest = step is not None and reader.step is not None and reader.step.number == step.number
    if reader.seen is not None and record is not None and not newest:
        pile = reader.seen.piles.get(record.request.pile)
        found = explained_at_rest(record, pile, reader.seen.now, file.site.zone)
    elif step is not None:
        short = None if record is None else record.short_kwh
        found = explained(step, session, short_kwh=short)
        if record is None:
            last = f"{step.at.astimezone(file.site.zone):%Y-%m-%d %H:%M}"
            say(
                f"{session} is gone; its last plan is step {step.number} of {last}; "
                f"会话已结束，末次计划为 {last} 的第 {step.number} 步",
                style="dim",
            )
    else:
        raise DataError(
            f"neither the state nor a plan that is kept knows a session '{session}'; "
            f"当前状态和保留的计划中均无会话 '{session}'",
            fix="check its id, as `valleyfill top` or the page shows it; 请核对会话号",
        )
    if reader.seen is not None and record is not None:
        found = behind_its_pile(found, record, reader.seen, file.site)
    if as_json:
        print_document(found)
        return
    out = tables()
    for key in ("why", "why_zh"):
        if lang in ("both", "zh" if key.endswith("zh") else "en"):
            out.print(found[key], markup=False, soft_wrap=True)
