"""Savings of today and of this month, from the readings in the store."""

from __future__ import annotations

from datetime import datetime

from adapters.config import SiteFile
from adapters.readings import SessionReadings
from adapters.saved import stays_of
from adapters.store.readings import sessions_metered, site_metered
from adapters.web.models import Money, Savings
from models.errors import StoreError
from models.horizon import epoch_s, midnight_of
from tariffs.bill import session_bills
from tariffs.savings import saving, uncontrolled
from tariffs.tariff import Tariff


def savings_of(file: SiteFile, tariff: Tariff, now: datetime) -> Savings:
    """Against uncontrolled charging: today, and since the first of the month.

    Raises
    ------
    StoreError, TariffError, ConfigurationError
        If readings or prices are not to be had.
    """
    today = midnight_of(now, file.site.zone)
    month = today.replace(day=1)
    return Savings(
        currency=file.site.currency,
        today=_money(file, tariff, today, now),
        month=_money(file, tariff, month, now),
        peak_kw=_peak(file, month, now),
    )


def _money(file: SiteFile, tariff: Tariff, since: datetime, now: datetime) -> Money | None:
    found = sessions_metered(file.store_path, epoch_s(since), epoch_s(now))
    own = [SessionReadings(s, p, "", m) for s, p, m in found if p in file.site.pile_by_id]
    if not own:
        return None
    bills = session_bills(tariff, [r.metered for r in own], zone=file.site.zone)
    against = saving(
        "uncontrolled", tariff, bills, uncontrolled(stays_of(file.site, own)), zone=file.site.zone
    )
    return Money(
        since=since,
        sessions=len(own),
        energy_kwh=float(sum(b.energy_kwh for b in bills)),
        cost=float(against.cost),
        uncontrolled_cost=float(against.baseline_cost),
        saved=None if against.saved is None else float(against.saved),
    )


def _peak(file: SiteFile, month: datetime, now: datetime) -> float | None:
    """Highest mean power of a quarter hour this month, kW; None without the site's meter."""
    try:
        metered = site_metered(file.store_path, file.site, epoch_s(month), epoch_s(now))
    except StoreError:
        return None
    return float(metered.import_kw.max())
