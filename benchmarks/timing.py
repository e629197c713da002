"""Ratios of commands timed side by side: interleaved in one run, medians over repeats.

Times of a shared machine wander by tens of percent within minutes; what is run in turn wanders together.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def medians(commands: Mapping[Name, Callable[[], object]], repeats: int) -> dict[Name, float]:
    """Return seconds per command; one round of all commands warms up and is not counted."""
    seconds: dict[Name, list[float]] = {name: [] for name in commands}
    for repeat in range(repeats + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            command()
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
