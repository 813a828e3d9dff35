"""Fit the readout of a feature regression: ridge or lasso, the penalty chosen on other images."""

import logging
import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge, lasso_path

from v1lib.feature_regression import FeatureRegression
from v1lib.splits import SPLIT_CODES

LASSO_ITERATIONS = 10_000
LASSO_SLACK = 1e-3  # of the penalty, the precision that the duality gap of scikit-learn leaves
BATCH_SIZE = 32  # images per pass through the core

log = logging.getLogger(__name__)


def fit_regression(
    model: FeatureRegression,
    stimuli: np.ndarray,
    responses: np.ndarray,
    split: np.ndarray,
    *,
    method: str,
    alphas: list[float],
    selection: str,
    features: np.ndarray | None = None,
) -> dict:
    """Fit the readout on the training images and put the weights into the model.

    Features and responses are centred on the training images and have an intercept; features are
    not standardised, and those that no image changes are left out. One penalty serves all neurons:
    that of the smallest mean squared error on the validation images (of equals the first).

    The loss of ridge is sum of squares + alpha |w|^2, that of lasso mean of squares / 2 +
    alpha |w|_1, as in scikit-learn.

    Args:
        model: gets the weights.
        stimuli: [n_images, C, H, W], raw grey values.
        responses: [n_images, n_neurons], without missing values.
        split: int [n_images], codes of ``v1lib.splits.SPLIT_CODES``.
        method: "ridge" or "lasso".
        alphas: penalties, all positive.
        selection: "validation", or "fixed" for a single penalty.
        features: float32 [n_images, n_features] from ``features_of``, where several fits share
            them; computed if not given.

    Returns:
        alpha (the chosen one), alphas and validation_losses (mean squared errors in the same order,
        NaN without validation images), n_features (that vary), n_used, fit_seconds.

    Raises:
        ValueError: an argument is not allowed, or a response is missing.
    """
    started = time.perf_counter()
    _check(responses, split, method=method, alphas=alphas, selection=selection)
    if features is None:
        features = features_of(model, stimuli)
    units = np.flatnonzero(np.ptp(features, axis=0) > 0)
    x = features[:, units].astype(np.float64)
    y = np.asarray(responses, dtype=np.float64)
    train, validation = (split == SPLIT_CODES[name] for name in ("train", "validation"))
    x_mean, y_mean = x[train].mean(axis=0), y[train].mean(axis=0)
    x -= x_mean
    fits = _METHODS[method](x[train], y[train] - y_mean, sorted(set(alphas), reverse=True))
    losses: dict[float, float] = {}
    best, chosen = np.inf, None
    for alpha, weight in fits:
        losses[alpha] = _mean_squared_error(x[validation] @ weight.T + y_mean - y[validation])
        # Of equal losses the penalty named first wins, whatever the order of fitting.
        earlier = losses[alpha] == best and alphas.index(alpha) < alphas.index(chosen[0])
        if chosen is None or losses[alpha] < best or earlier:
            best, chosen = losses[alpha], (alpha, weight.copy())
    alpha, weight = chosen
    model.readout.set_weights(units, weight, y_mean - weight @ x_mean)
    return {
        "alpha": alpha,
        "alphas": list(alphas),
        "validation_losses": [losses[alpha] for alpha in alphas],
        "n_features": len(units),
        "n_used": len(model.readout.units),
        "fit_seconds": time.perf_counter() - started,
    }


@torch.no_grad()
def features_of(model: FeatureRegression, stimuli: np.ndarray) -> np.ndarray:
    """Features float32 [n_images, n_features] of raw images [n_images, C, H, W]."""
    batches = torch.as_tensor(stimuli, dtype=torch.float32).split(BATCH_SIZE)
    return torch.cat([model.core(batch) for batch in batches]).numpy()


def _ridge(x: np.ndarray, y: np.ndarray, alphas: list[float]) -> Iterator[tuple[float, np.ndarray]]:
    """Penalties and weights [n_neurons, n_features] for centred x and y."""
    for alpha in alphas:
        yield alpha, Ridge(alpha, fit_intercept=False).fit(x, y).coef_.reshape(y.shape[1], -1)


def _lasso(x: np.ndarray, y: np.ndarray, alphas: list[float]) -> Iterator[tuple[float, np.ndarray]]:
    """As ``_ridge``; from the strongest penalty on, each starts from the weights before it.

    Of very many features (hundreds of thousands for VGG-16) a solution uses fewer than there are
    images. So each neuron is fitted on a small working set, to which the features join that would
    lower the loss, until there are none: then it is the solution with all features.
    """
    weight = np.zeros((y.shape[1], x.shape[1]))
    pull = y.T @ x / len(x)  # negative gradient of the squared loss
    for alpha in alphas:
        working = [np.flatnonzero(row) for row in weight]
        converged = np.ones(y.shape[1], dtype=bool)
        pending = np.arange(y.shape[1])
        while len(pending):
            for k in pending:
                working[k] = np.union1d(working[k], _outside(working[k], pull[k], alpha)[: len(x)])
                start = weight[k, working[k]]
                weight[k, working[k]], converged[k] = _lasso_of_few(
                    x[:, working[k]], y[:, k], alpha, start
                )
            pull[pending] = (y[:, pending] - x @ weight[pending].T).T @ x / len(x)
            pending = np.array([k for k in pending if len(_outside(working[k], pull[k], alpha))])
        if not converged.all():
            log.warning(
                "lasso with alpha %g did not converge in %d iterations for %d of %d neurons",
                *(alpha, LASSO_ITERATIONS, (~converged).sum(), len(converged)),
            )
        yield alpha, weight


def _outside(working: np.ndarray, pull: np.ndarray, alpha: float) -> np.ndarray:
    """Features outside the working set that would lower the loss, the most pulled first."""
    joining = np.setdiff1d(np.flatnonzero(np.abs(pull) > alpha * (1 + LASSO_SLACK)), working)
    return joining[np.argsort(-np.abs(pull[joining]))]


def _lasso_of_few(
    x: np.ndarray, y: np.ndarray, alpha: float, start: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Weights for one neuron, from those at the start, and whether they are the solution."""
    if not len(start):
        return start, True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        _, coefficients, _ = lasso_path(
            x,
            y,
            alphas=[alpha],
            coef_init=start,
            precompute=x.T @ x,
            Xy=x.T @ y,
            max_iter=LASSO_ITERATIONS,
        )
    return coefficients[:, 0], not caught


_METHODS = {"ridge": _ridge, "lasso": _lasso}


def _mean_squared_error(residual: np.ndarray) -> float:
    return float(np.mean(residual**2)) if residual.size else float("nan")


def _check(
    responses: np.ndarray, split: np.ndarray, *, method: str, alphas: list[float], selection: str
) -> None:
    if method not in _METHODS:
        raise ValueError(f"regression is {method!r}, allowed: {', '.join(_METHODS)}")
    if selection not in ("validation", "fixed"):
        raise ValueError(f"selection is {selection!r}, allowed: validation, fixed")
    if not alphas or min(alphas) <= 0:
        raise ValueError(f"alphas is {alphas}, expected one or more positive numbers")
    if selection == "fixed" and len(alphas) != 1:
        raise ValueError(f"alphas is {alphas}; selection: fixed takes exactly one")
    if selection == "validation" and not (split == SPLIT_CODES["validation"]).any():
        raise ValueError("selection: validation needs validation images, the split has none")
    needed = np.isin(split, [SPLIT_CODES["train"], SPLIT_CODES["validation"]])
    for image, neuron in np.argwhere(needed[:, None] & ~np.isfinite(responses))[:1]:
        raise ValueError(
            f"neuron {neuron} has no response to image {image}; regression needs the responses of "
            "every neuron to all training and validation images"
        )
