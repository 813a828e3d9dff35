"""How well predictions match the responses of single trials: pure functions, one value per neuron.

Shapes: ``prediction`` [n_images, n_neurons]; ``repeats`` [n_repeats, n_images, n_neurons], NaN
where a trial was not recorded. The quantities are those of Cadena et al. 2019 (PLOS Comput. Biol.
15(4): e1006897) and Burg et al. 2021 (PLOS Comput. Biol. 17(6): e1009028).
"""

import numpy as np
from numpy.typing import ArrayLike

from v1lib.correlation import CONSTANT_RANGE


def trial_correlation(prediction: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """Pearson r between the prediction for an image and every single response to it.

    Returns:
        float64 [n_neurons]; NaN where either side is constant over the recorded trials, which the
        papers count as 0 when they average.
    """
    repeats = _trials(repeats)
    recorded = ~np.isnan(repeats)
    predicted = np.where(recorded, np.asarray(prediction, dtype=np.float64), np.nan)
    defined = ~(_is_constant(predicted) | _is_constant(repeats))
    x = predicted - _mean(predicted, (0, 1))
    y = repeats - _mean(repeats, (0, 1))
    scale = np.sqrt(np.nansum(x**2, (0, 1)) * np.nansum(y**2, (0, 1)))
    r = np.full(repeats.shape[2], np.nan)
    np.divide(np.nansum(x * y, (0, 1)), scale, out=r, where=defined & (scale > 0))
    return r


def trial_error(prediction: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """Mean squared error over all recorded trials, in squared units of the response."""
    error = _trials(repeats) - np.asarray(prediction, dtype=np.float64)
    return _mean(error**2, (0, 1))


def total_variance(repeats: np.ndarray) -> np.ndarray:
    """Variance over all recorded trials of all images together (ddof 1)."""
    return _variance(_trials(repeats), (0, 1))


def noise_variance(repeats: np.ndarray) -> np.ndarray:
    """Variance over the trials of an image (ddof 1), mean over images with two trials or more.

    NaN for a neuron without such an image.
    """
    return _mean(_variance(_trials(repeats), (0,)), (0,))


def explainable_variance(repeats: np.ndarray) -> np.ndarray:
    """Variance that is not noise: ``total_variance`` minus ``noise_variance``.

    An estimate, so it may be negative.

    Raises:
        ValueError: no image has more than one trial.
    """
    if len(repeats) < 2:
        raise ValueError(
            "explainable variance needs single trials: at least 2 of an image, the data have 1"
        )
    return total_variance(repeats) - noise_variance(repeats)


def explainable_share(repeats: np.ndarray) -> np.ndarray:
    """Explainable share of the variance over all trials (Lurz et al. 2021, reference section 5.4).

    Returns:
        [n_neurons], at most 1 and perhaps negative; NaN for a neuron whose responses are all equal.

    Raises:
        ValueError: no image has more than one trial.
    """
    total = total_variance(repeats)
    share = np.full(len(total), np.nan)
    return np.divide(explainable_variance(repeats), total, out=share, where=total > 0)


def explained_variance(prediction: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """Variance that the prediction explains: ``total_variance`` minus ``trial_error``."""
    return total_variance(repeats) - trial_error(prediction, repeats)


def fraction_explainable_variance(prediction: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """FEV, the explained share of the explainable variance; not clipped.

    Returns:
        [n_neurons], below 0 where predictions are worse than the mean, above 1 where the noise was
        overestimated; NaN where the explainable variance is not positive.
    """
    explainable = explainable_variance(repeats)
    fev = np.full(len(explainable), np.nan)
    explained = explained_variance(prediction, repeats)
    return np.divide(explained, explainable, out=fev, where=explainable > 0)


def _trials(repeats: ArrayLike) -> np.ndarray:
    return np.asarray(repeats, dtype=np.float64)


def _mean(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Mean of what is not NaN; NaN, without a warning, where there is nothing."""
    count = (~np.isnan(values)).sum(axes)
    mean = np.full(count.shape, np.nan)
    return np.divide(np.nansum(values, axes), count, out=mean, where=count > 0)


def _variance(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Variance (ddof 1) of what is not NaN; NaN where there are fewer than two values."""
    count = (~np.isnan(values)).sum(axes)
    centred = values - np.expand_dims(_mean(values, axes), axes)
    variance = np.full(count.shape, np.nan)
    return np.divide(np.nansum(centred**2, axes), count - 1, out=variance, where=count > 1)


def _is_constant(values: np.ndarray) -> np.ndarray:
    """As ``correlation.is_constant``, over trials and images, of what is not NaN."""
    there = ~np.isnan(values)
    low = np.where(there, values, np.inf).min((0, 1))
    high = np.where(there, values, -np.inf).max((0, 1))
    return high - low <= CONSTANT_RANGE * np.maximum(np.abs(low), np.abs(high))
