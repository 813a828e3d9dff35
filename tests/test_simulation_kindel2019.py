"""The simulated Kindel recordings: form of the original, known statistics, known neurons."""

import gzip
import io
import tarfile
from copy import deepcopy

import numpy as np
import pytest
from scipy.io import loadmat

import simulate_kindel2019
from v1lib.files import read_npz
from v1lib.simulation.kindel2019 import BACKGROUND, SIZE_PX, settings_of, simulate
from v1lib.simulation.population import CELL_TYPES, population_of, spike_counts

SETTINGS = {
    "seed": 1,
    "sessions": {"01": 9, "03": 12},
    "n_images": 270,
    "n_repeats": 20,
    "images": {"luminance": [121, 50], "contrast": [56, 18], "n_leaves": 60, "texture": 0.3},
    "cells": {
        "types": {"simple": 0.4, "complex": 0.3, "unoriented": 0.3},
        "normalized_share": 0.5,
        "semi_saturation": {"pool": 0.2, "own": 1.0},
        "wavelength_px": [7, 14],
        "sigma_per_wavelength": [0.35, 0.5],
        "centre_spread_px": 4,
        "mean_count": [0.45, 0.75, 0.01, 1.4],
        "baseline_share": [0.2, 0.5],
    },
    "gratings": {"n_orientations": 16, "n_phases": 4, "wavelength_px": 10, "contrast": 0.5},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Archive and ground truth of the settings above."""
    folder = tmp_path_factory.mktemp("simulated")
    archive, truth = folder / "data.tar.gz", folder / "truth.npz"
    simulate_kindel2019.main(archive=archive, truth=truth, settings=SETTINGS)
    return archive, truth


@pytest.fixture(scope="module")
def truth(written):
    return read_npz(written[1])


@pytest.fixture(scope="module")
def sessions(written):
    with tarfile.open(written[0]) as tar:
        return {
            entry.name: loadmat(io.BytesIO(tar.extractfile(entry).read()))
            for entry in tar
            if entry.isfile()
        }


def test_archive_has_the_names_types_and_shapes_of_the_original(sessions):
    names = [f"data/{name}mean50ms_smallim_d2_crop.mat" for name in ("01", "03")]
    assert sorted(sessions) == names
    for name, n_cells in zip(names, (9, 12), strict=True):
        images, activity = sessions[name]["images"], sessions[name]["activity"]
        assert images.dtype == np.uint8 and images.shape == (270, 33, 33)
        assert activity.dtype == np.float64 and activity.shape == (270, n_cells)
        assert np.array_equal(images, sessions[names[0]]["images"])
        counts = activity * 20
        assert np.allclose(counts, np.rint(counts), atol=1e-9)
        assert b"simulated" in sessions[name]["__header__"]


def test_images_look_like_the_originals_to_the_first_orders(sessions):
    images = sessions["data/01mean50ms_smallim_d2_crop.mat"]["images"]
    aperture = (images != BACKGROUND).any(axis=0)
    rows, columns = np.flatnonzero(aperture.any(1)), np.flatnonzero(aperture.any(0))
    assert [rows[0], rows[-1], columns[0], columns[-1]] == [4, 29, 4, 29]
    assert abs(aperture.sum() - 516) < 40
    assert abs(images.mean() - 117) < 5
    inside = images[:, aperture].astype(float)
    assert abs(inside.std(axis=1).mean() - 52) < 6  # of the original, in grey levels
    # Natural images have most of their power at low frequencies: neighbours are alike.
    shifted = [
        np.corrcoef(images[:, 10:20, 10:20].ravel(), moved.ravel())[0, 1]
        for moved in (images[:, 11:21, 10:20], images[:, 15:25, 10:20])
    ]
    assert shifted[0] > 0.75 and shifted[0] > shifted[1] + 0.1


def test_rates_are_in_the_range_of_the_original(sessions):
    for session in sessions.values():
        activity = session["activity"]
        assert 0.3 < activity.mean() < 0.9
        assert 2.5 < activity.max() < 12
        assert activity.mean(axis=0).min() < 0.25
        assert (activity.std(axis=0) > 0).all()


def test_single_trials_are_poisson_and_their_mean_is_what_is_published(truth, sessions):
    counts, expected = truth["counts"], truth["expected_counts"]
    assert counts.dtype == np.uint8 and counts.shape == (20, 270, 21)
    published = np.concatenate([sessions[name]["activity"] for name in sorted(sessions)], axis=1)
    assert np.array_equal(counts.sum(axis=0) / 20, published)
    # Variance over repeats against the mean, pooled: Fano factor 1 with standard error below 0.01.
    assert counts.var(axis=0, ddof=1).mean() / counts.mean() == pytest.approx(1, abs=0.04)
    z = (counts.sum(axis=0) - 20 * expected) / np.sqrt(20 * expected)
    assert z.mean() == pytest.approx(0, abs=4 / np.sqrt(z.size))
    assert z.var() == pytest.approx(1, abs=0.08)


def test_every_type_with_and_without_normalization_is_in_every_session(truth):
    for name in ("01", "03"):
        of_session = truth["session"] == name
        for cell_type in CELL_TYPES:
            cells = of_session & (truth["cell_type"] == cell_type)
            assert set(truth["has_normalization"][cells]) == {True, False}


def test_ground_truth_says_that_it_is_simulated_and_answers_like_the_cells(truth, sessions):
    assert truth["simulated"] and truth["source_kind"] == "simulated"
    population = population_of(truth)
    images = sessions["data/01mean50ms_smallim_d2_crop.mat"]["images"]
    assert np.allclose(population.respond(images[:, None]), truth["expected_counts"])
    assert np.array_equal(population.respond(images[:3]), population.respond(images[:3, None]))
    blank = np.full((1, *SIZE_PX), BACKGROUND)
    assert np.allclose(population.respond(blank), truth["baseline"])
    with pytest.raises(ValueError, match="expected \\[n, 1, 33, 33\\]"):
        population.respond(images[:, :20])


def test_reverse_correlation_finds_the_planted_filter_of_simple_cells(truth):
    population = population_of(truth)
    rng = np.random.default_rng(0)
    noise = rng.normal(BACKGROUND, 25, (12000, *SIZE_PX))
    counts = spike_counts(rng, 50 * population.respond(noise), 1)[0]

    def match(responses):
        average = (noise - BACKGROUND).reshape(len(noise), -1).T @ (responses - responses.mean(0))
        filters = truth["receptive_field"].reshape(len(average.T), -1)
        return np.array([np.corrcoef(a, f)[0, 1] for a, f in zip(average.T, filters, strict=True)])

    linear = truth["cell_type"] != "complex"
    found = match(counts)
    assert (found[linear] > 0.5).all()
    # A complex cell has no linear receptive field, and shuffled spikes carry none.
    assert (np.abs(found[~linear]) < 0.2).all()
    assert (np.abs(match(rng.permutation(counts))) < 0.15).all()


def test_responses_follow_the_formulas_of_the_three_types(truth):
    population = population_of(truth)
    rng = np.random.default_rng(4)
    images = rng.uniform(0, 255, (5, *SIZE_PX))
    contrast = (images / BACKGROUND - 1).reshape(5, -1)
    filters = population.cells.filters(SIZE_PX)
    drive = population.drive(images)
    for cell, cell_type in enumerate(truth["cell_type"]):
        first, second = (contrast @ part.ravel() for part in filters[cell])
        expected = first**2 + second**2 if cell_type == "complex" else np.maximum(first, 0) ** 2
        assert np.allclose(drive[:, cell], expected)
    # Without a pool, and at twice the contrast, the drive is four times as strong.
    doubled = BACKGROUND + 2 * (images - BACKGROUND)
    assert np.allclose(population.drive(doubled), 4 * drive)
    own = ~truth["has_normalization"]
    half = truth["semi_saturation"]
    expected = truth["baseline"] + truth["gain"] * drive / (half + drive)
    assert np.allclose(population.respond(images)[:, own], expected[:, own])


def test_complex_cells_do_not_care_for_phase_and_simple_cells_do(truth):
    expected = truth["expected_grating_counts"] - truth["baseline"]
    best = expected.mean(axis=1).argmax(axis=0)
    by_phase = np.stack([expected[best[k], :, k] for k in range(expected.shape[2])])
    modulation = np.ptp(by_phase, axis=1) / by_phase.mean(axis=1)
    assert (modulation[truth["cell_type"] == "complex"] < 0.5).all()
    assert (modulation[truth["cell_type"] == "simple"] > 1).all()


def test_gratings_tell_oriented_from_unoriented_cells(truth):
    assert truth["grating_counts"].shape == (16, 4, 20, 21)
    assert truth["grating_images"].shape == (16, 4, *SIZE_PX)
    tuning = truth["expected_grating_counts"].mean(axis=1)
    twice = 2j * np.deg2rad(truth["grating_orientation_deg"])
    vector = (tuning * np.exp(twice)[:, None]).sum(axis=0) / tuning.sum(axis=0)
    oriented = truth["cell_type"] != "unoriented"
    assert np.abs(vector[~oriented]).max() < 0.1 < 0.2 < np.abs(vector[oriented]).min()
    preferred = np.rad2deg(np.angle(vector[oriented])) / 2
    error = (preferred - truth["orientation_deg"][oriented] + 90) % 180 - 90
    assert np.abs(error).max() < 15


def test_normalization_saturates_a_complex_cell_below_its_own_energy():
    settings = deepcopy(SETTINGS)
    settings["sessions"] = {"01": 6}
    settings["cells"]["types"] = {"complex": 1.0}
    population = simulate(settings_of(settings)).population
    normalized = population.cells.has_normalization
    rng = np.random.default_rng(2)
    masks = rng.normal(0, 60, (40, *SIZE_PX))
    drive = population.drive(BACKGROUND + masks)
    responses = population.respond(BACKGROUND + masks) - population.baseline
    # Without a pool the response is a function of the drive alone; with one it is not.
    for cell in range(6):
        order = drive[:, cell].argsort()
        assert (np.diff(responses[order, cell]) >= -1e-12).all() == (not normalized[cell])


def test_same_settings_same_bytes_and_another_seed_another_population(written, tmp_path):
    for name, seed in (("same", 1), ("other", 2)):
        simulate_kindel2019.main(
            archive=tmp_path / name / "data.tar.gz",
            truth=tmp_path / name / "truth.npz",
            settings=SETTINGS | {"seed": seed},
        )
    for file, original in zip(("data.tar.gz", "truth.npz"), written, strict=True):
        assert (tmp_path / "same" / file).read_bytes() == original.read_bytes()
        assert (tmp_path / "other" / file).read_bytes() != original.read_bytes()
    # Nothing of the time of writing is in the archive, so that it cannot differ tomorrow.
    header = written[0].read_bytes()[4:8]
    assert header == bytes(4)
    with gzip.open(written[0]) as unpacked, tarfile.open(fileobj=unpacked) as tar:
        for entry in tar:
            assert entry.mtime == 0
            if entry.isfile():
                assert b"Created on" not in tar.extractfile(entry).read(128)


def test_a_session_is_drawn_alone():
    alone = simulate(settings_of(SETTINGS | {"sessions": {"03": 12}}))
    both = simulate(settings_of(SETTINGS))
    assert np.array_equal(alone.activity["03"], both.activity["03"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"repeats": 3}, "repeats is not known"),
        ({"cells": {}}, "cells.baseline_share is missing"),
        ({"cells": SETTINGS["cells"] | {"types": {"simple": 0.5}}}, "sum to 1"),
        ({"cells": SETTINGS["cells"] | {"types": {"bipolar": 1.0}}}, "bipolar"),
    ],
)
def test_wrong_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        settings_of(SETTINGS | change)


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="lower the mean count"):
        spike_counts(np.random.default_rng(0), np.array([500.0]), 3)
