"""Base of the value objects (losses, objectives, metrics): copying one gives itself."""

from __future__ import annotations

from typing import Any, Self


class Immutable:
    """Frozen values: LightGBM deep-copies its parameters, scikit-learn clones those of estimators."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __sklearn_clone__(self) -> Self:
        return self
