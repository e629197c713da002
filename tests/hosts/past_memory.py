"""A program: train on a table larger than the memory that the process may use.

The table lies in files of 32 MB; together they are larger than what is allowed on top of the libraries.
XGBoost reads parquet. LightGBM asks for rows in any order: arrays that are mapped into memory.
"""

import resource
import sys
import tempfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

import focalboost.lightgbm as fl
import focalboost.xgboost as fx
from focalboost import BinaryFocalLoss

LOSS = BinaryFocalLoss(gamma=2.0, link="canonical")
ROWS, COLUMNS, FILES = 125_000, 64, 20
MIB = 1 << 20
TABLE = ROWS * COLUMNS * FILES * 4 / MIB  # 610 MiB
ALLOWED = 520


def write(folder):
    rng = np.random.default_rng(0)
    for i in range(FILES):
        X = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
        y = rng.random(ROWS) < 1 / (1 + np.exp(3 - 1.5 * X[:, 0] - X[:, 1]))
        np.save(folder / f"X{i}.npy", X)
        np.save(folder / f"y{i}.npy", y.astype(np.float32))
        columns = {f"f{j}": X[:, j] for j in range(COLUMNS)} | {"y": y.astype(np.float32)}
        pq.write_table(pa.table(columns), folder / f"{i}.parquet")


def read(folder, i):
    """Return features and labels of a parquet file."""
    # Without threads: their stacks count as memory.
    table = pq.ParquetFile(folder / f"{i}.parquet").read(use_threads=False)
    every = np.column_stack([column.to_numpy() for column in table.columns])
    return every[:, :-1], every[:, -1]


def limit():
    """Allow so much more than what is in use now."""
    status = Path("/proc/self/status").read_text()
    used = int(status.split("VmData:")[1].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + ALLOWED * MIB,) * 2)


class Batches(xgb.DataIter):
    def __init__(self, folder):
        self.folder, self.at = folder, 0
        super().__init__(cache_prefix=str(folder / "cache"))

    def reset(self):
        self.at = 0

    def next(self, input_data):
        if self.at == FILES:
            return False
        X, y = read(self.folder, self.at)
        input_data(data=X, label=y)
        self.at += 1
        return True


class File(lgb.Sequence):
    batch_size = 4096

    def __init__(self, path):
        self.X = np.load(path, mmap_mode="r")

    def __getitem__(self, i):
        return np.array(self.X[i], dtype=np.float64)

    def __len__(self):
        return len(self.X)


def xgboost(folder):
    data = xgb.ExtMemQuantileDMatrix(Batches(folder), nthread=1, max_bin=64)
    return fx.train({"nthread": 1, "max_depth": 3, "max_bin": 64}, data, 5, loss=LOSS)


def lightgbm(folder):
    y = np.concatenate([np.load(folder / f"y{i}.npy") for i in range(FILES)])
    params = {"verbosity": -1, "num_threads": 1, "max_bin": 63, "force_col_wise": True}
    params["bin_construct_sample_cnt"] = 20_000
    sequences = [File(folder / f"X{i}.npy") for i in range(FILES)]
    data = lgb.Dataset(sequences, y, params=params).construct()
    data.save_binary(folder / "table.bin")
    trained = fl.train(params, data, 5, loss=LOSS)
    del data
    again = fl.train(params, lgb.Dataset(folder / "table.bin", params=params), 5, loss=LOSS)
    assert again.model_to_string() == trained.model_to_string()
    return trained


def main():
    assert TABLE > ALLOWED
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        X, y = np.load(folder / "X3.npy"), np.load(folder / "y3.npy")
        limit()
        try:
            np.ones(int(TABLE) * MIB, np.uint8)
        except MemoryError:
            pass
        else:
            raise AssertionError("the limit is none")
        found = {"xgboost": xgboost, "lightgbm": lightgbm}[sys.argv[1]](folder)
        p = found.predict(xgb.DMatrix(X) if sys.argv[1] == "xgboost" else X)
        assert p[y == 1].mean() > 2 * p[y == 0].mean()
        assert abs(p.mean() - y.mean()) < 0.01


if __name__ == "__main__":
    main()
