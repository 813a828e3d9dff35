"""Prediction of recorded neurons: the regression of scikit-learn, ceilings of known reliability."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import StratifiedShuffleSplit

from predict_neurons import grey_images
from predict_neurons import main as predict_neurons
from v1lib.files import read_csv
from v1lib.neural_predictivity import (
    by_recorded_images,
    correlations,
    gram,
    normalised,
    predicted,
    random_splits,
    spearman_brown,
    split_half_ceilings,
)
from v1lib.recording import Recording
from v1lib.screen import placed
from v1lib.v1_runs import subject_runs

CELLS = {
    "kind": "cells",
    "screen": {"degrees": 8.0, "centre_deg": [0, 0]},
    "size_px": 24,
    "seed": 0,
    "dataset": "grating_cells",
    "cells": {
        "n_near": 60,
        "n_far": 0,
        "near_deg": 2.0,
        "far_deg": [0, 0],
        "frequency": [0.3, 0.9],
        "cycles": [0.3, 0.5],
        "share_complex": 0.5,
        "share_without_surround": 0.5,
        "surround": [0.5, 2.0],
        "surround_ratio": [2.0, 3.0],
        "baseline": 0.1,
    },
}
SETTINGS = {
    "image_degrees": 8.0,
    "n_components": 25,
    "n_splits": 4,
    "test_share": 0.1,
    "n_halves": 4,
    "stratified": False,
    "seed": 1,
}


def made_up(n_images, n_units, n_neurons, n_factors=12, noise=1.0):
    rng = np.random.default_rng(n_images + n_units)
    factors = rng.standard_normal((n_images, n_factors))
    features = factors @ rng.standard_normal((n_factors, n_units))
    features += 0.5 * rng.standard_normal(features.shape) + 3
    responses = factors @ rng.standard_normal((n_factors, n_neurons))
    responses += noise * rng.standard_normal(responses.shape) + 7
    return features.astype(np.float32), responses


# ---- regression --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_images", "n_units", "n_neurons", "n_components"),
    [(120, 5000, 20, 25), (60, 40, 5, 25), (120, 500, 1, 25), (50, 30, 4, 30), (90, 700, 102, 25)],
)
def test_predictions_are_those_of_scikit_learn(n_images, n_units, n_neurons, n_components):
    features, responses = made_up(n_images, n_units, n_neurons)
    products = gram(features)
    for train, test in random_splits(n_images, n_splits=2, test_share=0.1, seed=1):
        fitted = PLSRegression(n_components=n_components, scale=False)
        fitted.fit(features[train].astype(np.float64), responses[train])
        expected = fitted.predict(features[test].astype(np.float64)).reshape(len(test), -1)
        found = predicted(products, responses, (train, test), n_components=n_components)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_features_of_few_dimensions_are_enough():
    """More components than the features have dimensions: nothing is left to explain."""
    features, responses = made_up(60, 3, 4)
    train, test = random_splits(60, n_splits=1, test_share=0.2, seed=0)[0]
    found = predicted(gram(features), responses, (train, test), n_components=25)
    design = np.column_stack([np.ones(60), features])
    weights = np.linalg.lstsq(design[train], responses[train], rcond=None)[0]
    np.testing.assert_allclose(found, design[test] @ weights, rtol=1e-5)


def test_constant_responses_are_predicted_as_such():
    features, responses = made_up(40, 100, 3)
    responses[:, 1] = 4.0
    split = (np.arange(30), np.arange(30, 40))
    found = predicted(gram(features), responses, split, n_components=5)
    np.testing.assert_allclose(found[:, 1], 4)
    assert np.isnan(
        correlations(gram(features), responses, [split], n_components=5)[0]
    ).tolist() == [False, True, False]
    flat = predicted(gram(features), np.full((40, 2), 4.0), split, n_components=5)
    np.testing.assert_allclose(flat, 4)


def test_test_responses_do_not_reach_the_regression():
    features, responses = made_up(60, 200, 4)
    train, test = np.arange(50), np.arange(50, 60)
    other = responses.copy()
    other[test] = -99
    first, second = (
        predicted(gram(features), values, (train, test), n_components=10)
        for values in (responses, other)
    )
    np.testing.assert_array_equal(first, second)


def test_impossible_regressions_are_refused():
    features, responses = made_up(30, 20, 2)
    split = (np.arange(20), np.arange(20, 30))
    with pytest.raises(ValueError, match="25 components need as many training images, not 20"):
        predicted(gram(features), responses, split, n_components=25)
    responses[3, 0] = np.nan
    with pytest.raises(ValueError, match="training response is missing"):
        predicted(gram(features), responses, split, n_components=5)


def test_inner_products_are_about_the_mean_image():
    features = np.random.default_rng(0).standard_normal((9, 5000)).astype(np.float32) + 10
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(gram(features), centred @ centred.T, rtol=1e-9, atol=1e-9)


def test_splits_keep_the_shares_of_strata():
    strata = np.repeat(["noise", "texture"], [60, 30])
    splits = random_splits(90, n_splits=10, test_share=0.1, seed=1, strata=strata)
    assert len(splits) == 10
    for train, test in splits:
        assert (strata[test] == "texture").sum() == 3 and len(test) == 9
        assert sorted([*train, *test]) == list(range(90))
    expected = StratifiedShuffleSplit(n_splits=10, train_size=0.9, random_state=1)
    for found, (train, test) in zip(splits, expected.split(strata, strata), strict=True):
        np.testing.assert_array_equal(found[0], train)
        np.testing.assert_array_equal(found[1], test)


# ---- ceilings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_ceilings_of_neurons_of_known_reliability(noise):
    """Reliability of the mean of 20 trials: var(signal) / (var(signal) + var(noise) / 20)."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((400, 30))
    repeats = signal + noise * rng.standard_normal((20, 400, 30))
    found = split_half_ceilings(repeats, n_halves=10, seed=1)
    assert found.shape == (10, 30)
    expected = 1 / (1 + noise**2 / 20)
    assert np.median(found, axis=1).mean() == pytest.approx(expected, abs=0.01)


def test_missing_trials_leave_images_out():
    rng = np.random.default_rng(1)
    repeats = rng.standard_normal((400, 2)) + 0.5 * rng.standard_normal((4, 400, 2))
    repeats[:, :100, 0] = np.nan
    repeats[1:, :, 1] = np.nan
    found = split_half_ceilings(repeats, n_halves=3, seed=0)
    assert (found[:, 0] > 0.85).all()
    assert np.isnan(found[:, 1]).all()
    assert np.isnan(split_half_ceilings(repeats[:1], n_halves=3, seed=0)).all()


def test_both_normalisations_of_the_published_value():
    """AlexNet, FreemanZiemba2013.V1-pls: r and ceiling of Brain-Score's tests."""
    found = normalised(0.466222, 0.873345)
    assert found["predictivity"] == pytest.approx(0.285, abs=5e-4)
    assert found["predictivity_2026"] == pytest.approx(0.249, abs=5e-4)
    assert spearman_brown(np.array([0.5]))[0] == pytest.approx(2 / 3)


def test_neurons_are_grouped_by_the_images_they_were_recorded_with():
    responses = np.zeros((5, 6))
    responses[:2, [1, 4]] = np.nan
    responses[4, 2] = np.nan
    responses[:, 5] = np.nan
    groups = {tuple(columns): rows.tolist() for columns, rows in by_recorded_images(responses)}
    assert groups == {(0, 3): [0, 1, 2, 3, 4], (1, 4): [2, 3, 4], (2,): [0, 1, 2, 3]}


# ---- the step ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Neurons that are noisy sums of some of the cells that predict them, and one that is not."""
    rng = np.random.default_rng(0)
    n_images, n_repeats, n_neurons = 150, 8, 12
    smooth = rng.standard_normal((n_images, 12, 12)).repeat(2, axis=1).repeat(2, axis=2)
    images = np.clip(128 + 60 * smooth, 0, 255).astype(np.float32)
    recording = Recording(
        stimuli=images[:, None],
        responses=np.zeros((n_images * n_repeats, n_neurons), dtype=np.float32),
        image_index=np.tile(np.arange(n_images), n_repeats),
        session=np.full(n_neurons, "all"),
        split=np.full(n_images, ""),
        n_averaged=np.ones(n_images * n_repeats, dtype=np.int64),
        dataset="sums_of_cells",
        source_kind="simulated",
        extras={"image_type": np.where(np.arange(n_images) % 3, "a", "b")},
    )
    (run,) = subject_runs([], [], CELLS, None)
    seen = placed(grey_images(recording), 8.0, run.subject.screen).astype(np.float32)
    drive = run.subject.respond(seen) @ rng.random((60, n_neurons)) ** 8
    drive = (drive - drive.mean(axis=0)) / drive.std(axis=0)
    drive[:, -1] = rng.standard_normal(n_images)
    noise = 0.7 * rng.standard_normal((n_repeats, n_images, n_neurons))
    recording.responses[:] = (drive + noise).reshape(-1, n_neurons)
    path = tmp_path_factory.mktemp("sums") / "recording.npz"
    recording.save(path)
    return path


def run_step(recording, folder, **settings):
    paths = {name: folder / f"{name}.csv" for name in ("neurons", "predictivity")}
    predict_neurons(
        recording=recording,
        checkpoints=[],
        own_recording=[],
        **paths,
        subject=CELLS,
        settings=SETTINGS | settings,
        device="cpu",
        threads=1,
        gpu=0,
    )
    return {name: read_csv(path) for name, path in paths.items()}


def test_neurons_made_of_the_units_are_predicted(simulated, tmp_path):
    found = run_step(simulated, tmp_path)
    row = found["predictivity"].iloc[0]
    assert (row["n_neurons"], row["n_images"], row["n_undefined"]) == (12, 150, 0)
    expected = 1 / (1 + 0.7**2 / 8)
    assert row["ceiling"] == pytest.approx(expected, abs=0.02)
    assert row["r"] > 0.75
    assert row["predictivity"] == pytest.approx((row["r"] / row["ceiling"]) ** 2)
    assert row["predictivity_2026"] == pytest.approx(row["r"] ** 2 / row["ceiling"])
    assert (row["dataset"], row["trained_on"]) == ("sums_of_cells", "grating_cells")
    assert row["source_kind"] == "simulated"
    neurons = found["neurons"].set_index("neuron")
    assert neurons.loc[:10, "r"].min() > 0.5
    assert abs(neurons.loc[11, "r"]) < 0.4  # has nothing to do with the images
    assert list(tmp_path.glob(".*")) == []  # the features are gone


def test_strata_need_image_types(simulated, tmp_path):
    found = run_step(simulated, tmp_path, stratified=True)
    assert found["predictivity"].loc[0, "r"] > 0.7
    with np.load(simulated) as arrays:
        without = {name: arrays[name] for name in arrays.files if name != "image_type"}
    np.savez(tmp_path / "plain.npz", **without)
    with pytest.raises(ValueError, match="sums_of_cells has no image types"):
        run_step(tmp_path / "plain.npz", tmp_path, stratified=True)


def test_settings_are_checked(simulated, tmp_path):
    with pytest.raises(ValueError, match="n_component'"):
        run_step(simulated, tmp_path, n_component=25)


def test_averages_have_no_ceiling(simulated, tmp_path):
    with np.load(simulated) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    for name in ("responses", "image_index", "n_averaged"):
        content[name] = content[name][:150]
    content["responses"][:20, 0] = np.nan
    np.savez(tmp_path / "averages.npz", **content)
    found = run_step(tmp_path / "averages.npz", tmp_path)
    row = found["predictivity"].iloc[0]
    assert np.isnan(row[["ceiling", "predictivity"]].astype(float)).all()
    assert row["r"] > 0.4
    assert found["neurons"]["r"].notna().all()


def test_stimuli_become_grey_values_again():
    stimuli = np.array([[[[-3.0, -1.0], [0.002, 9.0]]]], dtype=np.float32)
    data = Recording(
        stimuli=stimuli,
        responses=np.zeros((1, 1), dtype=np.float32),
        image_index=np.zeros(1, dtype=np.int64),
        session=np.array(["a"]),
        split=np.array([""]),
        n_averaged=np.ones(1, dtype=np.int64),
        dataset="d",
        source_kind="real",
        extras={"stimulus_mean_sd": np.array([100.0, 40.0])},
    )
    assert grey_images(data).tolist() == [[[0, 60], [100, 255]]]
