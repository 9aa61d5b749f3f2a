"""``valleyfill forecast``: load and PV foreseen from the site's own store, told to its daemon."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class _LoadMethod(StrEnum):
    LIKE_DAYS = "like-days"
    REGRESSION = "regression"


def forecast(
    site: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The site file.")],
    latitude: Annotated[float | None, typer.Option(min=-90, max=90, help="Of the PV.")] = None,
    longitude: Annotated[float | None, typer.Option(min=-180, max=180, help="Of the PV.")] = None,
    altitude_m: Annotated[float, typer.Option(help="Of the PV, m above the sea.")] = 0.0,
    irradiance: Annotated[
        Path | None,
        typer.Option(exists=True, help="CSV of a weather service: start, w_m2."),
    ] = None,
    country: Annotated[
        str,
        typer.Option(help="Whose holidays the load keeps, as CN, or none; the tariff's if silent."),
    ] = "",
    method: Annotated[
        _LoadMethod, typer.Option(help="How the load is foreseen; regression wants scikit-learn.")
    ] = _LoadMethod.LIKE_DAYS,
    username: Annotated[str, typer.Option(help="The forecaster's name at the broker.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="File with its password.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Certificate of the broker: TLS.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Print, and tell nobody.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Foresee load and PV from the store, and tell the daemon; to be run once an hour."""
    from adapters.books import holidays_of
    from adapters.cli_output import print_document, tables
    from adapters.config import load_site
    from adapters.data.irradiance import read_irradiance
    from adapters.forecast.base_load import LikeDays
    from adapters.forecast.from_store import series_told
    from adapters.forecast.pv import Place
    from adapters.forecast.regression import Regression
    from adapters.mqtt.forecaster import tell
    from adapters.store.readings import EVERY_S
    from models.errors import ConfigurationError
    from tariffs.calendar import PublicHolidays

    if (latitude is None) != (longitude is None):
        raise typer.BadParameter("give --latitude and --longitude together")
    if irradiance is not None and latitude is None:
        raise typer.BadParameter(
            "irradiance needs to know where the plant stands", param_hint="--latitude"
        )
    file = load_site(site)
    if file.mqtt is None and not dry:
        raise ConfigurationError("has no [mqtt]: nobody to tell", where=str(site), fix="--dry")
    weather = None
    if irradiance is not None:
        weather = read_irradiance(irradiance, zone=file.site.zone, step_s=EVERY_S)
    place = None
    if latitude is not None and longitude is not None:
        place = Place(latitude, longitude, altitude_m)
    now = datetime.now(UTC)
    calendar = holidays_of(file.site.tariff, file.tariff_settings)
    if country:
        calendar = None if country == "none" else PublicHolidays(country)
    chosen = Regression if method is _LoadMethod.REGRESSION else LikeDays
    load = chosen(calendar=calendar)
    told = series_told(file, now, load=load, place=place, irradiance=weather)

    def prepare(client: Any) -> None:
        if username:
            secret = None if password_file is None else password_file.read_text("utf-8").strip()
            client.username_pw_set(username, secret)
        if ca_file is not None:
            client.tls_set(ca_certs=str(ca_file))

    if not dry and file.mqtt is not None:
        tell(file.mqtt.host, file.mqtt.port, file.site.name, told, now, prepare=prepare)
    if as_json:
        print_document({"told": not dry, "series": _readable(told)})
        return
    for name, body in told.items():
        values = body["values_kw"]
        tables().print(
            f"{name}: {len(values)} quarter hours from {body['start']:%Y-%m-%d %H:%M}Z, "
            f"{min(values):.1f} to {max(values):.1f} kW"
        )


def _readable(told: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: body | {"start": body["start"].isoformat()} for name, body in told.items()}
