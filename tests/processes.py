"""Code that must run in another Python process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_python(*arguments, cwd=ROOT, **environment):
    """Run Python with these arguments and environment variables, and return the printed text.

    The test fails with the text of the errors if the process fails.
    """
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def imported_by(code, candidates):
    """Return which of the candidate modules are loaded after the code has run."""
    report = f"{code}; import sys; print(*(name for name in {candidates!r} if name in sys.modules))"
    return set(run_python("-c", report).split())
