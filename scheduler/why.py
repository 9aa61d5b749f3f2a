"""The sentence that answers "why", with numbers, in English and in Chinese."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from models.horizon import instant_of
from scheduler.reasons import Reason, Span

PERIODS_EN = {
    "sharp": "sharp peak",
    "peak": "peak",
    "flat": "flat hours",
    "valley": "valley",
    "deep_valley": "deep valley",
}
PERIODS_ZH = {
    "sharp": "尖峰段",
    "peak": "高峰段",
    "flat": "平段",
    "valley": "谷段",
    "deep_valley": "深谷段",
}
MONEY = {"CNY": ("yuan", "元")}
"""Words for a currency; others go by their code."""

NAMED_AT_MOST = 3
"""So many nodes are named in one sentence; the rest are counted."""

WORTH = 0.005
"""Savings below this are not worth a word."""


@dataclass(frozen=True)
class Why:
    """One answer in both languages."""

    text: str
    text_zh: str


def why(reason: Reason, *, zone: ZoneInfo, currency: str) -> Why:
    """The sentence of a reason.

    Parameters
    ----------
    reason : Reason
        From :meth:`scheduler.reasons.Reasons.of`.
    zone : ZoneInfo
        Clock times are given in it.
    currency : str
        ISO code of the tariff's currency.
    """
    words = _Words(reason, zone, currency)
    parts = {
        "served": words.served,
        "at_once": words.at_once,
        "charging": words.charging,
        "throttled": words.throttled,
        "price": words.for_price,
        "room": words.for_room,
        "time": words.for_time,
        "short": words.short,
    }[reason.kind]()
    english = "; ".join(en for en, _ in parts if en)
    chinese = "；".join(zh for _, zh in parts if zh)
    return Why(english, chinese)


Pair = tuple[str, str]


class _Words:
    def __init__(self, reason: Reason, zone: ZoneInfo, currency: str) -> None:
        self._r = reason
        self._zone = zone
        self._money, self._money_zh = MONEY.get(currency, (currency, currency))

    def served(self) -> list[Pair]:
        return [("needs nothing more", "无需继续充电")]

    def at_once(self) -> list[Pair]:
        r = self._r
        return [
            (
                f"charges at once, as asked, {r.power_kw:.1f} kW",
                f"按要求立即充电，{r.power_kw:.1f} kW",
            ),
            self._ready(),
        ]

    def charging(self) -> list[Pair]:
        r = self._r
        until = self._clock(r.until_s)
        return [
            (
                f"charges {r.power_kw:.1f} kW until {until}{self._in_period()[0]}",
                f"以 {r.power_kw:.1f} kW 充电至 {until}{self._in_period()[1]}",
            ),
            self._ready(),
            self._saves(),
        ]

    def throttled(self) -> list[Pair]:
        r = self._r
        full, full_zh = self._full()
        return [
            (
                f"charges {r.power_kw:.1f} of {r.max_kw:.1f} kW: {full}",
                f"以 {r.power_kw:.1f} kW 充电（最大 {r.max_kw:.1f} kW）：{full_zh}",
            ),
            self._ready(),
        ]

    def for_price(self) -> list[Pair]:
        r = self._r
        begin, named = self._clock(r.from_s), r.period in PERIODS_EN
        what = f"the {PERIODS_EN[r.period]}" if named else "a lower price"
        what_zh = PERIODS_ZH[r.period] if named else "较低电价"
        then = then_zh = ""
        if named and r.then_period in PERIODS_EN:
            at = self._clock(r.then_s)
            then = f", then the {PERIODS_EN[r.then_period]} at {at}"
            then_zh = f"及 {at} 起的{PERIODS_ZH[r.then_period]}"
        prices = f"{r.price_then:.2f} instead of {r.price_now:.2f} {self._money}/kWh"
        prices_zh = f"每千瓦时 {r.price_then:.2f} 而非 {r.price_now:.2f} {self._money_zh}"
        return [
            (
                f"waits for {what} at {begin}{then} ({prices})",
                f"等待 {begin} 起的{what_zh}{then_zh}（{prices_zh}）",
            ),
            self._saves(),
            self._at_a_higher_price(),
            self._has_room(),
        ]

    def for_room(self) -> list[Pair]:
        begin = self._clock(self._r.from_s)
        full, full_zh = self._full()
        return [
            (f"waits for room until {begin}: {full}", f"等待容量至 {begin}：{full_zh}"),
            self._ready(),
        ]

    def for_time(self) -> list[Pair]:
        begin = self._clock(self._r.from_s)
        return [
            (f"waits until {begin} at no higher price", f"{begin} 开始充电，电价不更高"),
            self._ready(),
            self._has_room(),
        ]

    def short(self) -> list[Pair]:
        r = self._r
        if r.full:
            cause, cause_zh = self._full()
        elif r.uneven:
            cause = f"the phases of {r.uneven} may not be loaded further apart"
            cause_zh = f"{r.uneven} 三相不平衡已达限值"
        elif r.least_kw > 0:
            cause = f"the room left is less than the {r.least_kw:.1f} kW that its pile can hold"
            cause_zh = f"剩余容量不足桩的最小可调功率 {r.least_kw:.1f} kW"
        else:
            cause = f"the stay is too short for {r.max_kw:.1f} kW"
            cause_zh = f"停留时间不足（最大 {r.max_kw:.1f} kW）"
        parts = [
            (f"{r.short_kwh:.1f} kWh short: {cause}", f"缺 {r.short_kwh:.1f} kWh：{cause_zh}"),
        ]
        if r.others:
            with_others = "1 other" if r.others == 1 else f"{r.others} others"
            parts.append((f"shared with {with_others}", f"与另外 {r.others} 个会话共用"))
        if r.later_s is not None:
            at = self._clock(r.later_s)
            parts.append((f"leaving at {at} would do", f"{at} 离开即可充足"))
        return [*parts, self._at_a_higher_price()]

    def _at_a_higher_price(self) -> Pair:
        offer = self._r.dearer
        if offer is None:
            return "", ""
        cost, money, money_zh = f"{offer.cost:.2f}", self._money, self._money_zh
        if offer.priority is not None:
            kwh, rank = f"{offer.energy_kwh:.1f} kWh", offer.priority
            return (
                f"asked with priority {rank} it would get {kwh} for {cost} {money}",
                f"以优先级 {rank} 申请可充 {kwh}，费用 {cost} {money_zh}",
            )
        at = self._clock(offer.ready_s)
        return (
            f"at once it would be ready at {at} for {cost} {money}",
            f"立即充电可于 {at} 完成，费用 {cost} {money_zh}",
        )

    def _ready(self) -> Pair:
        if self._r.ready_s is None:
            return "", ""
        at = self._clock(self._r.ready_s)
        return f"ready at {at}", f"{at} 完成"

    def _saves(self) -> Pair:
        saved = self._r.saved
        if not math.isfinite(saved) or saved < WORTH:
            return "", ""
        return f"saves {saved:.2f} {self._money}", f"节省 {saved:.2f} {self._money_zh}"

    def _has_room(self) -> Pair:
        free = self._r.free
        return (f"{free} free", f"{free} 有余量") if free else ("", "")

    def _in_period(self) -> Pair:
        period = self._r.period
        if period not in PERIODS_EN:
            return "", ""
        return f" in the {PERIODS_EN[period]}", f"({PERIODS_ZH[period]})"

    def _full(self) -> Pair:
        """The nodes that bind, each with its hours."""
        by_node: dict[str, list[Span]] = {}
        for span in self._r.full:
            by_node.setdefault(span.node, []).append(span)
        named = list(by_node)[:NAMED_AT_MOST]
        english = [f"{n} full {self._hours(by_node[n], ' and ')}" for n in named]
        chinese = [f"{n} {self._hours(by_node[n], '、')} 已满" for n in named]
        more = len(by_node) - len(named)
        if more:
            english.append(f"{more} more full")
            chinese.append(f"另有 {more} 处已满")
        return ", ".join(english), "，".join(chinese)

    def _hours(self, spans: Iterable[Span], glue: str) -> str:
        return glue.join(f"{self._clock(s.start_s)}-{self._clock(s.end_s)}" for s in spans)

    def _clock(self, seconds: int | None) -> str:
        if seconds is None:
            return "-"
        return f"{instant_of(seconds).astimezone(self._zone):%H:%M}"
