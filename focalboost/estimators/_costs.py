"""CostSensitiveClassifier: any classifier of calibrated probabilities, decided by what actions cost."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from focalboost import decisions
from focalboost.estimators._posterior import codes_among


def _has_probabilities(self: CostSensitiveClassifier) -> bool:
    return hasattr(getattr(self, "estimator_", self.estimator), "predict_proba")


class CostSensitiveClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Choose for each row the action that costs least on average, given a classifier's posterior.

    scikit-learn's FixedThresholdClassifier and TunedThresholdClassifierCV choose one threshold for all
    rows. This one takes any number of classes and actions, and costs that differ from row to row.

    Parameters
    ----------
    estimator : classifier
        With a ``predict_proba`` whose probabilities can be trusted, for example FocalXGBClassifier.
    costs : array of shape (K, A), optional
        Cost of each of A actions for each class, in the order of ``classes_``. None: every wrong class
        costs 1, so that the most probable class is predicted.

    Attributes
    ----------
    estimator_ : classifier
        The fitted one.
    classes_ : array of shape (K,)

    Raises
    ------
    ValueError
        At ``predict`` and ``score``: costs of another shape or not finite.

    Notes
    -----
    If there are as many actions as classes, action k is to predict ``classes_[k]``, and ``predict``
    returns labels. Else it returns the numbers of the actions.

    With metadata routing, ``set_score_request(costs=True)`` lets ``cross_validate(..., params={"costs":
    costs})`` score each row by its own costs, and ``set_fit_request`` of ``estimator`` asks for
    ``sample_weight``.

    References
    ----------
    C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from focalboost.decisions import alert_costs
    >>> X = np.arange(8.0).reshape(-1, 1); y = X[:, 0] > 5
    >>> classifier = CostSensitiveClassifier(LogisticRegression()).fit(X, y)
    >>> amount = np.array([1.0, 90.0, 1.0, 90.0])
    >>> classifier.predict([[3.0], [3.0], [7.0], [7.0]], costs=alert_costs(amount, alert_cost=2.0))
    array([False,  True, False,  True])
    """

    def __init__(self, estimator: Any, *, costs: ArrayLike | None = None) -> None:
        self.estimator = estimator
        self.costs = costs

    def fit(self, X: Any, y: ArrayLike, **params: Any) -> Self:
        """Fit a clone of ``estimator``; further parameters go to its ``fit``."""
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).estimator.fit
        self.estimator_ = clone(self.estimator).fit(X, y, **params)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels of the fitted classifier, shape (K,)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.classes_)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Return the posterior of the classifier, (n, K)."""
        check_is_fitted(self, "estimator_")
        return np.asarray(self.estimator_.predict_proba(X))

    def predict(self, X: Any, costs: ArrayLike | None = None) -> NDArray[Any]:
        """Return the cheapest action of each row.

        Parameters
        ----------
        X : array or frame of shape (n, p)
        costs : array of shape (K, A), or (n, K, A), optional
            None: those of the constructor.

        Returns
        -------
        array of shape (n,)
            Labels, or numbers of actions if there are more or fewer than classes.
        """
        eta, matrix = self.predict_proba(X), self._costs(costs)
        action = decisions.decide(eta, matrix)
        return np.asarray(self.classes_[action]) if matrix.shape[-1] == eta.shape[1] else action

    def score(self, X: Any, y: ArrayLike, costs: ArrayLike | None = None) -> float:
        """Return minus the mean cost of the actions of ``predict``, given the true labels.

        Parameters
        ----------
        X : array or frame of shape (n, p)
        y : array of shape (n,)
        costs : array of shape (K, A), or (n, K, A), optional
            None: those of the constructor.

        Returns
        -------
        float
        """
        eta, matrix = self.predict_proba(X), self._costs(costs)
        action = decisions.decide(eta, matrix)
        code = codes_among(self.classes_, np.asarray(y), "y")
        if matrix.ndim == 2:
            return float(-matrix[code, action].mean())
        return float(-matrix[np.arange(len(action)), code, action].mean())

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what is passed on, as scikit-learn's user guide of metadata routing describes."""
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self.__class__.__name__).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=to_fit)

    def _costs(self, costs: ArrayLike | None) -> NDArray[np.float64]:
        given = self.costs if costs is None else costs
        return np.asarray(1 - np.eye(len(self.classes_)) if given is None else given)

    def __sklearn_tags__(self) -> Any:
        """Take missing values, sparse data and labels as the classifier does."""
        from sklearn.utils import get_tags

        tags, of_estimator = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = of_estimator.input_tags
        tags.classifier_tags = of_estimator.classifier_tags
        return tags
