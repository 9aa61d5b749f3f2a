"""``valleyfill aggregate``: a target over many sites, split by price and checked by meter."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer


def aggregate(
    sites: Annotated[list[str], typer.Argument(help="Ids of the sites.")],
    start: Annotated[str, typer.Option(help="RFC 3339, with offset.")],
    end: Annotated[str, typer.Option(help="RFC 3339, with offset.")],
    reduce_kw: Annotated[float, typer.Option(help="Draw so much less, kW.")] = 0.0,
    raise_kw: Annotated[float, typer.Option(help="Draw so much more, kW.")] = 0.0,
    most_per_kwh: Annotated[float, typer.Option(help="Dearer offers are left.")] = 1e9,
    event: Annotated[str, typer.Option(help="Id of the call.")] = "call",
    host: Annotated[str, typer.Option(help="The broker.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.")] = 1883,
    username: Annotated[str, typer.Option(help="The aggregator's name at the broker.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="File with its password.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificate of the broker: TLS.")] = None,
    patience_s: Annotated[float, typer.Option(help="How long an answer is waited for.")] = 30.0,
    dry: Annotated[bool, typer.Option("--dry", help="Split and call nobody.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until the end, and check.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Split a target over sites by what they published, call them, check what their meters say."""
    from adapters.cli_output import print_document, tables
    from adapters.mqtt.aggregator import Aggregator
    from scheduler.aggregate import Direction, check, series_of, split

    if (reduce_kw > 0) == (raise_kw > 0):
        raise typer.BadParameter("give one of --reduce-kw and --raise-kw, above 0")
    direction: Direction = "down" if reduce_kw > 0 else "up"
    begin, until = _instant(start, "--start"), _instant(end, "--end")
    if until <= begin:
        raise typer.BadParameter("it ends before it starts", param_hint="--end")

    def prepare(client: Any) -> None:
        if username:
            told = None if password_file is None else password_file.read_text("utf-8").strip()
            client.username_pw_set(username, told)
        if ca_file is not None:
            client.tls_set(ca_certs=str(ca_file))

    found: dict[str, Any] = {"event": event, "direction": direction}
    with Aggregator(host, port, sites, prepare=prepare) as link:
        offers = link.offers(direction=direction, start=begin, end=until, patience_s=patience_s)
        parts = split(
            offers,
            direction=direction,
            power_kw=max(reduce_kw, raise_kw),
            call_s=(until - begin).total_seconds(),
            most_per_kwh=most_per_kwh,
        )
        found["slots"] = [asdict(p) for p in parts]
        series = series_of(parts, offers)
        if not dry and series:
            link.call(event, series, end=until)
            decided = ("accepted", "refused")
            said = link.answers(event, decided, list(series), patience_s=patience_s)
            found["answers"] = {s: a["decision"] for s, a in said.items()}
            if wait:
                left_s = max((until - datetime.now(until.tzinfo)).total_seconds(), 0.0)
                ended = link.answers(
                    event, ("ended",), list(series), patience_s=left_s + patience_s
                )
                drawn = {
                    s: a["delivered_kwh"]
                    for s, a in ended.items()
                    if a.get("delivered_kwh") is not None
                }
                slot_s = offers[0].slot_s
                checked = check(parts, offers, drawn, direction=direction, slot_s=slot_s)
                found["checked"] = [asdict(c) for c in checked]
    if as_json:
        print_document(found)
        return
    for name, value in found.items():
        tables().print(f"{name}: {value}")


def _instant(text: str, option: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint=option) from problem
    if at.tzinfo is None:
        raise typer.BadParameter("an instant needs its offset", param_hint=option)
    return at
