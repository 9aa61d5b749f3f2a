"""The operator's view: money, energy, peak, and what the site has beside piles."""

from __future__ import annotations

from html import escape

from adapters.web.models import Money
from adapters.web.parts import GIVERS, Frame, card, event_list, power_chart
from adapters.web.words import say
from models.horizon import instant_of


def cards(f: Frame) -> str:
    """The figures on top."""
    s, o = f.savings, f.overview
    unknown = f.say("unknown")
    peak = "–" if s.peak_kw is None else f"{s.peak_kw:.0f}"
    planned_kwh, planned_cost, hours = _planned(f)
    return "".join(
        [
            _saved(f, "saved_today", s.today),
            _saved(f, "saved_month", s.month),
            card(
                f.say("cost_today"),
                "–" if s.today is None else f"{s.today.energy_kwh:.0f}",
                "kWh",
                unknown
                if s.today is None
                else f.say("cost_sub", s.today.cost, s.currency, s.today.sessions),
            ),
            card(f.say("peak_month"), peak, "kW", _interval(f)),
            card(
                f.say("planned"),
                f"{planned_kwh:.0f}",
                "kWh",
                f.say("planned_sub", planned_cost, s.currency, hours),
            ),
            card(
                f.say("utilisation"),
                f"{100 * o.vehicles / max(o.piles, 1):.0f}",
                "%",
                f.say("vehicles_sub", o.charging, o.waiting),
            ),
            *_given(f),
        ]
    )


def _interval(f: Frame) -> str:
    """The demand of the quarter hour that runs, beside the month's."""
    now_kw = f.picture.today.interval_kw
    return f.say("peak_sub") if now_kw is None else f.say("peak_now", now_kw)


def _given(f: Frame) -> list[str]:
    """Sun and vehicles, where the site has them."""
    today, found = f.picture.today, []
    since = f.clock(today.since)
    if f.picture.site.pv:
        share = "–" if today.green_share is None else f"{100 * today.green_share:.0f}"
        found.append(card(f.say("green"), share, "%", f.say("green_sub", today.pv_kwh, since)))
    if "v2g" in f.picture.series.parts:
        kwh = f"{today.given_back_kwh:.1f}"
        found.append(card(f.say("given_back"), kwh, "kWh", f.say("given_sub", since)))
    return found


def _saved(f: Frame, key: str, money: Money | None) -> str:
    if money is None or money.saved is None:
        return card(f.say(key), "–", escape(f.savings.currency), f.say("unknown"))
    saved = round(money.saved, 2) + 0.0
    tone = "good" if saved > 0 else "bad" if saved < 0 else ""
    against = f.say("against", money.uncontrolled_cost)
    return card(f.say(key), f"{saved:.2f}", escape(f.savings.currency), against, tone)


def _planned(f: Frame) -> tuple[float, float, float]:
    """Energy, money and hours of the charging that is planned in the window shown."""
    series = f.picture.series
    charging = [values for name, values in series.parts.items() if name not in GIVERS]
    energy = cost = hours = 0.0
    for k, start in enumerate(series.edges_s[:-1]):
        if start < series.now_s:
            continue
        h = (series.edges_s[k + 1] - start) / 3600
        kwh = sum(values[k] for values in charging) * h
        hours += h
        energy += kwh
        cost += kwh * (series.buy_per_kwh[k] or 0.0)
    return energy, cost, hours


def price_list(f: Frame) -> str:
    """The prices ahead, one line for each change."""
    series, items, last = f.picture.series, [], None
    for k, start in enumerate(series.edges_s[:-1]):
        price = series.buy_per_kwh[k]
        if start < series.now_s or price is None or price == last:
            continue
        last = price
        period = series.period[k]
        word = say(f.lang, period) if period else ""
        items.append(
            f"<li><time>{f.clock(instant_of(start))}</time>"
            f'<span class="chip {escape(period)}">{escape(word)}</span> '
            f"{price:.4f} {escape(f.savings.currency)}/kWh</li>"
        )
    return f'<ul class="events prices">{"".join(items)}</ul>'


def asset_list(f: Frame) -> str:
    """Storage and PV; nothing where the site has none."""
    items = []
    for a in f.picture.assets:
        power = f.say("unknown")
        if a.power_kw is not None:
            power = f.say("asset_gives" if a.power_kw < 0 else "asset_draws", abs(a.power_kw))
        soc = "" if a.soc is None else f", {f.say('soc', a.soc)}"
        items.append(f"<li><strong>{f.say(a.kind)}</strong> {escape(a.asset)}<br>{power}{soc}</li>")
    return f'<ul class="todo">{"".join(items)}</ul>' if items else ""


def parts(f: Frame) -> dict[str, str]:
    """What is renewed on this view."""
    found = {
        "cards": cards(f),
        "power": power_chart(f),
        "prices": price_list(f),
        "events": event_list(f, f.picture.events),
    }
    if f.picture.assets:
        found["assets"] = asset_list(f)
    return found
