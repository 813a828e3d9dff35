"""The check against the ground truth: it must see what is right and what is wrong."""

import numpy as np
import pandas as pd
import pytest

import preprocess_kindel2019
import recover_kindel2019
import simulate_kindel2019
from v1lib.files import read_csv, read_npz, write_npz
from v1lib.insilico import frame_of, gratings, orientation_tuning
from v1lib.metrics import normalized_correlation
from v1lib.predictions import Predictions
from v1lib.recording import Recording, load_recording
from v1lib.recovery import likeness, orientation_distance, planted_truth
from v1lib.simulation.population import population_of
from v1lib.splits import SPLIT_CODES

SETTINGS = {
    "seed": 3,
    "sessions": {"01": 12, "02": 5, "03": 10},
    "n_images": 270,
    "n_repeats": 20,
    "images": {"luminance": [121, 50], "contrast": [56, 18], "n_leaves": 60, "texture": 0.3},
    "cells": {
        "types": {"simple": 0.4, "complex": 0.4, "unoriented": 0.2},
        "normalized_share": 0.5,
        "semi_saturation": {"pool": 0.2, "own": 1.0},
        "wavelength_px": [5, 10],
        "sigma_per_wavelength": [0.35, 0.5],
        "centre_spread_px": 5,
        "mean_count": [0.8, 0.5, 0.3, 2.5],
        "baseline_share": [0.1, 0.4],
    },
    "gratings": {"n_orientations": 16, "n_phases": 4, "wavelength_px": 7, "contrast": 0.5},
}
SESSIONS = ["03", "01"]  # another order than that of the simulation, and not all of them
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recovery")
    simulate_kindel2019.main(
        archive=folder / "data.tar.gz", truth=folder / "truth.npz", settings=SETTINGS
    )
    preprocess_kindel2019.main(
        archive=folder / "data.tar.gz",
        recording=folder / "recording.npz",
        source_kind="simulated",
        dataset="simulated",
        settings={"sessions": SESSIONS, "n_repeats": 20},
    )
    return folder


@pytest.fixture(scope="module")
def recording(folder) -> Recording:
    return load_recording(folder / "recording.npz")


@pytest.fixture(scope="module")
def truth(folder, recording):
    return planted_truth(read_npz(folder / "truth.npz"), recording, folder / "truth.npz")


@pytest.fixture
def recover(folder, recording, truth, tmp_path):
    """Recovery table for the predictions and images given; the tuning is that of the neurons."""

    def run(prediction: np.ndarray, images: np.ndarray, neurons: np.ndarray) -> pd.DataFrame:
        predictions_of(recording, prediction).save(tmp_path / "predictions.npz")
        write_npz(
            tmp_path / "images.npz",
            neuron=neurons,
            images=images,
            images_by_seed=np.stack([images, images], axis=1),
            control=images[::-1],
            aperture=recording.extras["aperture"],
        )
        tuning_of(folder, recording).to_csv(tmp_path / "tuning.csv", index=False)
        recover_kindel2019.main(
            recording=folder / "recording.npz",
            truth=folder / "truth.npz",
            predictions=[tmp_path / "predictions.npz"],
            preferred_images=tmp_path / "images.npz",
            tuning=tmp_path / "tuning.csv",
            recovery=tmp_path / "recovery.csv",
            options={"fano": 1.0},
        )
        return read_csv(tmp_path / "recovery.csv")

    return run


def predictions_of(recording: Recording, prediction: np.ndarray) -> Predictions:
    names = recording.session_names
    codes = np.repeat([SPLIT_CODES["train"], SPLIT_CODES["test"]], [135, 135])
    rng = np.random.default_rng(0)
    return Predictions(
        seeds=np.array(SEEDS),
        session_names=np.array(names),
        session_index=np.array([names.index(session) for session in recording.session]),
        predictions=np.stack([prediction] * len(SEEDS)).astype(np.float32),
        split=np.array([[rng.permutation(codes) for _ in names] for _ in SEEDS], dtype=np.int8),
        dataset="simulated",
        model="oracle",
        source_kind="simulated",
    )


def tuning_of(folder, recording: Recording) -> pd.DataFrame:
    """In-silico tuning of the neurons themselves, in place of networks."""
    arrays = read_npz(folder / "truth.npz")
    order = np.concatenate([np.flatnonzero(arrays["session"] == name) for name in SESSIONS])
    stimuli = gratings(
        frame_of(recording), wavelengths_px=[7], n_orientations=16, n_phases=4, contrast=0.5
    )
    found = orientation_tuning(population_of(arrays).respond, stimuli)
    rows = {
        "neuron": np.arange(len(order)),
        "orientation_selectivity": found.selectivity[order],
        "preferred_orientation_deg": found.preferred_deg[order],
    }
    return pd.concat([pd.DataFrame(rows).assign(seed=seed) for seed in SEEDS])


def test_truth_follows_the_order_of_the_recording(folder, recording, truth):
    arrays = read_npz(folder / "truth.npz")
    assert recording.session_names == SESSIONS
    first_of_01 = recording.neurons_of("01")[0]
    planted = np.flatnonzero(arrays["session"] == "01")[0]
    assert truth.cell_type[first_of_01] == arrays["cell_type"][planted]
    np.testing.assert_array_equal(
        truth.filters[first_of_01, 0].astype(np.float32), arrays["receptive_field"][planted]
    )


def test_truth_of_another_simulation_is_refused(folder, recording):
    arrays = read_npz(folder / "truth.npz")
    other = {**arrays, "counts": np.roll(arrays["counts"], 1, axis=1)}
    with pytest.raises(ValueError, match="not those of the recording"):
        planted_truth(other, recording, folder / "truth.npz")
    fewer = {**arrays, "session": np.where(arrays["session"] == "01", "03", arrays["session"])}
    with pytest.raises(ValueError, match="session 03 has 22 neurons"):
        planted_truth(fewer, recording, folder / "truth.npz")
    del arrays["counts"]
    with pytest.raises(ValueError, match="'counts'"):
        planted_truth(arrays, recording, folder / "truth.npz")


def test_the_noise_free_response_predicts_as_well_as_can_be(recover, truth):
    neurons = np.arange(len(truth.cell_type))
    table = recover(truth.expected_counts, truth.filters[:, 0], neurons)
    np.testing.assert_allclose(table["correlation_expected"], 1, atol=1e-6)
    assert table["correlation"].mean() < 0.98 < table["cc_norm_exact"].mean()
    # Each estimates the ceiling in its own way, without a common bias.
    np.testing.assert_allclose(table["ceiling_exact"], table["correlation"], atol=0.2)
    assert (table["ceiling_exact"] - table["correlation"]).mean() == pytest.approx(0, abs=0.03)
    assert (table["ceiling_surrogate"] - table["ceiling_exact"]).mean() == pytest.approx(
        0, abs=0.05
    )
    assert (table["n_networks"] == 2).all() and (table["n_dead"] == 0).all()


def test_exact_values_come_from_the_single_trials_of_the_test_images(recover, truth, recording):
    noise = np.random.default_rng(1).normal(0, 0.5, truth.expected_counts.shape)
    prediction = (truth.expected_counts + noise).astype(np.float32)
    table = recover(prediction, truth.filters[:, 0], np.arange(len(truth.cell_type)))
    neurons = recording.neurons_of("01")
    split = predictions_of(recording, prediction).split[:, SESSIONS.index("01")]
    expected = []
    for codes in split:
        test = codes == SPLIT_CODES["test"]
        counts = truth.counts[:, test][..., neurons]
        expected.append(normalized_correlation(prediction[test][:, neurons], counts))
    np.testing.assert_allclose(
        table.loc[neurons, "cc_norm_exact"], np.mean(expected, axis=0), rtol=1e-5
    )


def test_predictions_of_the_wrong_neurons_score_low(recover, truth):
    neurons = np.arange(len(truth.cell_type))
    shuffled = np.random.default_rng(0).permuted(truth.expected_counts, axis=0)
    table = recover(shuffled, truth.filters[:, 0], neurons)
    assert abs(table["cc_norm_exact"].mean()) < 0.1
    assert abs(table["correlation_expected"].mean()) < 0.1


def test_dead_and_failed_outputs_are_counted_apart(recover, truth, recording):
    prediction = truth.expected_counts.copy()
    prediction[:, 1] = 0.0
    prediction[:, recording.neurons_of("01")] = np.nan
    table = recover(prediction, truth.filters[:, 0], np.arange(len(truth.cell_type)))
    assert table.loc[1, "n_dead"] == 2 and np.isnan(table.loc[1, "correlation"])
    failed = table[table["session"] == "01"]
    assert (failed["n_networks"] == 0).all() and failed["correlation"].isna().all()
    assert table.loc[table["session"] == "03", "n_networks"].eq(2).all()


def test_receptive_fields_are_alike_to_themselves_only(recover, truth):
    neurons = np.array([7, 2, 11, 5, 20])
    table = recover(truth.expected_counts, truth.filters[neurons, 0], neurons)
    asked = table.set_index("neuron").loc[neurons]
    np.testing.assert_allclose(asked["preferred_image_likeness"], 1, atol=1e-6)
    np.testing.assert_allclose(asked["network_image_likeness"], 1, atol=1e-6)
    assert (asked["other_neuron_likeness"].abs() < 0.8).all()
    # Reversed in order, the middle one is that of its own neuron.
    np.testing.assert_allclose(asked["weighted_image_likeness"].iloc[2], 1, atol=1e-6)
    assert (asked["weighted_image_likeness"].iloc[[0, 1, 3, 4]].abs() < 0.8).all()
    assert table["preferred_image_likeness"].count() == len(neurons)


def test_one_image_alone_has_no_other_neuron(recover, truth):
    table = recover(truth.expected_counts, truth.filters[[4], 0], np.array([4]))
    assert table["preferred_image_likeness"].count() == 1
    assert table["other_neuron_likeness"].count() == 0


def test_orientation_is_found_in_counts_and_in_silico(recover, truth):
    neurons = np.arange(len(truth.cell_type))
    table = recover(truth.expected_counts, truth.filters[:, 0], neurons)
    oriented = table["cell_type"] != "unoriented"
    assert table.loc[oriented, "orientation_error_model_deg"].median() < 6
    assert table.loc[oriented, "orientation_error_deg"].median() < 10
    assert table.loc[~oriented, "orientation_error_deg"].isna().all()
    for column in ("orientation_selectivity_expected", "orientation_selectivity_model"):
        assert table.loc[oriented, column].mean() > 5 * table.loc[~oriented, column].mean()
    np.testing.assert_allclose(
        table["orientation_selectivity_model"],
        table["orientation_selectivity_expected"],
        atol=0.05,
    )
    assert set(table["source_kind"]) == {"simulated"} and set(table["model"]) == {"oracle"}


def test_likeness_at_any_phase(truth):
    neuron = int(np.flatnonzero(truth.cell_type == "complex")[0])
    even, odd = truth.filters[neuron]
    aperture = np.ones(even.shape, dtype=bool)
    for image in (even, odd, -even, 0.6 * even - 0.8 * odd):
        assert likeness(image, truth.filters[neuron], aperture, any_phase=True) == pytest.approx(1)
    assert likeness(odd, truth.filters[neuron], aperture, any_phase=False) < 0.1
    assert likeness(-even, truth.filters[neuron], aperture, any_phase=False) == pytest.approx(-1)
    noise = np.random.default_rng(0).normal(size=(200, *even.shape))
    found = likeness(noise, truth.filters[neuron], aperture, any_phase=True)
    # Two of 1089 dimensions: sqrt(2 / 1089) = 0.04.
    assert found.mean() == pytest.approx(0.04, abs=0.01)
    assert np.isnan(likeness(np.ones(even.shape), truth.filters[neuron], aperture, any_phase=True))


def test_orientation_distance_wraps_around():
    found = orientation_distance(np.array([5, 175, 90, 355, 10]), np.array([175, 5, 0, 5, np.nan]))
    np.testing.assert_allclose(found, [10, 10, 90, 10, np.nan])
