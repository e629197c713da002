"""What holds for every test."""

import os

# Threads that wait must not spin: on a busy machine, or with tests side by side, that costs ten times
# the time. Before a library with OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

collect_ignore = ["hosts/on_dask.py"]  # a program, of packages that not every test run has
