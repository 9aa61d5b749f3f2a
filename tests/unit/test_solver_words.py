"""The Chinese sentence of a lost solver has no English in it but the rung's name."""

from __future__ import annotations

import pytest

from models.events import SolveFailed
from scheduler.effects import Alert, Solve
from scheduler.solver_words import OTHERWISE, reason_zh
from tests.world import World, pile, site


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("the solving process gave no answer in time in flow", "求解进程未按时返回结果（flow）"),
        (
            "the solving process ended with code -9 in flow_fair; the one in its place has not "
            "loaded its solvers yet; no answer in 2.5 s",
            "求解进程以退出码 -9 结束（flow_fair）；备用求解进程尚未加载求解器；2.5 秒内无结果",
        ),
        ("an answer that is no plan", "结果不是可用计划"),
        ("unusable answer", "结果不可用"),
        ("the solving process [Errno 32] Broken pipe", f"求解进程{OTHERWISE}"),
    ],
)
def test_each_part_of_a_reason_has_its_chinese_words(reason: str, told: str) -> None:
    assert reason_zh(reason) == told


def test_the_alert_of_a_lost_solver_is_chinese_throughout() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    asked = w.say(w.request("a", "A", 20.0), solve=False)
    (solve,) = [e for e in asked if isinstance(e, Solve)]
    reason = "the solving process ended with code 1; no answer in 5 s"
    said = w.say(
        SolveFailed(now=w.now, mono_s=w.mono_s, digest=solve.problem.digest, reason=reason),
        solve=False,
    )
    (alert,) = [e for e in said if isinstance(e, Alert)]
    assert reason in alert.text
    assert not any(c.isascii() and c.isalpha() for c in alert.text_zh)
