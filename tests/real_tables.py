"""Real tables, which are not part of the package."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"

needs_real_tables = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason="the folder shared/data with the real tables is not beside the clone",
)
