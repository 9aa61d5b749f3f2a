"""Storage, PV and vehicles that give back in a site file: read, refused by name, written again."""

from __future__ import annotations

import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from models.errors import ConfigurationError

FILE = """
[site]
name = "depot-1"
timezone = "Asia/Shanghai"
currency = "CNY"
tariff = "zhejiang-2026"
base_load = "meter"
walk_in = "refuse"

[site.v2g]
price_per_kwh = 0.2
wear_per_kwh = 0.1
efficiency = 0.88
reserve_soc = 0.3
cycles_per_day = 1.0

[nodes.transformer]
limit_kw = 400
export_kw = 50
heartbeat = "none"

[[assets]]
id = "A-01"
kind = "pile"
node = "transformer"
current = "dc"
max_kw = 60
offline_kw = 0
response_s = 5
discharge_kw = 30

[[assets]]
id = "bess"
kind = "storage"
node = "transformer"
capacity_kwh = 500
max_kw = 250
reserve_soc = 0.2
grid_charging = false
wear_per_cycle = 40

[[assets]]
id = "roof"
kind = "pv"
node = "transformer"
max_kw = 120
"""


def test_what_is_written_is_read_again() -> None:
    site = parse_site(FILE).site
    again = parse_site(site_to_toml(parse_site(FILE))).site
    assert again.v2g == site.v2g
    assert again.storages == site.storages
    assert again.pv == site.pv
    assert again.piles == site.piles
    assert site.storages[0].floor_soc == 0.2
    assert site.storages[0].wear_money_per_kwh == pytest.approx(40 / 500)
    assert site.piles[0].discharge_kw == 30


@pytest.mark.parametrize(
    ("said", "instead", "where"),
    [
        ("reserve_soc = 0.2", "reserve_soc = 1.2", "assets.bess"),
        ("efficiency = 0.88", "efficiency = 1.2", "site.v2g"),
        ("cycles_per_day = 1.0", "", "cycles_per_day"),
        ("discharge_kw = 30", "discharge_kw = -1", "assets.A-01.discharge_kw"),
    ],
)
def test_what_cannot_be_is_refused_by_name(said: str, instead: str, where: str) -> None:
    with pytest.raises(ConfigurationError, match=where):
        parse_site(FILE.replace(said, instead))
