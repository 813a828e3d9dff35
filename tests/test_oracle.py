"""Oracle correlations and the fraction of them that a model reaches.

Of the recorded ``losses_and_measures`` the loss is tested in ``test_losses.py`` and the precision
of the responses in ``test_preprocess_lurz2020.py``.
"""

import numpy as np
import pytest

from v1lib.oracle import (
    corrected_oracle,
    correlation_to_average,
    correlation_to_trials,
    fraction_oracle,
    leave_one_out,
    oracle_correlation,
    stabilised_correlation,
)
from v1lib.single_trials import (
    explainable_share,
    fraction_explainable_variance,
)

TIGHT = {"rtol": 1e-4, "atol": 1e-5}
CASE = "lurz2021/losses_and_measures.npz"


def repeats_of(case, kind):
    """[n_repeats, n_images, n_neurons] of a golden case, NaN where there is no repeat."""
    if kind == "equal":
        return case["repeats_equal_image_repeat_neuron"].swapaxes(0, 1)
    counts, rows = case["repeats_unequal_counts"], case["repeats_unequal_stacked_rows"]
    repeats = np.full((counts.max(), len(counts), rows.shape[1]), np.nan)
    for image, trials in enumerate(np.split(rows, counts.cumsum()[:-1])):
        repeats[: len(trials), image] = trials
    return repeats


def simulated(n_repeats=4, n_images=30, n_neurons=6, noise=1.0):
    rng = np.random.default_rng(3)
    signal = rng.normal(size=(n_images, n_neurons))
    return signal, signal + noise * rng.normal(size=(n_repeats, n_images, n_neurons))


def test_correlations_agree_with_the_original(golden):
    case = golden(CASE)
    prediction, target = case["prediction"], case["target"]
    r = stabilised_correlation(prediction, target)
    np.testing.assert_allclose(r, case["corr_axis0"], **TIGHT)
    np.testing.assert_allclose(r, case["corr_loss_module"], **TIGHT)
    np.testing.assert_allclose(-r.mean(), case["avg_corr_negative"], **TIGHT)
    over_neurons = stabilised_correlation(prediction.T, target.T)
    np.testing.assert_allclose(over_neurons, case["corr_axis1"], **TIGHT)
    constant = stabilised_correlation(case["prediction_with_constant_column2"], target)
    np.testing.assert_allclose(constant, case["corr_axis0_with_constant_column"], **TIGHT)
    assert constant[2] == 0


@pytest.mark.parametrize("kind", ["equal", "unequal"])
def test_measures_of_repeats_agree_with_the_original(golden, kind):
    case = golden(CASE)
    repeats, prediction = repeats_of(case, kind), case["repeats_prediction"]
    found = {
        "oracle_jackknife": oracle_correlation(repeats),
        "oracle_corrected": corrected_oracle(repeats),
        "explainable_variance": explainable_share(repeats),
        "fraction_explainable_variance": explainable_share(repeats),
        "feve": fraction_explainable_variance(prediction, repeats),
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, case[f"{name}_{kind}"], **TIGHT, err_msg=name)


def test_fraction_oracle_agrees_with_the_original(golden):
    case = golden(CASE)
    repeats, prediction = repeats_of(case, "equal"), case["repeats_prediction"]
    r = correlation_to_trials(prediction, repeats)
    np.testing.assert_allclose(r, case["single_trial_correlation"], **TIGHT)
    average = correlation_to_average(prediction, repeats)
    np.testing.assert_allclose(average, case["correlation_to_average_response"], **TIGHT)
    oracle = oracle_correlation(repeats)
    np.testing.assert_allclose(oracle, case["oracle"], **TIGHT)
    np.testing.assert_allclose(fraction_oracle(r, oracle), case["fraction_oracle"][0], **TIGHT)
    corrected = fraction_oracle(r, corrected_oracle(repeats))
    np.testing.assert_allclose(corrected, case["fraction_oracle_corrected"][0], **TIGHT)


def test_predicting_the_other_repeats_is_worth_one_oracle_and_a_constant_nothing():
    signal, repeats = simulated()
    oracle = oracle_correlation(repeats)
    own = stabilised_correlation(leave_one_out(repeats), repeats)
    assert fraction_oracle(own, oracle) == pytest.approx(1, rel=1e-12)
    constant = correlation_to_trials(np.full_like(signal, 2.5), repeats)
    assert fraction_oracle(constant, oracle) == 0
    # The planted signal is better than the mean of three noisy repeats.
    assert fraction_oracle(correlation_to_trials(signal, repeats), oracle) > 1


def test_the_oracle_of_one_of_two_repeats_is_the_other():
    _, repeats = simulated(n_repeats=2)
    np.testing.assert_allclose(leave_one_out(repeats), repeats[::-1])


def test_missing_trials_and_single_ones_do_not_count():
    signal, repeats = simulated(n_repeats=3)
    repeats[2, 5:] = np.nan
    repeats[1, 0] = np.nan
    repeats[2, 0] = np.nan
    without = repeats[:, 1:]
    np.testing.assert_allclose(oracle_correlation(repeats), oracle_correlation(without))
    assert np.isnan(leave_one_out(repeats)[:, 0]).all()
    recorded = ~np.isnan(repeats[..., 0])
    trials = np.concatenate([repeats[:, i][recorded[:, i]] for i in range(len(signal))])
    shown = np.repeat(signal, recorded.sum(0), axis=0)
    expected = [np.corrcoef(shown[:, n], trials[:, n])[0, 1] for n in range(signal.shape[1])]
    np.testing.assert_allclose(correlation_to_trials(signal, repeats), expected, rtol=1e-6)


def test_the_corrected_oracle_estimates_the_correlation_with_the_noise_free_response():
    signal, repeats = simulated(n_repeats=200, n_images=400, noise=1.5)
    truth = correlation_to_trials(signal, repeats)
    np.testing.assert_allclose(corrected_oracle(repeats), truth, rtol=0.02)


def test_fraction_oracle_is_a_slope_over_neurons():
    oracle, r = np.array([0.1, 0.5, np.nan]), np.array([0.2, 0.4, 0.3])
    assert fraction_oracle(r, oracle) == pytest.approx((0.02 + 0.2) / (0.01 + 0.25))
    assert np.isnan(fraction_oracle(r, np.zeros(3)))


def test_an_oracle_needs_repeats_and_a_correlation_equal_shapes():
    with pytest.raises(ValueError, match="at least 2 of an image"):
        oracle_correlation(np.zeros((1, 5, 2)))
    with pytest.raises(ValueError, match="at least 2 of an image"):
        corrected_oracle(np.zeros((1, 5, 2)))
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(4, 2\)"):
        stabilised_correlation(np.zeros((3, 2)), np.zeros((4, 2)))
