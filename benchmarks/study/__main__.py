"""Run the study, or make its pages from the published cells.

    python -m benchmarks.study run [--folder FOLDER] [--processes N] [--quick]
    python -m benchmarks.study report

``run`` goes on where it was stopped; it writes one file per group of cells to build/study, and after
it, or with ``collect``, all cells to docs/study/cells.parquet. FOLDER: the shared tables, or any folder
of CSV and parquet files (label: column ``y`` or ``target``, or the last).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.study import data, grid

ROOT = Path(__file__).parents[2]
PARTS = ROOT / "build" / "study"
CELLS = ROOT / "docs" / "study" / "cells.parquet"


def main(arguments: list[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["run", "collect", "report"])
    parser.add_argument("--folder", type=Path, default=data.BESIDE)
    parser.add_argument("--tables", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--cells", type=Path, default=CELLS)
    parser.add_argument("--quick", action="store_true", help="two tables, few methods")
    options = parser.parse_args(arguments)
    if options.what == "report":
        from benchmarks.study import report

        report.write(options.cells, ROOT / "docs" / "study")
        return
    if options.what == "run":
        tables = options.tables or list(data.available(options.folder))
        if options.quick:
            tables = options.tables or ["breast cancer, thinned", "digits, thinned"]
        grid.run(options.folder, options.parts, tables, options.processes, options.quick)
    options.cells.parent.mkdir(parents=True, exist_ok=True)
    grid.collect(options.parts).to_parquet(options.cells, index=False, compression="zstd")


if __name__ == "__main__":
    main()
