"""Metrics: worked by hand, at their limits, against stored values, and where they must fail."""

from pathlib import Path

import numpy as np
import pytest

from v1lib.correlation import correlation
from v1lib.kindel2019_archive import read_sessions
from v1lib.metrics import (
    METRICS,
    OF_RESPONSES,
    Evaluation,
    baseline_loss,
    dead,
    evaluate,
    fill_undefined,
    fraction_variance_explained,
    mean_squared_error,
    noise_ceiling,
    normalized_by_signal_power,
    normalized_correlation,
    orientation_selectivity,
    poisson_signal_power,
    preferred_orientation,
    response_variance,
    signal_power,
)

ARCHIVE = Path(__file__).resolve().parents[1] / "../shared/data/kindel2019/data.tar.gz"

# Three neurons, four images. Neuron 0 is predicted up to scale, 1 backwards, 2 not at all.
RESPONSE = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 0.0], [2.0, 3.0, 2.0], [3.0, 4.0, 0.0]])
PREDICTION = np.array([[0.0, 4.0, 1.0], [2.0, 3.0, 1.0], [4.0, 2.0, 1.0], [6.0, 1.0, 1.0]])


def simulated_counts(
    rates: np.ndarray, n_repeats: int, seed: int, *, gain_variance: float = 0.0
) -> np.ndarray:
    """Poisson counts [n_repeats, n_images, n_neurons]; a gain shared by nothing over-disperses."""
    rng = np.random.default_rng(seed)
    shape = (n_repeats, *rates.shape)
    gain = rng.gamma(1 / gain_variance, gain_variance, shape) if gain_variance else np.ones(shape)
    return rng.poisson(rates * gain).astype(float)


def tuned_rates(n_images: int = 400, n_neurons: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.7, 1.2, (n_images, n_neurons))


def test_three_neurons_by_hand():
    np.testing.assert_allclose(correlation(PREDICTION, RESPONSE), [1, -1, np.nan])
    np.testing.assert_allclose(mean_squared_error(PREDICTION, RESPONSE), [14 / 4, 20 / 4, 1])
    np.testing.assert_allclose(baseline_loss(RESPONSE, np.array([1.0, 2.5, 0.0])), [1.5, 1.25, 2])
    np.testing.assert_allclose(response_variance(RESPONSE), [1.25, 1.25, 1])
    np.testing.assert_array_equal(dead(PREDICTION), [0, 0, 1])
    # Var(y) with ddof 1 is 5/3, 5/3, 4/3; the noise is mean/2 = 0.75, 1.25, 0.5 for 2 trials.
    power = poisson_signal_power(RESPONSE, n_averaged=2)
    np.testing.assert_allclose(power, [5 / 3 - 0.75, 5 / 3 - 1.25, 4 / 3 - 0.5])
    np.testing.assert_allclose(noise_ceiling(RESPONSE, power)[0], np.sqrt((5 / 3 - 0.75) / (5 / 3)))
    # Cov = 10/3, Var(p) = 20/3, SP = 11/12: 10/3 / sqrt(55/9) = 1.348, clipped to 1.
    np.testing.assert_allclose(normalized_by_signal_power(PREDICTION, RESPONSE, power), [1, -1, 0])
    larger = np.array([2.0, 5.0, 1.0])
    np.testing.assert_allclose(
        normalized_by_signal_power(PREDICTION, RESPONSE, larger)[:2],
        [10 / 3 / np.sqrt(20 / 3 * 2), -5 / 3 / np.sqrt(5 / 3 * 5)],
    )


def test_signal_power_by_hand():
    repeats = np.array([[[0.0], [2.0], [4.0]], [[2.0], [2.0], [2.0]]])
    # Sum over repeats 2, 4, 6 has variance 4; the repeats have 4 and 0; so (4 - 4) / 2.
    assert signal_power(repeats) == pytest.approx([0])
    assert signal_power(np.concatenate([repeats[:1]] * 2)) == pytest.approx([4])
    with pytest.raises(ValueError, match="at least 2 repeats"):
        signal_power(repeats[:1])


def test_identity_is_one_and_shuffled_is_near_zero():
    rates = tuned_rates()
    assert correlation(rates, rates) == pytest.approx(np.ones(60))
    assert fraction_variance_explained(
        mean_squared_error(rates, rates), response_variance(rates)
    ) == pytest.approx(1)
    shuffled = np.random.default_rng(1).permuted(rates, axis=0)
    counts = simulated_counts(rates, 20, seed=2)
    # A mean over 60 neurons of 400 images each: its standard error is 0.05 / sqrt(60).
    assert abs(correlation(shuffled, rates).mean()) < 0.03
    assert abs(normalized_correlation(shuffled, counts).mean()) < 0.03


def test_correlation_agrees_with_stored_values(golden):
    case = golden("kindel2019/pearson_metric.npz")
    r = correlation(case["prediction"], case["activity"])
    np.testing.assert_allclose(
        fill_undefined(r, 0.0), case["pearson_r_per_cell"], rtol=1e-6, atol=1e-9
    )
    assert fill_undefined(r).mean() == pytest.approx(float(case["mean_r"]))
    assert np.isnan(r[2]) and np.isnan(r).sum() == 1


def test_correlation_agrees_with_stored_network_outputs(golden):
    case = golden("kindel2019/published_network_session02.npz")
    r = correlation(case["output"], case["activity"])
    expected = case["pearson_r_per_cell_on_these_images"]
    np.testing.assert_allclose(fill_undefined(r), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(r), dead(case["output"]) == 1)


def test_baseline_agrees_with_the_original_code(golden):
    case = golden("kindel2019/data_split.npz")
    if not ARCHIVE.is_file():
        pytest.skip(f"no archive of Kindel et al. 2019 at {ARCHIVE}")
    response = read_sessions(ARCHIVE, ["01"], n_repeats=20)["01"].activity
    training_mean = response[case["train_indices"]].mean(axis=0)
    test = response[case["eval_indices"]]
    found = baseline_loss(test, training_mean).mean()
    assert found == pytest.approx(float(case["mean_baseline_mse_eval"]), rel=1e-5)
    assert response_variance(test).mean() == pytest.approx(
        float(case["eval_variance_mean"]), rel=1e-5
    )


def test_constant_prediction_is_undefined_in_spite_of_rounding():
    response = tuned_rates(n_images=52, n_neurons=3)
    prediction = np.full((52, 3), 0.3, dtype=np.float32)
    prediction[::2, 1] = np.nextafter(np.float32(0.3), np.float32(1))
    prediction[0, 2] = 0.31
    assert np.isnan(correlation(prediction, response)[:2]).all()
    assert np.isfinite(correlation(prediction, response)[2])
    np.testing.assert_array_equal(dead(prediction), [1, 1, 0])
    assert np.isnan(correlation(response, prediction)[0])


def test_normalized_correlation_of_the_true_rate_is_one():
    rates = tuned_rates()
    counts = simulated_counts(rates, 20, seed=3)
    plain = correlation(rates, counts.mean(axis=0))
    power = signal_power(counts)
    unclipped = plain * np.sqrt(np.var(counts.mean(0), axis=0, ddof=1) / power)
    assert unclipped.mean() == pytest.approx(1, abs=0.005)
    assert normalized_correlation(rates, counts) == pytest.approx(np.minimum(unclipped, 1))
    assert plain.mean() < 0.98
    np.testing.assert_allclose(power.mean(), np.var(rates, axis=0, ddof=1).mean(), rtol=0.02)
    np.testing.assert_allclose(noise_ceiling(counts.mean(0), power), plain, atol=0.03)


def test_normalized_correlation_sees_a_partly_wrong_prediction():
    rates = tuned_rates()
    unrelated = np.random.default_rng(5).permuted(rates, axis=0)
    mixed = rates + unrelated
    expected = correlation(mixed, rates)
    found = normalized_correlation(mixed, simulated_counts(rates, 20, seed=6))
    assert expected.mean() == pytest.approx(1 / np.sqrt(2), abs=0.01)
    np.testing.assert_allclose(found, expected, atol=0.08)
    assert (found - expected).mean() == pytest.approx(0, abs=0.01)


def test_surrogate_equals_the_exact_form_for_poisson_and_not_otherwise():
    rates = tuned_rates()
    errors = {}
    for name, gain_variance in {"poisson": 0.0, "over-dispersed": 2.0}.items():
        counts = simulated_counts(rates, 20, seed=7, gain_variance=gain_variance)
        exact = signal_power(counts)
        surrogate = poisson_signal_power(counts.mean(axis=0), n_averaged=20)
        errors[name] = float(np.mean(surrogate / exact - 1))
    assert errors["poisson"] == pytest.approx(0, abs=0.01)
    # The noise above Poisson is taken for signal, so the ceiling comes out too high.
    assert errors["over-dispersed"] > 0.1


def test_fano_and_number_of_trials_set_the_assumed_noise():
    response = tuned_rates(n_images=50, n_neurons=4)
    variance = np.var(response, axis=0, ddof=1)
    noise = {
        (fano, n): variance - poisson_signal_power(response, n_averaged=n, fano=fano)
        for fano, n in [(1, 20), (2, 20), (1, 10)]
    }
    np.testing.assert_allclose(noise[1, 20], response.mean(axis=0) / 20)
    np.testing.assert_allclose(noise[2, 20], noise[1, 10])
    per_image = poisson_signal_power(response, n_averaged=np.r_[np.full(49, 20), 1])
    np.testing.assert_allclose(
        variance - per_image, (response[:49].sum(0) / 20 + response[49]) / 50
    )


def test_no_signal_is_undefined_and_is_not_hidden_by_a_dead_output():
    silent = np.zeros((52, 3))
    silent[:2, 1:] = 0.05
    power = poisson_signal_power(silent, n_averaged=20)
    assert (power <= 0).all()
    prediction = np.column_stack([np.arange(52), np.arange(52), np.ones(52)])
    assert np.isnan(normalized_by_signal_power(prediction, silent, power)).all()
    assert np.isnan(noise_ceiling(silent, power)).all()


def test_fraction_variance_explained_pools_neurons_and_skips_undefined_ones():
    loss, baseline = np.array([1.0, 3.0, np.nan]), np.array([2.0, 8.0, 5.0])
    assert fraction_variance_explained(loss, baseline) == pytest.approx(1 - 4 / 10)
    assert fraction_variance_explained([3.0], [2.0]) == pytest.approx(-0.5)
    assert np.isnan(fraction_variance_explained([np.nan], [2.0]))


def test_orientation_selectivity_of_known_tuning_curves():
    orientations = np.arange(16) * 180 / 16
    flat, sharp = np.full(16, 3.0), np.eye(16)[5] * 7
    cosine = 1 + 0.6 * np.cos(2 * np.deg2rad(orientations - 30))
    tuning = np.column_stack([flat, sharp, cosine, np.zeros(16)])
    found = orientation_selectivity(tuning, orientations)
    np.testing.assert_allclose(found, [0, 1, 0.3, np.nan], atol=1e-12)
    preferred = preferred_orientation(tuning, orientations)
    np.testing.assert_allclose(preferred[1:3], [orientations[5], 30])
    assert np.isnan(preferred[3])
    with pytest.raises(ValueError, match="not negative"):
        orientation_selectivity(tuning - 1, orientations)


def evaluation(response: np.ndarray) -> Evaluation:
    n_images, n_neurons = response.shape
    rng = np.random.default_rng(8)
    return Evaluation(
        prediction=response + rng.normal(0, 0.5, response.shape),
        response=response,
        training_mean=np.ones(n_neurons),
        mean_response=response.mean(axis=0),
        n_averaged=np.full(n_images, 20),
        repeats=simulated_counts(response, 4, seed=9),
    )


def test_every_metric_gives_one_number_per_neuron():
    whole = evaluation(tuned_rates(n_images=52, n_neurons=7))
    for name, values in evaluate(whole, list(METRICS)).items():
        assert values.shape == (7,) and np.isfinite(values).all(), name


def test_metrics_of_the_responses_alone_are_those_that_no_prediction_changes():
    one = evaluation(tuned_rates(n_images=52, n_neurons=7))
    other = Evaluation(
        **{**vars(one), "prediction": np.ones((52, 7)), "training_mean": np.zeros(7)}
    )
    found, changed = (evaluate(each, list(METRICS)) for each in (one, other))
    same = {name for name in METRICS if np.array_equal(found[name], changed[name])}
    assert same == OF_RESPONSES


def test_images_that_were_not_recorded_do_not_count():
    response = tuned_rates(n_images=52, n_neurons=7)
    holes = response.copy()
    holes[10:, 3] = np.nan
    holes[1:, 5] = np.nan
    full, partial = evaluation(response), evaluation(response)
    partial = Evaluation(**{**vars(partial), "response": holes})
    found = evaluate(partial, list(METRICS))
    complete = evaluate(full, list(METRICS))
    short = evaluate(full.part(np.arange(52) < 10, np.arange(7) == 3), list(METRICS))
    for name in METRICS:
        untouched = [0, 1, 2, 4, 6]
        np.testing.assert_allclose(
            found[name][untouched], complete[name][untouched], rtol=1e-12, err_msg=name
        )
        assert found[name][3] == pytest.approx(short[name][0], rel=1e-12), name
        assert np.isnan(found[name][5])


def test_unknown_metric_is_named():
    with pytest.raises(ValueError, match=r"'r2'.*correlation"):
        evaluate(evaluation(tuned_rates(10, 2)), ["r2"])
