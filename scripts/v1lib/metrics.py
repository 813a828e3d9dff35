"""How well predictions match responses: pure functions on arrays, one value per neuron.

Shapes: ``prediction``, ``response`` [n_images, n_neurons]; ``repeats`` (single trials)
[n_repeats, n_images, n_neurons]. Values that are not defined are NaN, never 0; what a paper makes
of them is an option where values are averaged (``fill_undefined``). Responses here are complete:
``evaluate`` takes care of images that were not recorded for some of the neurons.

A metric is one function here and one line of ``METRICS``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from v1lib.correlation import correlation, is_constant
from v1lib.oracle import (
    corrected_oracle,
    correlation_to_average,
    correlation_to_trials,
    oracle_correlation,
)
from v1lib.single_trials import (
    explainable_share,
    explainable_variance,
    explained_variance,
    fraction_explainable_variance,
    trial_correlation,
)


def dead(prediction: np.ndarray) -> np.ndarray:
    """1.0 for a neuron whose prediction is the same for all images, else 0.0.

    Kindel et al. 2019 rectify the output, so a network can fall silent for a neuron and then never
    learns it: the gradient is 0 as well.
    """
    return is_constant(prediction).astype(np.float64)


def mean_squared_error(prediction: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Mean over images of the squared error, in squared units of the response."""
    return np.mean((_double(prediction) - _double(response)) ** 2, axis=0)


def baseline_loss(response: np.ndarray, training_mean: np.ndarray) -> np.ndarray:
    """Mean squared error of predicting each neuron's mean training response [n_neurons].

    Kindel et al. 2019, runnet.py, since 2018-06; its first version took the mean over the test
    images instead.
    """
    return mean_squared_error(_double(training_mean)[None, :], response)


def fraction_variance_explained(loss: ArrayLike, baseline: ArrayLike) -> float:
    """1 - sum(loss) / sum(baseline) over all values together, as runnet.py prints it ("FVE").

    Pairs with a NaN on either side do not count.

    Returns:
        At most 1, negative where predictions are worse than the mean training response; NaN when
        nothing is left or the responses do not vary.
    """
    loss, baseline = np.broadcast_arrays(_double(loss), _double(baseline))
    counted = ~(np.isnan(loss) | np.isnan(baseline))
    total = baseline[counted].sum()
    return float(1 - loss[counted].sum() / total) if total > 0 else float("nan")


def response_variance(response: np.ndarray) -> np.ndarray:
    """Variance over images (ddof 0), in squared units of the response."""
    return np.var(_double(response), axis=0)


def signal_power(repeats: np.ndarray) -> np.ndarray:
    """Variance over images of a neuron's noise-free response, from single trials.

    SP = [Var(sum_n R_n) - sum_n Var(R_n)] / [N (N - 1)] with variances over images (ddof 1);
    Schoppe et al. 2016 (Front. Comput. Neurosci. 10:10), after Sahani & Linden 2003. An estimate,
    so it may be negative.

    Args:
        repeats: [n_repeats, n_images, n_neurons].

    Raises:
        ValueError: there are fewer than two repeats.
    """
    repeats = _double(repeats)
    n_repeats = len(repeats)
    if n_repeats < 2:
        raise ValueError(f"signal power needs at least 2 repeats of each image, got {n_repeats}")
    of_sum = np.var(repeats.sum(axis=0), axis=0, ddof=1)
    sum_of = np.var(repeats, axis=1, ddof=1).sum(axis=0)
    return (of_sum - sum_of) / (n_repeats * (n_repeats - 1))


def normalized_correlation(prediction: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """CC_norm = Cov(mean_n R_n, p) / sqrt(Var(p) SP), exact, from single trials.

    Schoppe et al. 2016: the correlation of the prediction with the noise-free response.

    Args:
        prediction: [n_images, n_neurons].
        repeats: [n_repeats, n_images, n_neurons].

    Returns:
        [n_neurons] as ``normalized_by_signal_power``.
    """
    return normalized_by_signal_power(
        prediction, _double(repeats).mean(axis=0), signal_power(repeats)
    )


def poisson_signal_power(
    response: np.ndarray, *, n_averaged: ArrayLike, fano: float = 1.0
) -> np.ndarray:
    """Poisson surrogate of the signal power: Var(y) - fano * mean(y) / n_averaged (ddof 1).

    For responses that are means over trials without the trials themselves: it assumes that the
    variance over trials is ``fano`` times the mean. Wrong where that does not hold.

    Args:
        response: [n_images, n_neurons], means over trials of spike counts.
        n_averaged: trials averaged; one number, or one per image [n_images].
        fano: variance over mean of the count of a single trial; 1 for a Poisson process.
    """
    response = _double(response)
    trials = np.broadcast_to(_double(n_averaged), len(response))
    noise = np.mean(fano * response / trials[:, None], axis=0)
    return np.var(response, axis=0, ddof=1) - noise


def normalized_by_signal_power(
    prediction: np.ndarray, response: np.ndarray, power: np.ndarray
) -> np.ndarray:
    """Cov(p, y) / sqrt(Var(p) SP), with ddof 1 throughout.

    Args:
        prediction, response: [n_images, n_neurons]; the response averaged over trials.
        power: signal power [n_neurons], exact or surrogate.

    Returns:
        [n_neurons], clipped to [-1, 1] (an estimated signal power may be too small); NaN where the
        signal power is not positive, else 0 where the prediction is constant.
    """
    prediction, response, power = _double(prediction), _double(response), _double(power)
    covariance = np.sum(_centred(prediction) * _centred(response), axis=0) / (len(response) - 1)
    scale = np.sqrt(np.var(prediction, axis=0, ddof=1) * np.where(power > 0, power, np.nan))
    constant = is_constant(prediction)
    ratio = covariance / np.where(constant, np.nan, scale)
    return np.where(constant & (power > 0), 0.0, np.clip(ratio, -1.0, 1.0))


def noise_ceiling(response: np.ndarray, power: np.ndarray) -> np.ndarray:
    """sqrt(SP / Var(y)): the correlation with y that the noise-free response itself would have.

    Args:
        response: [n_images, n_neurons], averaged over trials.
        power: signal power [n_neurons], exact or surrogate.

    Returns:
        [n_neurons]; NaN where the signal power is not positive.
    """
    power = _double(power)
    variance = np.var(_double(response), axis=0, ddof=1)
    return np.sqrt(np.divide(power, variance, out=np.full_like(power, np.nan), where=power > 0))


def orientation_selectivity(tuning: np.ndarray, orientations_deg: np.ndarray) -> np.ndarray:
    """Orientation selectivity index, 1 - circular variance: |sum_k r_k exp(2i theta_k)| / sum r_k.

    Args:
        tuning: [n_orientations, n_neurons], mean responses, not negative.
        orientations_deg: [n_orientations], evenly spaced over 180 or 360 degrees.

    Returns:
        [n_neurons] within [0, 1]: 0 for equal responses to all orientations, 1 for a response to
        one only; NaN for a neuron without any response.

    Raises:
        ValueError: a response is negative (rectify model outputs first).
    """
    total, vector = _orientation_vector(tuning, orientations_deg)
    return np.divide(np.abs(vector), total, out=np.full_like(total, np.nan), where=total > 0)


def preferred_orientation(tuning: np.ndarray, orientations_deg: np.ndarray) -> np.ndarray:
    """Direction of the vector sum of ``orientation_selectivity``, in degrees within [0, 180).

    NaN for a neuron without any response.
    """
    total, vector = _orientation_vector(tuning, orientations_deg)
    return np.where(total > 0, np.rad2deg(np.angle(vector)) / 2 % 180, np.nan)


def fill_undefined(values: ArrayLike, value: float = 0.0) -> np.ndarray:
    """Copy of the values with NaN replaced: a paper's convention, applied only when averaging.

    Kindel et al. 2019 (runnet.py) count an undefined correlation as 0.
    """
    values = _double(values)
    return np.where(np.isnan(values), value, values)


@dataclass(frozen=True)
class Evaluation:
    """All that a metric may look at, for one network.

    Attributes:
        prediction: [n_test_images, n_neurons]; "test" here is any set of images to be scored.
        response: [n_test_images, n_neurons], averaged over trials; NaN where not recorded.
        training_mean: [n_neurons], mean response over the training images.
        mean_response: [n_neurons], mean response over all images of the data set.
        n_averaged: [n_test_images], trials averaged in each response.
        repeats: [n_repeats, n_test_images, n_neurons], the responses one by one, each trial once;
            NaN where not recorded. One repeat for data that come averaged.
        fano: assumed variance over mean of single trials, for the Poisson surrogates.
    """

    prediction: np.ndarray
    response: np.ndarray
    training_mean: np.ndarray
    mean_response: np.ndarray
    n_averaged: np.ndarray
    repeats: np.ndarray
    fano: float = 1.0

    @property
    def poisson_power(self) -> np.ndarray:
        """Poisson surrogate of the signal power [n_neurons]."""
        return poisson_signal_power(self.response, n_averaged=self.n_averaged, fano=self.fano)

    def part(self, images: np.ndarray, neurons: np.ndarray) -> "Evaluation":
        """The same for some of the test images and neurons (boolean masks)."""
        return replace(
            self,
            prediction=self.prediction[np.ix_(images, neurons)],
            response=self.response[np.ix_(images, neurons)],
            training_mean=self.training_mean[neurons],
            mean_response=self.mean_response[neurons],
            n_averaged=self.n_averaged[images],
            repeats=self.repeats[:, images][:, :, neurons],
        )


METRICS: Mapping[str, Callable[[Evaluation], np.ndarray]] = {
    "correlation": lambda e: correlation(e.prediction, e.response),
    "loss": lambda e: mean_squared_error(e.prediction, e.response),
    "baseline_loss": lambda e: baseline_loss(e.response, e.training_mean),
    "response_variance": lambda e: response_variance(e.response),
    "mean_response": lambda e: e.mean_response,
    "dead": lambda e: dead(e.prediction),
    "signal_power_surrogate": lambda e: e.poisson_power,
    "cc_norm_surrogate": lambda e: normalized_by_signal_power(
        e.prediction, e.response, e.poisson_power
    ),
    "ceiling_surrogate": lambda e: noise_ceiling(e.response, e.poisson_power),
    "fev": lambda e: fraction_explainable_variance(e.prediction, e.repeats),
    "explained_variance": lambda e: explained_variance(e.prediction, e.repeats),
    "explainable_variance": lambda e: explainable_variance(e.repeats),
    "explainable_share": lambda e: explainable_share(e.repeats),
    "trial_correlation": lambda e: trial_correlation(e.prediction, e.repeats),
    "correlation_to_trials": lambda e: correlation_to_trials(e.prediction, e.repeats),
    "correlation_to_average": lambda e: correlation_to_average(e.prediction, e.repeats),
    "oracle_correlation": lambda e: oracle_correlation(e.repeats),
    "corrected_oracle": lambda e: corrected_oracle(e.repeats),
}

# Those that do not look at the prediction: the same for every network scored on the same images.
OF_RESPONSES = frozenset(
    {
        "response_variance",
        "mean_response",
        "signal_power_surrogate",
        "ceiling_surrogate",
        "explainable_variance",
        "explainable_share",
        "oracle_correlation",
        "corrected_oracle",
    }
)


def evaluate(evaluation: Evaluation, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """Metrics by name, each [n_neurons], over the images recorded for a neuron.

    A neuron recorded for fewer than two of the test images has NaN in every metric.

    Raises:
        ValueError: a name is not in ``METRICS``.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {unknown[0]!r}; allowed: {sorted(METRICS)}")
    recorded = ~np.isnan(evaluation.response)
    if len(recorded) > 1 and recorded.all():
        return {name: METRICS[name](evaluation) for name in metrics}
    values = {name: np.full(recorded.shape[1], np.nan) for name in metrics}
    patterns, pattern_of_neuron = np.unique(recorded, axis=1, return_inverse=True)
    for number, images in enumerate(patterns.T):
        if images.sum() < 2:
            continue
        neurons = pattern_of_neuron.ravel() == number
        part = evaluation.part(images, neurons)
        for name in metrics:
            values[name][neurons] = METRICS[name](part)
    return values


def _double(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=0)


def _orientation_vector(
    tuning: np.ndarray, orientations_deg: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    tuning = _double(tuning)
    if (tuning < 0).any():
        raise ValueError(
            f"the smallest response is {np.nanmin(tuning):.4g}; orientation selectivity needs "
            "responses that are not negative"
        )
    turn = np.exp(2j * np.deg2rad(_double(orientations_deg)))
    return tuning.sum(axis=0), np.tensordot(turn, tuning, axes=1)
