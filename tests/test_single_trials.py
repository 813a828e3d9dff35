"""Metrics of single trials: the original's values, worked by hand, and where they are undefined."""

import numpy as np
import pytest

from v1lib.metrics import fill_undefined
from v1lib.recording import Recording
from v1lib.single_trials import (
    explainable_share,
    explainable_variance,
    explained_variance,
    fraction_explainable_variance,
    noise_variance,
    total_variance,
    trial_correlation,
    trial_error,
)


def own_repeats(repeats, repetitions):
    """NaN for the trials that copy a neuron's own."""
    is_copy = np.arange(len(repeats))[:, None] >= repetitions
    return np.where(is_copy[:, None, :], np.nan, repeats)


def test_correlation_as_recorded_from_the_original(golden):
    data = golden("burg2021/metrics.npz")
    mask = data["val_real_responses_mask"] == 1
    repeats = np.where(mask, data["val_responses"], np.nan)[None]
    found = trial_correlation(data["val_prediction"], repeats)
    assert np.isnan(found[1])  # its prediction is constant
    np.testing.assert_allclose(fill_undefined(found), data["val_corr_per_neuron"], rtol=1e-6)
    assert fill_undefined(found).mean() == pytest.approx(data["val_corr_average"], rel=1e-6)


def test_fev_as_recorded_from_the_original(golden):
    data = golden("burg2021/metrics.npz")
    mask = data["test_real_responses_mask"] == 1
    repeats = np.where(mask, data["test_responses"], np.nan)
    prediction = data["test_prediction"]
    own = own_repeats(repeats, data["repetitions"])
    expected = {
        "variance_explained": explained_variance(prediction, own),
        "explainable_variance": explainable_variance(own),
        "fev": fraction_explainable_variance(prediction, own),
    }
    for name, found in expected.items():
        np.testing.assert_allclose(found, data[f"test_{name}_per_neuron"], rtol=2e-6)
    fev = fraction_explainable_variance(prediction, own)
    assert fev.mean() == pytest.approx(data["test_fev_average"], rel=2e-6)
    # The original counts the copies too: twice every trial is the same mean.
    np.testing.assert_allclose(trial_error(prediction, own), trial_error(prediction, repeats))


def test_fev_of_the_reference_example():
    """Counts of three neurons, one with two repeats of its own, with images and trials missing."""
    rng = np.random.RandomState(21)
    mean = np.exp(0.8 * rng.randn(30, 3))
    repeats = rng.poisson(mean, (4, 30, 3)).astype(float)
    prediction = 0.7 * mean + 0.3 * mean.mean(0)
    repeats[2:, :, 1] = repeats[:2, :, 1]
    repeats[:, 5:9, 2] = np.nan
    repeats[3, 20, 0] = np.nan
    own = own_repeats(repeats, np.array([4, 2, 4]))
    explained = explained_variance(prediction, own)
    np.testing.assert_allclose(explained, [1.7518358, 1.2131997, 1.5861398], rtol=1e-6)
    explainable = explainable_variance(own)
    np.testing.assert_allclose(explainable, [1.7658619, 1.2734466, 1.3581648], rtol=1e-6)
    fev = fraction_explainable_variance(prediction, own)
    np.testing.assert_allclose(fev, [0.9920571, 0.95268995, 1.1678551], rtol=1e-6)
    assert fev.mean() == pytest.approx(1.0375341, rel=1e-6)
    # counted as repeats of their own, the copies would hide half of the noise
    assert noise_variance(repeats)[1] < 0.7 * noise_variance(own)[1]


def test_variances_by_hand():
    # one neuron, three images: two trials, one trial, none
    repeats = np.array([[[1.0], [6.0], [np.nan]], [[3.0], [np.nan], [np.nan]]])
    assert noise_variance(repeats) == [2.0]
    assert total_variance(repeats) == pytest.approx(np.var([1, 3, 6], ddof=1))
    prediction = np.array([[2.0], [5.0], [9.0]])
    assert trial_error(prediction, repeats) == [1.0]
    r = np.corrcoef([2, 2, 5], [1, 3, 6])[0, 1]
    assert trial_correlation(prediction, repeats) == pytest.approx(r)


def test_a_perfect_model_explains_all_there_is_and_a_constant_one_nothing():
    rng = np.random.default_rng(0)
    mean = rng.gamma(2.0, 1.0, (4000, 3))
    repeats = rng.poisson(mean, (4, *mean.shape)).astype(float)
    np.testing.assert_allclose(fraction_explainable_variance(mean, repeats), 1, atol=0.05)
    constant = np.broadcast_to(mean.mean(0), mean.shape)
    np.testing.assert_allclose(fraction_explainable_variance(constant, repeats), 0, atol=0.01)
    assert np.isnan(trial_correlation(constant, repeats)).all()


def test_without_signal_or_repeats_there_is_no_fev():
    noise = np.array([[[0.0], [4.0]], [[4.0], [0.0]]])
    assert explainable_variance(noise) < 0
    assert np.isnan(fraction_explainable_variance(np.zeros((2, 1)), noise))
    assert explainable_share(noise) < 0
    assert np.isnan(explainable_share(np.ones((2, 3, 1))))
    with pytest.raises(ValueError, match="at least 2"):
        explainable_variance(noise[:1])
    nothing = np.full((2, 5, 1), np.nan)
    assert np.isnan(trial_correlation(np.zeros((5, 1)), nothing))
    assert np.isnan(trial_error(np.zeros((5, 1)), nothing))


def test_repeats_of_a_recording_hold_each_trial_once(tmp_path):
    image_index = np.array([0, 1, 2, 1, 0, 2, 0])
    responses = np.arange(14, dtype=np.float32).reshape(7, 2)
    responses[3, 0] = np.nan
    recording = Recording(
        stimuli=np.zeros((4, 1, 3, 3), dtype=np.float32),
        responses=responses,
        image_index=image_index,
        session=np.array(["all", "all"]),
        split=np.full(4, "test"),
        n_averaged=np.ones(7, dtype=np.int64),
        dataset="toy",
        source_kind="simulated",
        extras={"n_repeats": np.array([3, 1])},
    )
    repeats = recording.repeats()
    nan = np.nan
    np.testing.assert_array_equal(
        repeats[:, :, 0], [[0, 2, 4, nan], [8, nan, 10, nan], [12, nan, nan, nan]]
    )
    np.testing.assert_array_equal(repeats[0, :, 1], [1, 3, 5, nan])
    assert np.isnan(repeats[1:, :, 1]).all()
    assert repeats.dtype == np.float32
