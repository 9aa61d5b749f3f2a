"""What flowed beside charging: vehicles giving back, sun, storage, and the green share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from adapters.report.figure import Figure, per
from adapters.report.gather import Stretch
from adapters.store.flows import Flowed
from models.horizon import FloatArray


def flow_figures(stretch: Stretch) -> list[Figure]:
    """Energy by the quarter hours that the store keeps; of sun and storage where there are any.

    Parameters
    ----------
    stretch : Stretch
    """
    site, flows = stretch.file.site, stretch.flows
    root = site.network.ids[0]
    back = given_back_kwh(stretch)
    found = [Figure("v2g", "Fed back by vehicles", "车辆反送电量", back, "kWh", "7, 59")]
    of_asset = {name: f for (kind, name), f in flows.items() if kind == "asset"}
    plants, stores = [p.id for p in site.pv], [s.id for s in site.storages]
    if plants:
        sun = [of_asset[n] for n in plants if n in of_asset]
        made = -float(sum(f.kwh.sum() for f in sun))
        found.append(Figure("pv", "PV produced", "光伏发电量", made, "kWh", "7"))
        share = _green(sun, flows.get(("node", root)))
        found.append(
            Figure(
                "green_share",
                "Green share",
                "绿电占比",
                None if share is None else 100.0 * share,
                "%",
                "7, 18",
                "own PV used on site, of all that was drawn, by quarter hour"
                if share is not None
                else "needs a meter at the connection",
                "站内消纳的自有光伏占总用电量，按一刻钟统计"
                if share is not None
                else "需要并网点电表",
            )
        )
    if stores:
        kwh = np.concatenate([np.zeros(0), *(of_asset[n].kwh for n in stores if n in of_asset)])
        into, out = float(kwh[kwh > 0].sum()), -float(kwh[kwh < 0].sum())
        found += [
            Figure("stored", "Charged into storage", "储能充电量", into, "kWh", "7"),
            Figure("discharged", "Discharged from storage", "储能放电量", out, "kWh", "7"),
        ]
    return found


def given_back_kwh(stretch: Stretch) -> float:
    """What vehicles fed back, by the power that piles measured, or by their registers, kWh >= 0."""
    given = [f for (kind, _), f in stretch.flows.items() if kind == "v2g"]
    registered = float(sum(s.metered.export_kwh.sum() for s in stretch.sessions))
    return max(-sum(float(f.kwh.sum()) for f in given), registered)


def _green(sun: Iterable[Flowed], connection: Flowed | None) -> float | None:
    """Own PV used on site over all that the site drew, by quarter hour; None without a meter."""
    if connection is None:
        return None
    at = connection.at_s
    made: FloatArray = np.zeros(at.size)
    for f in sun:
        where = np.searchsorted(at, f.at_s)
        inside = (where < at.size) & (at[np.minimum(where, at.size - 1)] == f.at_s)
        np.add.at(made, where[inside], -f.kwh[inside])
    used = np.maximum(made - np.maximum(-connection.kwh, 0.0), 0.0)
    drawn = used + np.maximum(connection.kwh, 0.0)
    return per(float(used.sum()), float(drawn.sum()))
