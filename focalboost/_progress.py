"""The progress bar that the callbacks of both libraries show."""

from __future__ import annotations

from operator import index
from typing import Any


class Bar:
    """A bar of tqdm's, closed while no training runs."""

    def __init__(self, n_rounds: int | None = None, **tqdm: Any) -> None:
        if n_rounds is not None and index(n_rounds) < 1:
            raise ValueError(f"n_rounds must be at least 1, got {n_rounds}")
        self.n_rounds = n_rounds
        self._options = tqdm
        self._bar: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the open bar: estimators copy and pickle their callbacks."""
        return self.__dict__ | {"_bar": None}

    def _open(self, n_rounds: int | None, *, shown: bool = True) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(
                'ProgressBar needs tqdm: pip install "focalboost[progress]"'
            ) from error
        self._close()  # that of a training that was stopped
        self._bar = tqdm(
            **{"total": n_rounds, "unit": "round", "disable": not shown} | self._options
        )

    def _advance(self, metrics: dict[str, float]) -> None:
        if metrics:
            values = {name: f"{value:.5g}" for name, value in metrics.items()}
            self._bar.set_postfix(values, refresh=False)
        self._bar.update()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
