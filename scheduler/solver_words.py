"""Why no plan came, in Chinese: the solving process is heard of in English, part by part."""

from __future__ import annotations

import re

_PARTS = (
    (re.compile(r"gave no answer in time"), "未按时返回结果"),
    (re.compile(r"ended with code (-?\d+)"), r"以退出码 \1 结束"),
    (re.compile(r"has not loaded its solvers yet"), "尚未加载求解器"),
    (re.compile(r"no answer in ([\d.e+]+) s"), r"\1 秒内无结果"),
    (re.compile(r"no answer in time"), "未按时返回结果"),
    (re.compile(r"crashed"), "已崩溃"),
    (re.compile(r"an answer that is no plan"), "结果不是可用计划"),
    (re.compile(r"unusable answer"), "结果不可用"),
)
_WHO = (("the solving process ", "求解进程"), ("the one in its place ", "备用求解进程"))
_RUNG = re.compile(r" in ([a-z_]+)")

OTHERWISE = "意外中断，详见日志"
"""What the operating system says of a process that is gone has no words of ours."""


def reason_zh(reason: str) -> str:
    """A reason of :class:`models.events.SolveFailed`, or of a plan that came all the same.

    Parameters
    ----------
    reason : str
        Parts joined by ``;``, each perhaps with who, and with the rung that was at work.
    """
    return "；".join(_part(part) for part in reason.split("; "))


def _part(part: str) -> str:
    who = ""
    for english, chinese in _WHO:
        if part.startswith(english):
            who, part = chinese, part.removeprefix(english)
    for pattern, chinese in _PARTS:
        found = pattern.match(part)
        if found is not None:
            rung = _RUNG.fullmatch(part[found.end() :])
            return who + found.expand(chinese) + (f"（{rung[1]}）" if rung else "")
    return who + OTHERWISE
