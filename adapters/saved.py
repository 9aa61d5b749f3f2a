"""What steering saved on metered sessions, against the baselines of the same energy."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.readings import SessionReadings
from models.errors import ConfigurationError
from models.site import Site
from tariffs.bill_lines import Bill
from tariffs.savings import Saving, Stay, first_come, saving, uncontrolled
from tariffs.tariff import Tariff


def stays_of(site: Site, readings: Sequence[SessionReadings]) -> list[Stay]:
    """Metered sessions as stays at their pile's full power.

    Raises
    ------
    ConfigurationError
        If a reading names a pile that the site has not.
    """
    piles = {p.id: p for p in site.piles}
    stays = []
    for r in readings:
        if r.pile not in piles:
            raise ConfigurationError(f"the site has no pile '{r.pile}'", where=r.session)
        m = r.metered
        energy = float(m.import_kwh.sum())
        # A car that drew more than the nameplate says sets its own full power.
        full = max(piles[r.pile].max_kw, float(m.import_kw.max()))
        stays.append(Stay(int(m.starts_s[0]), int(m.ends_s[-1]), energy, full))
    return stays


def savings_against(
    tariff: Tariff, site: Site, readings: Sequence[SessionReadings], bills: Sequence[Bill]
) -> list[Saving]:
    """The sessions' bills against charging at once, and against first come, first served."""
    stays = stays_of(site, readings)
    root = site.network.nodes[0]
    limit = min(v for v in (root.own_limit_kw, root.contract_kw) if v is not None)
    lines = {"uncontrolled": uncontrolled(stays), "first_come": first_come(stays, limit)}
    return [saving(name, tariff, bills, metered, zone=site.zone) for name, metered in lines.items()]
