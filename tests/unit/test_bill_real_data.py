"""A month of real sessions under four tariffs: the plan and the bill agree to one cent."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from adapters.books import load_book
from adapters.data.sessions import read_sessions
from models.horizon import Horizon, epoch_s
from tariffs.bill import session_bills
from tariffs.kinds.spot import Spot
from tariffs.metered import Metered
from tariffs.savings import Stay, uncontrolled
from tariffs.series import PriceSeries
from tariffs.tariff import Tariff

ZONE = ZoneInfo("America/Los_Angeles")
DATA = Path(
    os.environ.get("VALLEYFILL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
SESSIONS = DATA / "acn_caltech_jpl_sessions" / "caltech_2019-05-01_2019-08-31.csv.gz"
SPOT = DATA / "dayahead_prices" / "Netherlands_day-ahead_2019-2022.csv.gz"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not SESSIONS.exists(), reason="the real sessions are not at hand"),
]


def netherlands() -> Tariff:
    table = pd.read_csv(SPOT, nrows=8760)
    starts = [int(t.timestamp()) for t in pd.to_datetime(table["Datetime (UTC)"], utc=True)]
    begun = np.array(starts, dtype=np.int64)
    prices = table["Price (EUR/MWhe)"].to_numpy() / 1000
    return Spot("nl", "EUR", PriceSeries(begun, begun + 3600, prices, prices), "refuse")


TARIFFS = {
    "zhejiang-2026": lambda: load_book("zhejiang-2026", holidays="none"),
    "zhejiang-2024": lambda: load_book("zhejiang-2024", holidays="none"),
    "sce-tou-ev-4": lambda: load_book("sce-tou-ev-4-2019"),
    "spot": netherlands,
}


@pytest.fixture(scope="module")
def sessions() -> list[Metered]:
    """July 2019 of Caltech as meters would have read it at full power from plug-in."""
    lo, hi = datetime(2019, 7, 1, tzinfo=ZONE), datetime(2019, 8, 1, tzinfo=ZONE)
    stays = [
        Stay(epoch_s(s.arrival), epoch_s(s.departure), s.delivered_kwh, 6.656)
        for s in read_sessions(SESSIONS)
        if lo <= s.arrival < hi and s.delivered_kwh > 0
    ]
    assert len(stays) > 500
    return uncontrolled(stays)


@pytest.mark.parametrize("name", TARIFFS)
def test_the_plans_money_and_the_bill_agree_to_one_cent(name: str, sessions: list[Metered]) -> None:
    """The plan in quarter hours split at price edges; the bill from each session's meter."""
    tariff = TARIFFS[name]()
    lo = min(int(m.starts_s[0]) for m in sessions)
    hi = max(int(m.ends_s[-1]) for m in sessions)
    edges = {lo, hi, *range(lo // 900 * 900 + 900, hi, 900)}
    edges |= {int(s) for s in tariff.steps(lo, hi, ZONE).change_s()}
    horizon = Horizon(np.array(sorted(edges), dtype=np.int64), ZONE)
    energy = np.zeros(horizon.n)
    for m in sessions:
        for a, b, kwh in zip(m.starts_s, m.ends_s, m.import_kwh, strict=True):
            lo_k = int(np.searchsorted(horizon.edges_s, a, side="right")) - 1
            hi_k = int(np.searchsorted(horizon.edges_s, b, side="left"))
            inside = np.minimum(horizon.edges_s[lo_k + 1 : hi_k + 1], b) - np.maximum(
                horizon.edges_s[lo_k:hi_k], a
            )
            energy[lo_k:hi_k] += kwh * inside / (b - a)
    planned = float(tariff.prices(horizon).buy_per_kwh @ energy)
    billed = sum(b.exact for b in session_bills(tariff, sessions, zone=ZONE))
    assert float(sum(m.import_kwh.sum() for m in sessions)) == pytest.approx(energy.sum())
    assert abs(planned - float(billed)) < 0.01
