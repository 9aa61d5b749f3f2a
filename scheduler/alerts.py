"""Alerts that the state alone tells: raised once, cleared once, in both languages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from models.site import Site
from scheduler.demand import PEAK_SERIES, peak_unforeseen
from scheduler.draft import Draft
from scheduler.excess import KEPT_S
from scheduler.pushed_limits import BEYOND
from scheduler.report import clear_alert, raise_alert
from scheduler.state import NodeState
from scheduler.view import (
    MISSED_PERIODS,
    Picture,
    export_now_kw,
    margin_of,
    meter_awaited,
    meter_talks,
    ordered,
    stated_base_kw,
    unmetered,
)

REFUSED_TIMES = 3
"""So many setpoints refused in a row are worth an alert."""

ABOVE_S = 15.0
"""A meter above the limit for longer than piles take to respond, and to be seen, is wrong."""

UNREGISTERED_KW = 1.0
"""A stated base load that the meter shows wrong by less is right."""

SETTLING_S = 120.0
"""After a start: so long a forecast of our own may take."""

FORECAST_MISSED = timedelta(days=7)
"""A forecast that ended longer ago is no longer waited for."""

FORECAST_OLD = timedelta(hours=26)
"""Who forecasts once a day has missed his time by then."""

TEXTS: dict[str, tuple[str, str]] = {
    "heartbeat_lost": (
        "the grid company is silent; the failsafe limit holds until a heartbeat and a new limit",
        "电网侧心跳中断，执行安全限值，直至恢复心跳并收到新限值",
    ),
    "pile_silent": (
        "no telemetry; it counts with what it may draw unseen; check its power and its network",
        "充电桩失联，按其可能功率计入；请检查供电与网络",
    ),
    "pile_ignores": (
        "draws power against its setpoint; others give way; take it out of service",
        "充电桩不执行功率设定，其他桩已让出功率；请停用检修",
    ),
    "pile_exceeds": (
        "draws more than its setpoint; it counts as measured; check its calibration",
        "充电桩实际功率超过设定，按实测计入；请校准",
    ),
    "pile_refuses": (
        "refuses its setpoints; see its reason in the journal",
        "充电桩拒绝功率设定；请查看日志中的原因",
    ),
    "pile_fault": ("reports a fault and gets no power", "充电桩报告故障，已停止供电"),
    "meter_lost": (
        "the meter is silent; the highest base load seen counts; check the meter",
        "电表失联，按已知最高基础负荷计入；请检查电表",
    ),
    "forecast_missing": (
        "the forecast has run out; plans go on with what the meter shows now; send a new one",
        "预测已过期，暂按实测值编制计划；请重新发送预测",
    ),
    "forecast_stale": (
        "nothing newer has come for more than a day; plans go on with it, corrected by what the "
        "meter shows; ask the forecaster",
        "预测超过一天未更新，暂沿用并按实测修正；请联系预测方",
    ),
    "peak_unforeseen": (
        "the tariff prices the month's peak, and nothing foresees it: no forecast/peak, no month "
        "before, not yet a week of history; until then it is met as it comes",
        "电价含需量电费，但本月需量无从预测：无 forecast/peak，无上月记录，历史不足一周；"
        "暂按实际发生处理",
    ),
    "meter_implausible": (
        "the meter shows more fed back than can be generated; its sign is likely wrong",
        "电表读数反向功率超过可发电功率，方向可能接反",
    ),
    "unregistered_load": (
        "the meter shows load that the site does not state; it counts; register it",
        "电表显示未登记负荷，已计入；请登记",
    ),
    "limit_exceeded": (
        "the meter shows more than the limit; piles have been lowered",
        "实测功率超过限值，已降低充电功率",
    ),
    "limits_full": (
        "more limits stand here than are kept by name; those beyond count together, by the lowest; "
        "the grid company should revoke old ones, and then the limit named beyond",
        "限值条数超出保存上限，其余按最低值合并执行；请电网侧撤销旧限值，再撤销名为 beyond 的限值",
    ),
    "giving_blocked": (
        "vehicles could give back here, but its export_kw is 0: set it in the site file, or drop "
        "discharge_kw of its piles",
        "此处车辆可放电，但 export_kw 为 0；请在场站文件中设置，或取消充电桩的 discharge_kw",
    ),
    "export_exceeded": (
        "more is fed back than may be; curtail generation",
        "反送功率超过限值；请限制发电",
    ),
}


UNHEARD_METER = (
    "the meter has not spoken since the first start; base load is not known, so piles hold their "
    "fallbacks, which fit under the failsafe limit; check the meter",
    "电表自首次启动以来尚无数据，基础负荷未知，充电桩保持后备功率（不超过安全限值）；请检查电表",
)
STATED_BASE = (
    "the meter has not spoken since the first start; the stated base load counts; check the meter",
    "电表自首次启动以来尚无数据，按申报的基础负荷计入；请检查电表",
)
"""What ``meter_lost`` says of a meter that has never been heard, without and with a stated base
load to stand for it."""


def watch(draft: Draft, site: Site, picture: Picture, suspects: Iterable[str]) -> None:
    """Raise what is wrong now, clear what is over; of all piles' records only the suspects' may
    be worth an alert.
    """
    wrong: dict[str, set[str]] = {kind: set() for kind in TEXTS}
    if draft.get("stale"):
        wrong["heartbeat_lost"].add(site.name)
    _piles(draft, site, picture, suspects, wrong)
    _meters(draft, site, wrong)
    _forecasts(draft, wrong)
    started: float = draft.get("started_mono_s")
    if draft.get("mono_s") - started > SETTLING_S and peak_unforeseen(draft, site):
        wrong["peak_unforeseen"].add(site.network.ids[0])
    wrong["giving_blocked"].update(giving_blocked(site))
    wrong["limits_full"].update(n for n, of in draft.get("limits").items() if BEYOND in of)
    alerts = draft.get("alerts")
    for key in [k for k in alerts if k.startswith("starvation/")]:
        session = key.partition("/")[2]
        if session not in draft.sessions:
            clear_alert(draft, "starvation", session)
    over = [key for key in alerts if _is_over(key, wrong)]
    for kind, places in wrong.items():
        if places:
            _raise(draft, kind, sorted(p for p in places if f"{kind}/{p}" not in alerts))
    for key in over:
        kind, _, where = key.partition("/")
        clear_alert(draft, kind, where)


def _is_over(key: str, wrong: dict[str, set[str]]) -> bool:
    kind, _, where = key.partition("/")
    return kind in wrong and where not in wrong[kind]


def _raise(draft: Draft, kind: str, places: Iterable[str]) -> None:
    text, text_zh = TEXTS[kind]
    for where in places:
        raise_alert(draft, kind, where, text, text_zh)


def giving_blocked(site: Site) -> tuple[str, ...]:
    """Nodes through which vehicles could feed back and nothing may flow back.

    Base load takes up what is given at the root; below it a meter's load is not planned with.
    """
    if site.v2g is None:
        return ()
    reached: set[int] = set()
    for pile in site.piles:
        if pile.discharge_kw > 0:
            reached.update(site.network.path[site.pile_node[pile.id]])
    if site.base_load != "none":
        reached.discard(0)
    nodes = site.network.nodes
    return tuple(nodes[v].id for v in sorted(reached) if nodes[v].export_kw <= 0.0)


def _piles(
    draft: Draft,
    site: Site,
    picture: Picture,
    suspects: Iterable[str],
    wrong: dict[str, set[str]],
) -> None:
    mono_s: float = draft.get("mono_s")
    began: float = draft.get("started_mono_s")
    patience = MISSED_PERIODS * site.telemetry_period_s
    piles = draft.piles
    if mono_s - began > patience:
        wrong["pile_silent"].update(picture.silent.keys() - ordered(draft, site, "out_of_service"))
    for name in suspects:
        pile = piles[name]
        if pile.exceeded is not None and mono_s - pile.exceeded[0] < KEPT_S:
            wrong[pile.exceeded[1]].add(name)
        if pile.fault is not None:
            wrong["pile_fault"].add(name)
        if pile.ignored >= REFUSED_TIMES:
            wrong["pile_refuses"].add(name)


def _forecasts(draft: Draft, wrong: dict[str, set[str]]) -> None:
    """Series that were sent and have run out, or are old; what was never sent is not missed.

    A month's peak is told once.
    """
    now: datetime = draft.get("now")
    for name, sent in draft.get("forecasts").items():
        minutes = sent.slot_minutes * len(sent.values)
        over_for = now - sent.start - timedelta(minutes=minutes)
        if timedelta() <= over_for <= FORECAST_MISSED:
            wrong["forecast_missing"].add(name)
        told_once = name.startswith(f"{PEAK_SERIES}-")
        if over_for < timedelta() and not told_once and now - sent.issued_at > FORECAST_OLD:
            wrong["forecast_stale"].add(name)


def _meters(draft: Draft, site: Site, wrong: dict[str, set[str]]) -> None:
    now, mono_s = draft.get("now"), draft.get("mono_s")
    nodes: dict[str, NodeState] = draft.get("nodes")
    patience = MISSED_PERIODS * site.telemetry_period_s
    root = site.network.ids[0]
    # A limit that waits cannot be told reached before the meter speaks: the reason is told with it.
    late = draft.get("limits") or mono_s - draft.get("started_mono_s") > patience
    if late and meter_awaited(draft, site):
        text, text_zh = UNHEARD_METER if unmetered(draft, site) else STATED_BASE
        raise_alert(draft, "meter_lost", root, text, text_zh)
        wrong["meter_lost"].add(root)
    for name, node in nodes.items():
        v = site.network.index[name]
        if not meter_talks(node, site, mono_s):
            wrong["meter_lost"].add(name)
            continue
        if node.implausible:
            wrong["meter_implausible"].add(name)
            continue
        if site.base_load != "meter":
            stated = stated_base_kw(site, v, now) if site.base_load == "envelope" else 0.0
            if node.base_kw > stated + margin_of(draft, site, v) + UNREGISTERED_KW:
                wrong["unregistered_load"].add(name)
        # A later reading must say so too: between two far apart the piles have come down.
        if node.above_mono_s >= 0 and node.heard_mono_s - node.above_mono_s > ABOVE_S:
            wrong["limit_exceeded"].add(name)
        if -node.power_kw > export_now_kw(draft, site, v, now) + UNREGISTERED_KW:
            wrong["export_exceeded"].add(name)
