"""The tables that the benchmarks train on, read from a folder that is not part of the package."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where the tables are expected if no folder is given."""


class Source(NamedTuple):
    """Where a table is, and what of it is read."""

    file: str
    target: str
    dropped: tuple[str, ...] = ()  # columns that are no features
    most_rows: int = 60_000  # of larger tables a random sample


_HANDBOOK = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_FRAUD_SCENARIO")
BINARY = {
    "ULB credit card": Source("ulb_creditcard_40pct_trunc.parquet", "Class", (), 120_000),
    "ULB, first 7,972": Source("ulb_creditcard_first7972.parquet", "Class", ("Time",)),
    "handbook fraud": Source("handbook_fraud.parquet", "TX_FRAUD", _HANDBOOK),
    "vehicle insurance": Source(
        "vehicle_insurance_fraud.csv.gz", "FraudFound_P", ("PolicyNumber",)
    ),
    "Give Me Some Credit": Source("give_me_some_credit.csv.gz", "SeriousDlqin2yrs", ("id",)),
    "credit default": Source("uci_credit_default.csv.gz", "default_payment_next_month", ("ID",)),
    "bank campaign": Source("adb_campaign.parquet", "y"),
    "forest cover": Source("adb_cover.parquet", "y"),
    "mammography": Source("mammography.csv.gz", "y"),
    "oil spill": Source("oil_spill.csv.gz", "y"),
}
MULTICLASS = {
    "KDD'99 intrusion": Source("kddcup99_10pct_dedup.parquet", "label", (), 20_000),
    "Statlog shuttle": Source("shuttle_multiclass.parquet", "y", (), 20_000),
    "thyroid": Source("thyroid_multiclass.csv.gz", "label"),
    "page blocks": Source("page_blocks_multiclass.csv.gz", "label"),
    "wine quality": Source("winequality_red_multiclass.csv.gz", "label"),
}
TABLES = BINARY | MULTICLASS


def load(folder: Path, name: str, most_rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return features (float32) and labels 0 .. K-1 of a table.

    Text columns become numbers, classes of fewer than 12 rows are dropped, and of a large table rows
    are drawn at random, ``most_rows`` of them if that is given. With several classes only those of more
    than 1,000 rows are thinned.
    """
    source = TABLES[name]
    most_rows = min(source.most_rows, most_rows or source.most_rows)
    path = folder / source.file
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    frame = frame.drop(columns=list(source.dropped))
    counts = frame[source.target].value_counts()
    frame = frame[frame[source.target].isin(counts.index[counts >= 12])]
    common = frame[source.target].isin(counts.index[counts > 1_000])
    excess = len(frame) - most_rows
    if excess > 0:
        if len(counts) == 2:
            frame = frame.sample(most_rows, random_state=0)
        else:
            kept = frame[common].sample(int(common.sum()) - excess, random_state=0)
            frame = pd.concat([kept, frame[~common]])
    y = pd.factorize(frame.pop(source.target), sort=True)[0]
    for column in frame.columns[[not pd.api.types.is_numeric_dtype(d) for d in frame.dtypes]]:
        frame[column] = pd.factorize(frame[column], sort=True)[0]
    return frame.to_numpy(dtype=np.float32), y
