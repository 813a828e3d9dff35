"""Pearson correlation per neuron, undefined where a side is constant."""

import numpy as np

CONSTANT_RANGE = 1e-6  # of the magnitude: below it rounding alone could correlate


def correlation(prediction: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Pearson r over images for each neuron, in float64.

    Args:
        prediction, response: [n_images, n_neurons].

    Returns:
        float64 [n_neurons]; NaN where the prediction or the response is constant.
    """
    prediction, response = (np.asarray(x, dtype=np.float64) for x in (prediction, response))
    defined = ~(is_constant(prediction) | is_constant(response))
    x, y = prediction - prediction.mean(0), response - response.mean(0)
    scale = np.sqrt((x**2).sum(0) * (y**2).sum(0))
    r = np.full(prediction.shape[1], np.nan)
    np.divide((x * y).sum(0), scale, out=r, where=defined & (scale > 0))
    return r


def is_constant(values: np.ndarray) -> np.ndarray:
    """bool [n_neurons]: the values [n_images, n_neurons] of a neuron differ by rounding at most."""
    return np.ptp(values, axis=0) <= CONSTANT_RANGE * np.abs(values).max(axis=0)
