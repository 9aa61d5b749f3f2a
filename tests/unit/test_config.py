"""A site file: what is read, and every way it is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.config import load_site, parse_site
from adapters.config_writer import site_to_toml
from models.errors import ConfigurationError

EXAMPLES = Path(__file__).parents[2] / "examples"

SMALL = """
[site]
name = "yard"
timezone = "Asia/Shanghai"
currency = "CNY"
tariff = "zhejiang-2026"
base_load = "none"
walk_in = "refuse"

[nodes.transformer]
rating_kva = 400
power_factor = 0.95
ceiling_share = 0.8
heartbeat = "none"

[[assets]]
id = "A-01"
kind = "pile"
node = "transformer"
phases = [1]
volts = 220
max_a = 32
offline_kw = 0
response_s = 5
"""


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_site(text, source="site.toml")
    return str(caught.value)


def test_a_small_site_is_read_in_its_own_units() -> None:
    file = parse_site(SMALL)
    (pile,) = file.site.piles
    assert pile.max_kw == pytest.approx(7.04)
    assert pile.min_kw == pytest.approx(1.32), "6 A at the nameplate voltage"
    assert file.site.network.root.own_limit_kw == pytest.approx(304.0)
    assert file.site.walk_in is None
    assert file.mqtt is None
    assert (file.site.lease_s, file.site.voltage_tolerance) == (60.0, 0.07)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_every_example_loads_and_survives_writing(path: Path) -> None:
    file = load_site(path)
    once = site_to_toml(file)
    again = parse_site(once)
    assert site_to_toml(again) == once
    assert again.site.piles == file.site.piles
    assert again.site.network.nodes == file.site.network.nodes
    assert again.tariff_settings == file.tariff_settings
    assert again.mqtt == file.mqtt


@pytest.mark.parametrize(
    "key",
    [
        *("timezone", "tariff", "base_load", "walk_in", "name", "currency"),
        *("ceiling_share", "heartbeat", "offline_kw", "response_s", "phases", "volts"),
    ],
)
def test_a_missing_key_is_refused_by_name(key: str) -> None:
    text = re.sub(rf"^{key} = .*\n", "", SMALL, flags=re.MULTILINE)
    assert text != SMALL
    assert key in refused(text)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("offline_kW", "offline_kw"),
        ("respons_s", "response_s"),
        ("time_zone", "timezone"),
        ("celing_share", "ceiling_share"),
        ("heart_beat", "heartbeat"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(wrong: str, right: str) -> None:
    message = refused(SMALL.replace(right, wrong, 1))
    assert wrong in message
    assert f"did you mean {right}?" in message
    assert "site.toml" in message


def test_an_unknown_table_is_refused_with_the_nearest_one() -> None:
    assert "did you mean mqtt?" in refused(SMALL + '[mqqt]\nhost = "127.0.0.1"\n')


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rating_kva = 400", "rating_kva = nan", "nodes.transformer.rating_kva"),
        ("offline_kw = 0", "offline_kw = true", "assets.A-01.offline_kw"),
        ("max_a = 32", 'max_a = "32"', "assets.A-01.max_a"),
        ("max_a = 32", "max_a = 32\nmin_a = 5", "6 A at least"),
        ("phases = [1]", "phases = [1, 2]", "assets.A-01.phases"),
        ('node = "transformer"', 'node = "transformr"', "assets.A-01.node"),
        ('kind = "pile"', 'kind = "charger"', "assets.A-01.kind"),
        ("Asia/Shanghai", "Asia/Shangai", "did you mean Asia/Shanghai?"),
        ('base_load = "none"', 'base_load = "metre"', "did you mean meter?"),
        ('base_load = "none"', 'base_load = "envelope"', "envelope"),
        ('heartbeat = "none"', 'heartbeat = "required"', "failsafe_kw"),
        ('walk_in = "refuse"', 'walk_in = "welcome"', "site.walk_in"),
        ('id = "A-01"', 'id = "A 01"', "is no id"),
        ("[nodes.transformer]", "[nodes.transformer]\nparent = 'transformer'", "nodes"),
    ],
)
def test_what_cannot_be_run_names_its_place(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) >= 1
    assert says in refused(SMALL.replace(old, new, 1))


def test_a_window_of_two_slot_lengths_is_read_and_survives_writing() -> None:
    window = "[horizon]\nslot_minutes = 5\nhours = 48\nfine_hours = 12\ncoarse_minutes = 60\n"
    file = parse_site(SMALL + window)
    rule = file.site.horizon
    assert (rule.slot_minutes, rule.hours, rule.fine_hours, rule.coarse_minutes) == (5, 48, 12, 60)
    assert parse_site(site_to_toml(file)).site.horizon == rule
    assert "horizon.fine_hours" in refused(SMALL + window.replace("= 12", "= 50"))
    assert "horizon.coarse_minutes" in refused(SMALL + window.replace("= 60", "= 7"))


def test_steps_of_power_are_read_and_survive_writing() -> None:
    file = parse_site(SMALL.replace("[site]", "[site]\nsmooth_steps = 20", 1))
    assert file.site.smooth_steps == 20
    assert parse_site(site_to_toml(file)).site.smooth_steps == 20


def test_fallbacks_above_the_failsafe_are_refused() -> None:
    text = SMALL.replace('heartbeat = "none"', 'heartbeat = "required"\nfailsafe_kw = 1')
    message = refused(text.replace("offline_kw = 0", "offline_kw = 0\nfallback_kw = 1.4"))
    assert "fallbacks sum to 1.498 kW" in message


def test_a_lockstep_clock_is_refused_off_loopback() -> None:
    lockstep = SMALL.replace('walk_in = "refuse"', 'walk_in = "refuse"\nclock = "lockstep"')
    assert "site.clock" in refused(lockstep + '[mqtt]\nhost = "192.0.2.1"\n')
    assert "site.clock" in refused(lockstep)
    assert parse_site(lockstep + '[mqtt]\nhost = "127.0.0.1"\n').clock == "lockstep"


def test_a_broker_on_the_usual_secure_port_is_spoken_to_in_tls() -> None:
    secure = parse_site(SMALL + '[mqtt]\nhost = "broker.example"\n').mqtt
    plain = parse_site(SMALL + '[mqtt]\nhost = "127.0.0.1"\nport = 1883\n').mqtt
    assert secure is not None
    assert plain is not None
    assert (secure.port, secure.tls, secure.on_loopback) == (8883, True, False)
    assert (plain.tls, plain.on_loopback) == (False, True)


def test_a_password_is_read_from_its_file_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("night-valley\n")
    mqtt = f'[mqtt]\nhost = "127.0.0.1"\nusername = "daemon"\npassword_file = "{secret}"\n'
    settings = parse_site(SMALL + mqtt).mqtt
    assert settings is not None
    assert settings.password() == "night-valley"
    assert "the key is unknown" in refused(SMALL + '[mqtt]\nhost = "a"\npassword = "x"\n')


def test_a_number_that_nobody_said_is_told() -> None:
    text = (
        SMALL
        + """
[[assets]]
id = "bess"
kind = "storage"
node = "transformer"
capacity_kwh = 500
max_kw = 250
"""
    )
    assert any("bess.charge_efficiency" in line for line in parse_site(text).assumed)
    assert parse_site(SMALL).assumed == ()


def test_a_dc_pile_needs_its_voltage_only_under_a_current_limit() -> None:
    dc = """
[[assets]]
id = "D-01"
kind = "pile"
node = "transformer"
current = "dc"
max_kw = 120
offline_kw = 0
response_s = 5
"""
    assert parse_site(SMALL + dc).site.pile_by_id["D-01"].max_kw == 120
    limited = SMALL.replace('heartbeat = "none"', 'heartbeat = "none"\nlimit_a = [600, 600, 600]')
    assert "assets.D-01.volts" in refused(limited + dc)


def test_a_file_that_is_not_there_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.toml"):
        load_site(tmp_path / "no.toml")


def test_broken_toml_names_file_and_line() -> None:
    message = refused("[site\n")
    assert "site.toml" in message
    assert "line 1" in message


def test_the_sites_side_of_its_tariff_is_read_and_survives_writing() -> None:
    text = SMALL + (
        '[tariff]\ncustomer_class = "general"\n\n[[tariff.components]]\n'
        "since = 2026-07-01\nflat_per_kwh = 0.7\nbase_per_kwh = 0.5\n"
    )
    file = parse_site(text)
    assert file.tariff_settings.components[0].flat_per_kwh == 0.7
    assert parse_site(site_to_toml(file)).tariff_settings == file.tariff_settings
    wrong = text.replace("flat_per_kwh", "flat_price")
    assert "did you mean flat_per_kwh?" in refused(wrong)
