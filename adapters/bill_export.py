"""Bills as tables, through pandas, into CSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from models.errors import ConfigurationError
from models.horizon import instant_of
from tariffs.bill_lines import Bill

COLUMNS = (
    "account",
    "tariff",
    "start",
    "end",
    "rule",
    "period",
    "quantity",
    "unit",
    "price",
    "amount",
    "currency",
)


def bill_table(bills: Mapping[str, Bill], zone: ZoneInfo) -> pd.DataFrame:
    """One row per line of each account's bill; money and quantities stay Decimal.

    Parameters
    ----------
    bills : mapping of str to Bill
        By account: ``site``, a session's id.
    zone : ZoneInfo
        Of the instants.
    """
    rows = [
        (
            account,
            bill.tariff,
            instant_of(bill.start_s).astimezone(zone).isoformat(),
            instant_of(bill.end_s).astimezone(zone).isoformat(),
            line.rule,
            line.period,
            line.quantity,
            line.unit,
            line.price,
            line.amount,
            bill.currency,
        )
        for account, bill in bills.items()
        for line in bill.lines
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Into ``.csv`` (digits as they are) or ``.parquet`` (decimals of 15 places).

    Raises
    ------
    ConfigurationError
        If the name says neither.
    """
    if path.suffix == ".csv":
        text = table.copy()
        for column in ("quantity", "price", "amount"):
            text[column] = [None if v is None else format(v, "f") for v in table[column]]
        text.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        decimal = pa.decimal128(28, 15)
        kinds = {"quantity": decimal, "price": decimal, "amount": decimal}
        schema = pa.schema([(c, kinds.get(c, pa.string())) for c in COLUMNS])
        table.to_parquet(path, index=False, schema=schema)
    else:
        raise ConfigurationError(
            f"'{path.name}' is neither CSV nor Parquet", where="--out", fix="end it in one of them"
        )
