"""Figures and health over HTTP: read-only, on loopback, and true."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from adapters.config import parse_site
from adapters.figures import COUNTERS, Figures, View
from adapters.metrics_http import MetricsServer
from adapters.metrics_settings import MetricsSettings
from models.errors import ConfigurationError
from tests.integration.field import free_port, limit, needs_broker, until, yard

ROOT = Path(__file__).parents[2]


def get(port: int, page: str, **headers: str) -> tuple[int, str]:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{page}", headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError:
        return 0, ""


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (s.name, tuple(s.labels.values())): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


@needs_broker
@pytest.mark.broker
def test_the_running_daemon_tells_its_figures_and_when_it_is_not_ready(tmp_path: Path) -> None:
    port = free_port()
    with yard(tmp_path, piles=2) as place:
        place.config.write_text(
            place.config.read_text().replace("contract_kw = 150", "contract_kw = 60")
            + f"\n[metrics]\nport = {port}\n"
        )
        place.plug_in(2)
        place.daemon.start()
        until(lambda: all(p.told for p in place.piles), "every pile has a setpoint")
        limit(place.peer("grid"), "cut", 50.0)
        ready = (200, '{"ready": true, "lacks": []}')
        until(lambda: get(port, "/readyz") == ready, "it is ready")
        until(lambda: get(port, "/livez")[0] == 200, "it lives")
        expected = {
            ("valleyfill_node_limit_watts", ("transformer",)): 50_000.0,
            ("valleyfill_piles", ("talking",)): 2.0,
        }

        def told() -> bool:
            code, text = get(port, "/metrics")
            seen = samples(text)
            return (
                code == 200
                and expected.items() <= seen.items()
                and seen["valleyfill_messages_total", ("control",)] >= 1
                and seen["valleyfill_commit_seconds_count", ()] >= 1
            )

        until(told, "the limit, both piles, the limit's message and its commit are told")
        until(lambda: get(port, "/")[0] == 404, "nothing else is there")
        place.broker.kill()
        lacking = (503, '{"ready": false, "lacks": ["broker"]}')
        until(lambda: get(port, "/readyz") == lacking, "not ready without its broker")
        until(lambda: get(port, "/livez")[0] == 200, "and lives all the same")


def test_who_is_not_on_this_machine_needs_a_token_and_nothing_can_be_written(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigurationError, match="token"):
        MetricsSettings(9464, "0.0.0.0")
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    port = free_port()
    figures = Figures(ready=lambda: ())
    server = MetricsServer(MetricsSettings(port, token_file=str(secret)), figures)
    server.start()
    try:
        assert get(port, "/metrics")[0] == 401
        assert get(port, "/metrics", Authorization="Bearer wrong")[0] == 401
        assert get(port, "/metrics", Authorization="Bearer s3cret")[0] == 200
        posted = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", data=b"x")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(posted, timeout=5)
        assert refused.value.code == 501
        figures.beat_s -= 60
        assert get(port, "/livez", Authorization="Bearer s3cret")[0] == 503
    finally:
        server.stop()


def test_a_port_and_nothing_else_is_needed_and_without_one_nothing_listens() -> None:
    text = (ROOT / "examples" / "depot-1.toml").read_text()
    assert parse_site(text).metrics is None
    found = parse_site(text + "\n[metrics]\nport = 9464\n").metrics
    assert found == MetricsSettings(9464, "127.0.0.1")


def known_names() -> set[str]:
    figures = Figures(
        look=lambda: View(
            1, {"silent": 1}, {"waiting": 1}, 1.0, {"n": (1.0, 1.0)}, 1.0, (), {"a": 1}
        )
    )
    for name, (_, label) in COUNTERS.items():
        figures.count(name, "x" if label else "")
    for histogram in (figures.drain_seconds, figures.commit_seconds):
        histogram.observe(0.1)
    figures.solve_seconds.labels("flow").observe(0.1)
    return {s.name for f in figures.registry.collect() for s in f.samples}


def words(texts: list[str]) -> set[str]:
    return {w for t in texts for w in re.findall(r"\bvalleyfill_[a-z_]+", t)}


def test_the_alert_rules_and_the_dashboard_ask_only_for_figures_that_exist() -> None:
    rules: Any = yaml.safe_load((ROOT / "deploy/prometheus/valleyfill.rules.yml").read_text())
    alerts = [r for g in rules["groups"] for r in g["rules"]]
    board: Any = json.loads((ROOT / "deploy/grafana/valleyfill.json").read_text())
    asked = words([r["expr"] for r in alerts])
    asked |= words([t["expr"] for p in board["panels"] for t in p["targets"]])
    assert len(asked) > 12
    assert asked <= known_names(), asked - known_names()
    for alert in alerts:
        assert {"summary", "summary_zh"} <= set(alert["annotations"]), alert["alert"]
