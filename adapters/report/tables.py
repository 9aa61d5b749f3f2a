"""A report's tables as CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from adapters.report.figures import Result
from adapters.report.gather import Stretch
from models.horizon import instant_of

Format = Literal["csv", "parquet"]


def write_tables(stretch: Stretch, result: Result, folder: Path, kind: Format) -> list[Path]:
    """Figures, sessions, piles and quarter hours, one file each; the files."""
    frames = {
        "figures": pd.DataFrame(
            [
                {"key": f.key, "name": f.name, "value": f.value, "unit": f.unit, "policy": f.policy}
                for f in result.figures
            ]
        ),
        "sessions": _sessions(stretch, result),
        "piles": _piles(stretch),
        "quarters": _quarters(stretch),
    }
    out = []
    for name, frame in frames.items():
        path = folder / f"{name}.{kind}"
        if kind == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
        out.append(path)
    return out


def _sessions(stretch: Stretch, result: Result) -> pd.DataFrame:
    rows = [
        {
            "session": s.session,
            "pile": s.pile,
            "node": s.node,
            "arrival": None if s.arrival is None else s.arrival.isoformat(),
            "departure": None if s.departure is None else s.departure.isoformat(),
            "asked_kwh": s.asked_kwh,
            "delivered_kwh": s.delivered_kwh,
            "served": s.served,
            "waited_h": s.waited_h,
            "charging_h": s.charging_h,
            "cost": float(b.exact),
        }
        for s, b in zip(stretch.sessions, result.bills, strict=True)
    ]
    return pd.DataFrame(rows)


def _piles(stretch: Stretch) -> pd.DataFrame:
    hours = (stretch.end - stretch.start).total_seconds() / 3600.0
    rows = []
    for pile in stretch.file.site.piles:
        own = [s for s in stretch.sessions if s.pile == pile.id]
        kwh = sum(s.delivered_kwh for s in own)
        rows.append(
            {
                "pile": pile.id,
                "node": pile.node,
                "sessions": len(own),
                "energy_kwh": kwh,
                "utilisation_time": sum(s.there_h for s in own) / hours,
                "utilisation_energy": kwh / (pile.max_kw * hours),
            }
        )
    return pd.DataFrame(rows)


def _quarters(stretch: Stretch) -> pd.DataFrame:
    """Mean power of each quarter hour that the store keeps, kW, and limits as their lowest."""
    zone, root = stretch.file.site.zone, stretch.file.site.network.ids[0]
    columns = {}
    for (kind, name), flowed in stretch.flows.items():
        key = f"{kind}_kw" if kind != "asset" and name == root else f"{kind}_{name}_kw"
        columns[key] = pd.Series(flowed.kw, index=flowed.at_s)
    frame = pd.DataFrame(columns).sort_index()
    starts = [instant_of(int(s)).astimezone(zone).isoformat() for s in frame.index]
    frame.insert(0, "start", starts)
    return frame
